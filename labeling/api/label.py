"""Stations 3 and 4 over the API: the next pictures, a vote, undo, skip, heartbeat, release.

The Label page uses exactly these six addresses. Each write is safe twice: a vote and an undo carry a key
of the client's, the others change nothing the second time. A vote may ask for the next pictures in the
same breath, so that label after label costs one round trip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api import label_shapes as shapes
from labeling.current import current_project
from labeling.label import (
    Vote,
    card_again,
    picture_skip,
    picture_unskip,
    pictures_extend,
    pictures_next,
    vote_give,
    vote_live,
    vote_of,
    vote_take_back,
)
from labeling.qualify import QUALIFY_FIRST
from labeling.queue import lease_release, nothing_words, why_nothing
from scoring.access import person_of
from scoring.api.strict import body_of
from scoring.errors import ConflictError, NotAllowedError, StationError

TAG = ["label"]
Said = Mapping[str, Any]


@extend_schema(tags=TAG, summary="Lease pictures", request=shapes.NextInput, responses=shapes.NextShape)
@api_view(["POST"])
def label_next(request: Request) -> Response:
    """Up to ``count`` pictures leased to you, best first. Those you hold already come first, unless named."""
    user, said = person_of(request), body_of(request, shapes.NextInput)
    require_same_person(user, said)
    return Response(_next(request, user, said))


@extend_schema(tags=TAG, summary="Vote", request=shapes.SubmitInput, responses=shapes.SubmitShape)
@api_view(["POST"])
def label_submit(request: Request) -> Response:
    """Store one vote, and lease the next pictures where ``next`` asks for them.

    409 ``lease_lost``: somebody else has the picture. 409 ``already_voted``: ``live`` names your vote that
    counts; send it as ``supersedes`` to correct it.
    """
    user, said = person_of(request), body_of(request, shapes.SubmitInput)
    require_same_person(user, said)
    try:
        vote = _submit(user, said)
    except ConflictError as refusal:
        if refusal.code != "already_voted":
            raise
        live = vote_live(user=user, assignment_id=said["assignment"])
        told = {"code": refusal.code, "detail": str(refusal), "live": _told(live) if live else None}
        return Response(told, status=refusal.status)
    return Response({"vote": _told(vote), **_after(request, user, said)})


@extend_schema(tags=TAG, summary="Take a vote back", request=shapes.UndoInput, responses=shapes.OneShape)
@api_view(["POST"])
def label_undo(request: Request) -> Response:
    """Your vote no longer counts; its picture is leased to you again."""
    user, said = person_of(request), body_of(request, shapes.UndoInput)
    require_same_person(user, said)
    by = {"key": said["vote"]} if "vote" in said else {"pk": said["annotation"]}
    vote = vote_of(user=user, **by)
    vote_take_back(user=user, vote_id=vote.pk, key=said["key"])
    return Response({"card": card_again(user=user, vote=vote)})


@extend_schema(tags=TAG, summary="Skip a picture", request=shapes.SkipInput, responses=shapes.NextShape)
@api_view(["POST"])
def label_skip(request: Request) -> Response:
    """You are not offered this picture again, others are. ``back`` takes it back and returns its card."""
    user, said = person_of(request), body_of(request, shapes.SkipInput)
    require_same_person(user, said)
    if said["back"]:
        cards = picture_unskip(user=user, assignment_id=said["assignment"])
        return Response({"cards": cards, "nothing": None})
    picture_skip(user=user, assignment_id=said["assignment"])
    return Response(_after(request, user, said))


@extend_schema(tags=TAG, summary="Prolong leases", request=shapes.HoldInput, responses=shapes.ExtendedShape)
@api_view(["POST"])
def label_extend(request: Request) -> Response:
    """The heartbeat of a page: says which pictures are still yours, and until when."""
    user, said = person_of(request), body_of(request, shapes.HoldInput)
    require_same_person(user, said)
    extended = pictures_extend(user=user, assignment_ids=said["assignments"])
    return Response({"held": sorted(extended.held), "until": extended.until})


@extend_schema(
    tags=TAG, summary="Give leases back", request=shapes.ReleaseInput, responses=shapes.ReleasedShape
)
@api_view(["POST"])
def label_release(request: Request) -> Response:
    """For a page that closes. A form body will do, so that a beacon can carry it."""
    user, said = person_of(request), body_of(request, shapes.ReleaseInput)
    require_same_person(user, said)
    released = lease_release(user=user, assignment_ids=said["assignments"], until=said.get("until"))
    return Response({"released": released})


def _submit(user: User, said: Said) -> Vote:
    return vote_give(
        user=user,
        assignment_id=said["assignment"],
        key=said["key"],
        rating=said["rating"],
        accept=said["accept"],
        dimensions=said["dimensions"],
        defects=said["defects"],
        is_flagged=said["is_flagged"],
        note=said["note"],
        duration_ms=said["duration_ms"],
        supersedes_id=said["supersedes"],
        score_id=said["score"],
    )


def require_same_person(user: User, said: Said) -> None:
    """Answers kept by a browser must not be sent in the name of whoever logged in there since."""
    if said.get("rater", user.pk) != user.pk:
        raise ConflictError(_("Somebody else is logged in here now."), code="other_person")


def _after(request: Request, user: User, said: Said) -> dict[str, Any]:
    """The next pictures; what keeps them away is told beside the answer, which is stored."""
    if "next" not in said:
        return {"cards": [], "nothing": None}
    try:
        return _next(request, user, said["next"])
    except StationError as refusal:
        return {"cards": [], "nothing": _nothing(refusal)}


def _nothing(refusal: StationError) -> dict[str, Any]:
    return {"code": refusal.code, "detail": str(refusal), "skipped": 0, "held": 0, "until": None}


def _next(request: Request, user: User, asked: Said) -> dict[str, Any]:
    project_id = asked.get("project") or current_project(cast(HttpRequest, request)).pk
    try:
        project, cards = pictures_next(
            user=user, project_id=project_id, count=asked["count"], holding=asked["holding"]
        )
    except NotAllowedError as refusal:
        if refusal.code != QUALIFY_FIRST:
            raise
        return {"cards": [], "nothing": _nothing(refusal)}  # no fault: the round's page says how it went
    if cards:
        return {"cards": cards, "nothing": None}
    nothing = why_nothing(user=user, project=project)
    return {"cards": [], "nothing": {**asdict(nothing), "detail": nothing_words(nothing)}}


def _told(vote: Vote) -> dict[str, Any]:
    return {
        "id": vote.pk,
        "key": vote.key,
        "assignment": vote.assignment_id,
        "rating": vote.rating,
        "is_accepted": vote.is_accepted,
        "is_withdrawn": vote.is_withdrawn,
    }
