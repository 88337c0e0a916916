"""A picture as the Label page shows it to one person: what they may see of it, ready for page and API.

A card tells nothing that the person must not know: a blind one carries no prediction at all, a planted
one carries the planted number as if the model had said it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypedDict

from django.contrib.auth.models import User
from django.urls import reverse

from labeling.annotate import Shown, shown_of
from labeling.models import Assignment, Item, Review
from scoring.core.defects import ACCUSED_FROM
from scoring.core.types import grade_of, nearest_vote
from scoring.models import Score
from scoring.records import dimensions_of
from scoring.score import scores_of
from scoring.words import GRADE_WORDS, cause_words, defect_words

FULL_SCORE = 100.0


class Prediction(TypedDict):
    """What the model says, as shown: 0-100 with its interval, and the vote that accepting it means.

    ``id`` is the score row's: a vote names what it saw.
    """

    id: int
    score: float
    std: float
    low: float
    high: float
    grade: str
    grade_words: str
    rating: int


class Found(TypedDict):
    """A defect the model accuses the picture of, and why; ``box`` in fractions of width and height."""

    defect: str
    words: str
    cause: str
    probability: float
    box: list[float] | None


class Card(TypedDict):
    """One leased picture. ``prediction`` is null when hidden (``is_blind``) or not there yet."""

    assignment: int
    image: int
    picture: str
    thumbnail: str
    width: int
    height: int
    title: str
    category: str
    is_blind: bool
    prediction: Prediction | None
    dimensions: dict[str, float]
    findings: list[Found]
    returned: str
    lease_until: str


def cards_of(*, assignments: Sequence[Assignment], user: User) -> list[Card]:
    """A card for each lease, in their order: three queries, one more when something came back."""
    items = Item.objects.select_related("image__product").in_bulk([a.item_id for a in assignments])
    scores = scores_of(image_ids=[item.image_id for item in items.values()])
    reasons = _reasons(item for item in items.values() if item.returned_to_id == user.pk)
    return [
        _card(a, items[a.item_id], scores.get(items[a.item_id].image_id), reasons.get(a.item_id, ""))
        for a in assignments
        if a.item_id in items
    ]


def _reasons(returned: Iterable[Item]) -> dict[int, str]:
    """Why a reviewer sent an item back, by item id."""
    ids = [item.pk for item in returned]
    if not ids:
        return {}
    found = Review.objects.filter(item_id__in=ids, decision=Review.Decision.RETURN).order_by("pk")
    return dict(found.values_list("item_id", "reason"))


def _card(assignment: Assignment, item: Item, score: Score | None, returned: str) -> Card:
    image, product = item.image, item.image.product
    shown = shown_of(assignment, score)
    moved = 0.0 if shown.score is None or score is None else shown.score - score.overall_score
    prediction = _prediction(shown, score, moved)
    return Card(
        assignment=assignment.pk,
        image=image.pk,
        picture=reverse("picture", args=[image.pk]),
        thumbnail=reverse("thumbnail", args=[image.pk]),
        width=image.width,
        height=image.height,
        title=product.title or product.external_id,
        category=product.category,
        is_blind=shown.is_blind,
        prediction=prediction,
        dimensions={} if prediction is None else _dimensions(score, moved),
        findings=[] if prediction is None or moved > 0 else _findings(score),
        returned=returned,
        lease_until=assignment.lease_until.isoformat() if assignment.lease_until else "",
    )


def _prediction(shown: Shown, score: Score | None, moved: float) -> Prediction | None:
    if shown.score is None or score is None:
        return None
    grade = grade_of(shown.score)
    return Prediction(
        id=score.pk,
        score=round(shown.score, 1),
        std=round(score.overall_std if shown.std is None else shown.std, 1),
        low=_within(score.interval_low + moved),
        high=_within(score.interval_high + moved),
        grade=str(grade),
        grade_words=str(GRADE_WORDS[grade]),
        rating=nearest_vote(shown.score),
    )


def _dimensions(score: Score | None, moved: float) -> dict[str, float]:
    """The five scores; they move along with a planted number, which would give itself away otherwise."""
    known = {} if score is None else dimensions_of(score)
    return {str(dimension): _within(value + moved) for dimension, value in known.items()}


def _findings(score: Score | None) -> list[Found]:
    """Likely defects, the surest first. A number planted too high comes without: see ``_dimensions``."""
    known = [] if score is None else score.findings
    accused = [record for record in known if record["probability"] >= ACCUSED_FROM]
    return [_found(record) for record in sorted(accused, key=lambda record: -float(record["probability"]))]


def _found(record: dict[str, Any]) -> Found:
    return Found(
        defect=record["defect"],
        words=defect_words(record["defect"]),
        cause=cause_words(record),
        probability=round(float(record["probability"]), 2),
        box=record.get("box"),
    )


def _within(score: float) -> float:
    return round(min(FULL_SCORE, max(0.0, score)), 1)
