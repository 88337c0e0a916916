"""Why an item needs a reviewer, and when it needs one more vote instead: rules as data, with evidence.

Votes are in grades 1-5, scores in points 0-100; 25 points are a grade.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scoring.core.types import ACR_HIGH, ACR_LOW, Defect

DISAGREEMENT = "disagreement"
MODEL_AGAINST_PEOPLE = "model_against_people"
LOW_CONFIDENCE = "low_confidence"
ANNOTATOR = "annotator"
POLICY = "policy"
POINTS_PER_GRADE = 100.0 / (ACR_HIGH - ACR_LOW)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on a fact is a reason."""

    spread_from: float = 1.1  # grades: 2 and 4 lie further apart, 2, 3 and 4 do not
    gap_from: float = 30.0  # points between model and people: more than a grade ...
    gap_sigmas: float = 2.0  # ... and more than both of them admit to be unsure
    unsure_model_from: float = 18.0  # points: the model's own standard deviation
    unsure_label_from: float = 0.65  # grades: one vote of a stranger, or two of careless people
    defect_from: float = 0.95  # probability of a defect that marketplaces refuse
    refused_defects: frozenset[str] = frozenset({Defect.TEXT_OVERLAY, Defect.COLLAGE, Defect.BORDER})


LIMITS = Thresholds()


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an item when it is judged.

    ``fair`` are the ratings freed of each person's bias; ``label_std`` is the label's standard error in
    grades; ``people_say`` the probability 0-1 of each defect somebody judged, ``model_says`` the model's.
    """

    ratings: Sequence[int]
    fair: Sequence[float]
    mos_score: float
    label_std: float
    model_score: float | None = None
    model_std: float = 0.0
    model_says: Mapping[str, float] = field(default_factory=dict)
    people_say: Mapping[str, float] = field(default_factory=dict)
    flag_count: int = 0
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """One reason to look again, with the numbers that speak for it."""

    reason: str
    evidence: Mapping[str, Any]


def spread_of(fair: Sequence[float]) -> float:
    """Sample standard deviation of the votes in grades; 0 for fewer than two."""
    return float(np.std(fair, ddof=1)) if len(fair) > 1 else 0.0


def votes_wanted(
    fair: Sequence[float], *, overlap: int, max_overlap: int, limits: Thresholds = LIMITS
) -> int:
    """How many votes the item should have: ``overlap``, or while people disagree one more than it has."""
    if len(fair) < overlap or spread_of(fair) < limits.spread_from:
        return overlap
    return max(overlap, min(max_overlap, len(fair) + 1))


def verdicts_of(facts: Facts, limits: Thresholds = LIMITS) -> list[Verdict]:
    """Every reason to look again, the most telling first."""
    return [verdict for rule in RULES if (verdict := rule(facts, limits)) is not None]


def _annotator(facts: Facts, limits: Thresholds) -> Verdict | None:
    """Somebody asked for a reviewer."""
    if not facts.flag_count:
        return None
    return Verdict(ANNOTATOR, {"count": facts.flag_count, "notes": [note for note in facts.notes if note]})


def _disagreement(facts: Facts, limits: Thresholds) -> Verdict | None:
    """People differ by more than their usual noise."""
    spread = spread_of(facts.fair)
    if spread < limits.spread_from:
        return None
    low, high = min(facts.ratings), max(facts.ratings)
    evidence = {"spread": round(spread, 2), "lowest": low, "highest": high, "votes": len(facts.ratings)}
    return Verdict(DISAGREEMENT, evidence)


def _model_against_people(facts: Facts, limits: Thresholds) -> Verdict | None:
    """The model and the people differ by more than both admit to be unsure."""
    if facts.model_score is None or not facts.ratings:
        return None
    gap = abs(facts.model_score - facts.mos_score)
    doubt = float(np.hypot(facts.model_std, facts.label_std * POINTS_PER_GRADE))
    if gap < limits.gap_from or gap < limits.gap_sigmas * doubt:
        return None
    return Verdict(
        MODEL_AGAINST_PEOPLE,
        {
            "model_score": round(facts.model_score, 1),
            "people_score": round(facts.mos_score, 1),
            "gap": round(gap, 1),
            "doubt": round(doubt, 1),
        },
    )


def _low_confidence(facts: Facts, limits: Thresholds) -> Verdict | None:
    """Neither the model nor the people are sure."""
    if facts.model_score is None or facts.model_std < limits.unsure_model_from:
        return None
    if facts.label_std < limits.unsure_label_from:
        return None
    evidence = {"model_std": round(facts.model_std, 1), "label_std": round(facts.label_std, 2)}
    return Verdict(LOW_CONFIDENCE, evidence)


def _policy(facts: Facts, limits: Thresholds) -> Verdict | None:
    """The model is nearly certain of a defect marketplaces refuse, and people have not denied it."""
    found = {
        name: round(probability, 3)
        for name, probability in facts.model_says.items()
        if name in limits.refused_defects
        and probability >= limits.defect_from
        and facts.people_say.get(name, 1.0) >= 0.5
    }
    return Verdict(POLICY, {"defects": found}) if found else None


RULES = (_annotator, _disagreement, _model_against_people, _low_confidence, _policy)
