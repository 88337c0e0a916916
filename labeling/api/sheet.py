"""The Grid page's API: a sheet of clear cases, its answers at once, undo. Safe twice like every vote."""

from __future__ import annotations

from typing import Any, cast

from django.contrib.auth.models import User
from django.http import HttpRequest
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api import sheet_shapes as shapes
from labeling.api.label import TAG, Said, require_same_person
from labeling.current import current_project
from labeling.permissions import labeler_project
from labeling.sheet import TileAnswer, TileResult, no_sheet_words, sheet_confirm, sheet_next, sheet_undo
from scoring.access import person_of
from scoring.api.strict import body_of
from scoring.errors import StationError


@extend_schema(
    tags=TAG, summary="Lease a sheet of clear cases", request=shapes.SheetInput, responses=shapes.SheetShape
)
@api_view(["POST"])
def label_sheet(request: Request) -> Response:
    """6 to 24 pictures that the model is sure of and that all mean the same vote, leased to you."""
    user, said = person_of(request), body_of(request, shapes.SheetInput)
    require_same_person(user, said)
    return Response(_next(request, user, said))


@extend_schema(
    tags=TAG, summary="Vote on a sheet", request=shapes.ConfirmInput, responses=shapes.ConfirmedShape
)
@api_view(["POST"])
def label_sheet_confirm(request: Request) -> Response:
    """Store every answer of a sheet in one transaction, and lease the next sheet where ``next`` asks for it.

    An answer without ``rating`` confirms the prediction that was shown. Pictures that went to somebody else
    meanwhile are named in ``results`` and hold up no other.
    """
    user, said = person_of(request), body_of(request, shapes.ConfirmInput)
    require_same_person(user, said)
    results = sheet_confirm(
        user=user,
        key=said["key"],
        answers=[
            TileAnswer(one["assignment"], one["score"], one["rating"], one["skip"]) for one in said["answers"]
        ],
        duration_ms=said["duration_ms"],
    )
    return Response({"results": [_result_of(one) for one in results], **_after(request, user, said)})


@extend_schema(
    tags=TAG, summary="Take a sheet back", request=shapes.SheetUndoInput, responses=shapes.CardsShape
)
@api_view(["POST"])
def label_sheet_undo(request: Request) -> Response:
    """None of the sheet's votes counts any more; its pictures are leased to you again."""
    user, said = person_of(request), body_of(request, shapes.SheetUndoInput)
    require_same_person(user, said)
    cards = sheet_undo(user=user, key=said["key"], sheet=said["sheet"], assignment_ids=said["assignments"])
    return Response({"cards": cards})


def _next(request: Request, user: User, asked: Said) -> dict[str, Any]:
    project_id = asked.get("project") or current_project(cast(HttpRequest, request)).pk
    project = labeler_project(user, project_id)
    found = sheet_next(user=user, project=project, holding=asked["holding"])
    if found is None:
        return {
            "sheet": None,
            "nothing": {"code": "no_clear_cases", "detail": no_sheet_words(user=user, project=project)},
        }
    return {"sheet": {"rating": found.rating, "cards": found.cards}, "nothing": None}


def _after(request: Request, user: User, said: Said) -> dict[str, Any]:
    """The next sheet; what keeps it away is told beside the answer, which is stored."""
    if "next" not in said:
        return {"sheet": None, "nothing": None}
    try:
        return _next(request, user, said["next"])
    except StationError as refusal:
        return {"sheet": None, "nothing": {"code": refusal.code, "detail": str(refusal)}}


def _result_of(one: TileResult) -> dict[str, Any]:
    vote = one.vote
    return {
        "assignment": one.assignment_id,
        "key": vote.key if vote else None,
        "rating": vote.rating if vote else None,
        "code": one.code,
        "detail": one.detail,
    }
