"""The Grid page's sheets, between stations 3 and 4: many clear cases, confirmed by one key.

A sheet is a handful of leases like any other, and confirming it gives each picture an ordinary vote through
``annotation_submit``, all in one transaction. Slots whose prediction is hidden (blind) are never on a sheet:
they stay for the Label page, so the share of votes given blind stays what the project asks for. A planted
score stands on the sheet of the grade it pretends to be, where somebody who looks will catch it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

import numpy as np
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Avg
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.annotate import annotation_submit, annotation_withdraw
from labeling.card import Card, cards_of
from labeling.core.priority import draws_of
from labeling.core.sheets import CLEAR_STD, MOST_ON_A_SHEET, sheet_of
from labeling.locks import items_lock
from labeling.models import Annotation, Assignment, Item, Project
from labeling.permissions import labeler_of, qualify_words
from labeling.queue import item_skip, lease_these
from scoring.errors import BadInputError, ConflictError, NotThereError
from scoring.models import Score, Serving

# One free slot an item, never a blind one; the person's own old slot if they have one.
FREE = """
SELECT DISTINCT ON (t.id) a.id, coalesce(a.planted_score, s.overall_score), s.overall_std, i.product_id, t.id
FROM labeling_assignment a
JOIN labeling_item t ON t.id = a.item_id AND t.state = 'open' AND t.returned_to_id IS NULL
JOIN scoring_image i ON i.id = t.image_id AND NOT i.is_hidden
JOIN scoring_score s ON s.image_id = t.image_id
  AND s.model_id = (SELECT displayed_id FROM scoring_serving WHERE id = 1)
WHERE a.project_id = %(project)s AND (a.state = 'free' OR (a.state = 'leased' AND a.lease_until < %(now)s))
  AND NOT a.is_blind AND NOT a.id = ANY (%(holding)s)
  AND NOT EXISTS (SELECT 1 FROM labeling_assignment m
                  WHERE m.item_id = t.id AND m.user_id = %(me)s AND m.id <> a.id)
  AND NOT EXISTS (SELECT 1 FROM labeling_skip k WHERE k.item_id = t.id AND k.user_id = %(me)s)
ORDER BY t.id, (a.user_id = %(me)s) DESC NULLS LAST, a.id
"""


@dataclass(frozen=True, slots=True)
class SheetCards:
    """Leased clear cases and the vote 1-5 that confirming them means."""

    rating: int
    cards: list[Card]


@dataclass(frozen=True, slots=True)
class TileAnswer:
    """What was said of one picture of a sheet: confirmed, another ``rating``, or passed on (``skip``)."""

    assignment_id: int
    score_id: int | None = None
    rating: int | None = None
    skip: bool = False


@dataclass(frozen=True, slots=True)
class TileResult:
    """What became of one answer: the vote, or why there is none (``code``; empty for a skip)."""

    assignment_id: int
    vote: Annotation | None
    code: str = ""
    detail: str = ""


def sheet_next(*, user: User, project: Project, holding: Collection[int] = ()) -> SheetCards | None:
    """A sheet of clear cases leased to the person; None where too few. ``holding``: slots at hand."""
    labeler = labeler_of(user, project.pk)
    rows = [] if labeler.must_qualify else _free(user, project, holding)
    if not rows:
        return None
    slots, score, std, product, items = (np.array(column) for column in zip(*rows, strict=True))
    draws = draws_of((items.astype(np.int64) * 1_000_003 + user.pk).tolist())  # an order of the person's own
    found = sheet_of(score.astype(np.float64), std.astype(np.float64), product.astype(np.int64), draws)
    if found is None:
        return None
    leased = lease_these(user=user, project=project, assignment_ids=[int(slots[row]) for row in found.rows])
    cards = [card for card in cards_of(assignments=leased, user=user) if _stands_for(card, found.vote)]
    return SheetCards(found.vote, cards) if cards else None


def no_sheet_words(*, user: User, project: Project) -> str:
    """Why there is no sheet, and what to do."""
    if labeler_of(user, project.pk).must_qualify:
        return qualify_words()
    if not Item.objects.filter(project=project).exists():
        return _("No pictures are in this project yet. An admin can bring some in.")
    std = _usual_std(project)
    if std is not None and std > CLEAR_STD:
        words = _(
            "The model is sure to about ±{std} points here; a grade is clear from about ±{clear}. Label "
            "pictures one by one, and retrain: it gets surer."
        )
        return words.format(std=round(std), clear=round(CLEAR_STD))
    return _("There are too few clear cases just now. Label pictures one by one; the model gets surer.")


def _usual_std(project: Project) -> float | None:
    """How unsure the displayed model is of the project's open pictures, in points; None without scores."""
    scores = Score.objects.filter(
        model_id__in=Serving.objects.values("displayed_id"),
        image__items__project=project,
        image__items__state=Item.State.OPEN,
    )
    mean: float | None = scores.aggregate(mean=Avg("overall_std"))["mean"]
    return mean


