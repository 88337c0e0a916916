"""Comparing over the API: pairs to look at, what somebody said of one, undo.

As with votes each write carries a key of the client's and is safe twice, and an answer may ask for the next
pairs in the same breath.
"""

from __future__ import annotations

from typing import Any, cast

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api import compare_shapes as shapes
from labeling.api.label import TAG, Said, require_same_person
from labeling.compare import (
    PairCard,
    comparison_submit,
    comparison_withdraw,
    live_comparisons,
    no_pairs_words,
    pair_cards,
    pairs_next,
)
from labeling.current import current_project
from labeling.models import Comparison
from labeling.permissions import labeler_project
from scoring.access import person_of
from scoring.api.strict import body_of
from scoring.errors import NotThereError, StationError


@extend_schema(tags=TAG, summary="Pairs to compare", request=shapes.PairsInput, responses=shapes.PairsShape)
@api_view(["POST"])
def label_pairs(request: Request) -> Response:
    """Up to ``count`` pairs worth comparing, the most telling first; not leased, so others may get them."""
    user, said = person_of(request), body_of(request, shapes.PairsInput)
    require_same_person(user, said)
    return Response(_next(request, user, said))


@extend_schema(tags=TAG, summary="Compare", request=shapes.CompareInput, responses=shapes.ComparedShape)
@api_view(["POST"])
def label_compare(request: Request) -> Response:
    """Store which of two pictures is better, and bring the next pairs where ``next`` asks for them.

    409 ``already_compared``: you said something of this pair before, whichever way round.
    """
    user, said = person_of(request), body_of(request, shapes.CompareInput)
    require_same_person(user, said)
    row = comparison_submit(
        user=user,
        left_id=said["left"],
        right_id=said["right"],
        answer=said["answer"],
        key=said["key"],
        duration_ms=said["duration_ms"],
    )
    return Response({"comparison": _row_of(row), **_after(request, user, said)})


@extend_schema(
    tags=TAG, summary="Take a comparison back", request=shapes.CompareUndoInput, responses=shapes.OnePairShape
)
@api_view(["POST"])
def label_compare_undo(request: Request) -> Response:
    """What you said of the pair no longer counts; here is the pair again."""
    user, said = person_of(request), body_of(request, shapes.CompareUndoInput)
    require_same_person(user, said)
    row = Comparison.objects.filter(rater_id=user.pk, key=said["comparison"]).first()
    if row is None:
        raise NotThereError(_("You made no such comparison."))
    comparison_withdraw(user=user, comparison_id=row.pk, key=said["key"])
    return Response({"pair": _pair_again(row)})


def _next(request: Request, user: User, asked: Said) -> dict[str, Any]:
    project_id = asked.get("project") or current_project(cast(HttpRequest, request)).pk
    project = labeler_project(user, project_id)
    pairs = pairs_next(user=user, project=project, count=asked["count"], holding=asked["holding"])
    nothing = None if pairs else {"code": "no_pairs", "detail": no_pairs_words(user=user, project=project)}
    return {"pairs": pairs, "nothing": nothing}


def _after(request: Request, user: User, said: Said) -> dict[str, Any]:
    """The next pairs; what keeps them away is told beside the answer, which is stored."""
    if "next" not in said:
        return {"pairs": [], "nothing": None}
    try:
        return _next(request, user, said["next"])
    except StationError as refusal:
        return {"pairs": [], "nothing": {"code": refusal.code, "detail": str(refusal)}}


def _pair_again(row: Comparison) -> PairCard | None:
    """The pair, unless somebody has answered it anew since: a repeated undo must not bring it back."""
    pair = (row.left_id, row.right_id)
    mine = live_comparisons().filter(rater_id=row.rater_id, left_id__in=pair, right_id__in=pair)
    return None if mine.exists() else next(iter(pair_cards([pair])), None)


def _row_of(row: Comparison) -> dict[str, Any]:
    return {"id": row.pk, "key": row.key, "left": row.left_id, "right": row.right_id, "answer": row.answer}
