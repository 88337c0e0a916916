"""What a vote says: the row made of a person's answer and of what they were shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from labeling.answer import Answer
from labeling.models import Annotation, Assignment, Probe
from scoring.core.types import nearest_vote
from scoring.errors import BadInputError
from scoring.models import Score

LONGEST_MS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Shown:
    """What a person is told of the model's score, 0-100: nothing when blind, the planted value if any."""

    score: float | None
    std: float | None
    is_blind: bool


def shown_of(assignment: Assignment | Probe, score: Score | None) -> Shown:
    """What this slot's person sees of ``score``; the card, the page and the vote must say the same."""
    if assignment.is_blind:
        return Shown(score=None, std=None, is_blind=True)
    planted = assignment.planted_score
    value = planted if planted is not None else (score.overall_score if score else None)
    return Shown(score=value, std=score.overall_std if score else None, is_blind=False)


def ballot_of(
    slot: Assignment, rater_id: int, answer: Answer, score: Score | None, *, key: UUID, duration_ms: int
) -> Annotation:
    """The vote, not stored yet; refuses to accept a score where none was shown."""
    shown = shown_of(slot, score)
    return Annotation(
        item_id=slot.item_id,
        assignment_id=slot.pk,
        rater_id=rater_id,
        rating=_rating_of(answer, shown),
        is_accepted=answer.accept,
        dimensions=answer.dimensions,
        defects=answer.defects,
        is_flagged=answer.is_flagged,
        note=answer.note,
        shown_score=shown.score,
        shown_model_id=score.model_id if score and not shown.is_blind else None,
        is_planted=slot.planted_score is not None and not shown.is_blind,
        duration_ms=min(max(0, duration_ms), LONGEST_MS),
        key=key,
        body_digest=answer.digest,
    )


def told_of(vote: Annotation) -> dict[str, Any]:
    """The vote as its event tells it."""
    return {"item": vote.item_id, "rating": vote.rating, "accepted": vote.is_accepted}


def _rating_of(answer: Answer, shown: Shown) -> int:
    if answer.rating is not None:
        return answer.rating
    if shown.score is None:
        raise BadInputError(_("There is no score to accept: rate from 1 to 5."), code="nothing_to_accept")
    return nearest_vote(shown.score)