def _stands_for(card: Card, vote: int) -> bool:
    """Whether the page would confirm what the sheet says: the model may have changed a moment ago."""
    return card["prediction"] is not None and card["prediction"]["rating"] == vote


def _free(user: User, project: Project, holding: Collection[int]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        now, held = timezone.now(), list(holding)
        cursor.execute(FREE, {"me": user.pk, "project": project.pk, "now": now, "holding": held})
        return list(cursor.fetchall())


@transaction.atomic
def sheet_confirm(
    *, user: User, key: UUID, answers: Sequence[TileAnswer], duration_ms: int = 0
) -> list[TileResult]:
    """Store a whole sheet at once; sent twice it is the same votes.

    Pictures that went to somebody else meanwhile are named in the answer and hold up no other. ``key`` with
    other answers is refused (``key_reused``) and stores nothing.
    """
    _require_some([answer.assignment_id for answer in answers])
    _lock(answer.assignment_id for answer in answers)
    each_ms = duration_ms // len(answers)
    results = [_tile_store(user, key, answer, each_ms) for answer in answers]
    if all(result.code == NotThereError.code for result in results):
        raise NotThereError(_("You hold no such image."))
    return results


def _tile_store(user: User, key: UUID, answer: TileAnswer, duration_ms: int) -> TileResult:
    slot = answer.assignment_id
    try:
        with transaction.atomic():
            if answer.skip:
                item_skip(user=user, assignment_id=slot)
                return TileResult(slot, None)
            vote = annotation_submit(
                user=user,
                assignment_id=slot,
                key=uuid5(key, str(slot)),
                rating=answer.rating,
                accept=answer.rating is None,
                duration_ms=duration_ms,
                score_id=answer.score_id,
            )
            return TileResult(slot, vote)
    except (ConflictError, NotThereError) as refusal:
        return TileResult(slot, None, refusal.code, str(refusal))


@transaction.atomic
def sheet_undo(*, user: User, key: UUID, sheet: UUID, assignment_ids: Sequence[int]) -> list[Card]:
    """Take back all votes of the sheet whose key was ``sheet``; its pictures are leased to them again."""
    _require_some(assignment_ids)
    _lock(assignment_ids)
    keys = {uuid5(sheet, str(slot)) for slot in assignment_ids}
    votes = list(Annotation.objects.filter(rater_id=user.pk, key__in=keys).order_by("pk"))
    if not votes:
        raise NotThereError(_("You gave no such vote."))
    for vote in votes:
        try:
            annotation_withdraw(user=user, annotation_id=vote.pk, key=uuid5(key, str(vote.assignment_id)))
        except ConflictError:  # corrected or decided on meanwhile: that one stands
            continue
    held = Assignment.objects.filter(
        pk__in=assignment_ids, user_id=user.pk, state=Assignment.State.LEASED
    ).order_by("pk")
    return cards_of(assignments=list(held), user=user)


def _require_some(assignment_ids: Sequence[int]) -> None:
    if not 1 <= len(assignment_ids) <= MOST_ON_A_SHEET or len(set(assignment_ids)) < len(assignment_ids):
        raise BadInputError(
            _("A sheet holds 1 to {most} different pictures.").format(most=MOST_ON_A_SHEET), code="bad_sheet"
        )


def _lock(assignment_ids: Any) -> None:
    """Hold every item of a sheet, in order, so that two sheets never wait for each other in a ring."""
    items_lock(Item.objects.filter(assignments__in=list(assignment_ids)).values_list("pk", flat=True))
