"""A picture as the Label page shows it to one person: what they may see of it, ready for page and API.

A card tells nothing that the person must not know: a blind one carries no prediction at all, a planted
one carries the planted number as if the model had said it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypedDict

from django.contrib.auth.models import User
from django.db.models import F
from django.db.models.functions import Abs
from django.urls import reverse
from psycopg.types.numeric import Int8

from labeling.annotate import Shown, shown_of
from labeling.models import Assignment, Consensus, Item, Probe, Project, Review
from labeling.prepared import rows_of
from scoring.core.defects import ACCUSED_FROM
from scoring.core.types import Dimension, grade_of, nearest_vote
from scoring.models import Score
from scoring.records import dimensions_of
from scoring.words import GRADE_WORDS, cause_words, defect_words

FULL_SCORE = 100.0
MIDDLE_GRADE = 3.0
FINISHED = (Item.State.SETTLED, Item.State.APPROVED)


# The page asks for this after every vote: one prepared statement instead of three built anew.
SCORE_NAMES = [
    "id",
    "overall_score",
    "overall_std",
    "interval_low",
    "interval_high",
    *(f"{dimension}_score" for dimension in Dimension),
    "findings",
]
PICTURE = "i.id, i.width, i.height, p.title, p.external_id, p.category"


def _shown_statement(key: str, table: str, scored: str) -> str:
    return f"""
SELECT {key}, {PICTURE}, {", ".join(f"s.{name}" for name in SCORE_NAMES)}
FROM {table} t
JOIN scoring_image i ON i.id = t.image_id
JOIN scoring_product p ON p.id = i.product_id
LEFT JOIN scoring_serving v ON v.id = 1
LEFT JOIN LATERAL (
  SELECT * FROM scoring_score c WHERE c.image_id = {scored} AND c.model_id IN (v.displayed_id, v.champion_id)
  ORDER BY (c.model_id = v.displayed_id) DESC LIMIT 1
) s ON TRUE
WHERE t.id = ANY (%(ids)s)
"""  # noqa: S608  (names of our own tables and columns)


SHOWN = _shown_statement("t.id, t.returned_to_id", "labeling_item", "i.id")
PROBED = _shown_statement("t.id, NULL::bigint", "labeling_probe", "t.scored_as_id")
SCORE_FROM = 8


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
    """One leased picture. ``prediction`` is null when hidden (``is_blind``) or not there yet.

    ``heatmap`` is where a picture of lost points lies, empty without a prediction.
    """

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
    heatmap: str
    returned: str
    lease_until: str


class Example(TypedDict):
    """A picture with its settled label, 1-5."""

    picture: str
    thumbnail: str
    title: str
    mos: float


class _Row(NamedTuple):
    """One row of SHOWN or PROBED."""

    item_id: int  # or the probe's
    returned_to_id: int | None
    image_id: int
    width: int
    height: int
    title: str
    external_id: str
    category: str
    score: Score | None


def examples_of(*, project: Project) -> list[Example]:
    """The worst, a middling and the best picture whose label is settled: what the grades mean here.

    None of them is offered for a vote any more, so nobody reads a label before giving their own.
    """
    settled = Consensus.objects.filter(
        item__project=project, item__state__in=FINISHED, vote_count__gte=2, item__image__is_hidden=False
    ).select_related("item__image__product")
    middling = settled.annotate(off=Abs(F("mos") - MIDDLE_GRADE))
    found = [order.first() for order in (settled.order_by("mos"), middling.order_by("off"))]
    found.append(settled.order_by("-mos").first())
    known = {one.item_id: one for one in found if one is not None}
    return [
        Example(
            picture=reverse("picture", args=[one.item.image_id]),
            thumbnail=reverse("thumbnail", args=[one.item.image_id]),
            title=str(one.item.image.product),
            mos=round(one.mos, 1),
        )
        for one in known.values()
    ]


def cards_of(*, assignments: Sequence[Assignment], user: User) -> list[Card]:
    """A card for each lease, in their order: one statement, one more when something came back."""
    known = {row.item_id: row for row in _shown(SHOWN, (a.item_id for a in assignments))}
    reasons = _reasons(row.item_id for row in known.values() if row.returned_to_id == user.pk)
    return [
        _card(assignment, known[assignment.item_id], reasons.get(assignment.item_id, ""))
        for assignment in assignments
        if assignment.item_id in known
    ]


def probe_cards_of(*, probes: Sequence[Probe]) -> list[Card]:
    """A card for each probe, in their order, of the same cut as any other; one statement."""
    known = {row.item_id: row for row in _shown(PROBED, (probe.pk for probe in probes))}
    return [_card(probe, known[probe.pk], "") for probe in probes if probe.pk in known]


def _shown(statement: str, ids: Iterable[int]) -> list[_Row]:
    """What items or probes show; the score is the displayed model's, else the champion's."""
    found = rows_of(statement, {"ids": [Int8(pk) for pk in ids]})
    return [_Row._make([*row[:SCORE_FROM], _score_of(row[SCORE_FROM:])]) for row in found]


def _score_of(values: Sequence[Any]) -> Score | None:
    if values[0] is None:
        return None
    score: Score = Score.from_db("default", SCORE_NAMES, [*values[:-1], json.loads(values[-1])])
    return score


def _reasons(returned: Iterable[int]) -> dict[int, str]:
    """Why a reviewer sent an item back, by item id."""
    ids = list(returned)
    if not ids:
        return {}
    found = Review.objects.filter(item_id__in=ids, decision=Review.Decision.RETURN).order_by("pk")
    return dict(found.values_list("item_id", "reason"))


def _card(assignment: Assignment | Probe, row: _Row, returned: str) -> Card:
    shown, score = shown_of(assignment, row.score), row.score
    moved = 0.0 if shown.score is None or score is None else shown.score - score.overall_score
    prediction = _prediction(shown, score, moved)
    return Card(
        assignment=assignment.pk,
        image=row.image_id,
        picture=reverse("picture", args=[row.image_id]),
        thumbnail=reverse("thumbnail", args=[row.image_id]),
        width=row.width,
        height=row.height,
        title=row.title or row.external_id,
        category=row.category,
        is_blind=shown.is_blind,
        prediction=prediction,
        dimensions={} if prediction is None else _dimensions(score, moved),
        findings=[] if prediction is None or moved > 0 else _findings(score),
        heatmap=reverse("heatmap", args=[row.image_id]) if prediction else "",
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
