"""Why an item needs a reviewer: rules as data, each with its reason and evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

DISAGREEMENT = "disagreement"
MODEL_AGAINST_PEOPLE = "model_against_people"
LOW_CONFIDENCE = "low_confidence"
ANNOTATOR = "annotator"
POLICY = "policy"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on an item is flagged. Votes in grades 1-5, scores in points 0-100."""

    spread_from: float = 1.1  # standard deviation of the votes: 2 and 4 is more, 2, 3 and 4 is less
    gap_from: float = 30.0  # model against people: more than a whole grade (25) ...
    gap_sigmas: float = 2.0  # ... and more than both of them admit to be unsure
    unsure_model_from: float = 25.0  # the model's standard deviation: a whole grade
    unsure_label_from: float = 0.8  # the label's standard error where the model is that unsure
    defect_from: float = 0.95  # probability of a defect marketplaces refuse
    refused_defects: frozenset[str] = frozenset({"text_overlay", "collage", "border"})


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an item when it is judged. ``denied``: defects most people say are not there."""

    ratings: Sequence[int]
    mos_score: float
    label_std: float  # grades
    model_score: float | None = None
    model_std: float = 0.0
    probabilities: Mapping[str, float] = field(default_factory=dict)
    denied: frozenset[str] = frozenset()
    notes: Sequence[str] = ()
    annotator_flags: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """One reason to look again."""

    reason: str
    evidence: Mapping[str, Any]


def spread_of(ratings: Sequence[int]) -> float:
    """Sample standard deviation of the votes; 0 for fewer than two."""
    return float(np.std(ratings, ddof=1)) if len(ratings) > 1 else 0.0


def disagreement(facts: Facts, limits: Thresholds) -> Verdict | None:
    """People differ by more than they usually do."""
    spread = spread_of(facts.ratings)
    if spread < limits.spread_from:
        return None
    return Verdict(
        DISAGREEMENT,
        {
            "spread": round(spread, 2),
            "lowest": min(facts.ratings),
            "highest": max(facts.ratings),
            "votes": len(facts.ratings),
        },
    )


def model_against_people(facts: Facts, limits: Thresholds) -> Verdict | None:
    """The model and the people differ by more than both admit to be unsure."""
    if facts.model_score is None or not facts.ratings:
        return None
    gap = abs(facts.model_score - facts.mos_score)
    unsure = float(np.hypot(facts.model_std, facts.label_std * 25.0))
    if gap < limits.gap_from or gap < limits.gap_sigmas * unsure:
        return None
    return Verdict(
        MODEL_AGAINST_PEOPLE,
        {
            "model_score": round(facts.model_score, 1),
            "people_score": round(facts.mos_score, 1),
            "gap": round(gap, 1),
            "sigmas": round(gap / max(unsure, 1e-6), 1),
        },
    )


def low_confidence(facts: Facts, limits: Thresholds) -> Verdict | None:
    """Neither the model nor the people are sure."""
    if facts.model_score is None or facts.model_std < limits.unsure_model_from:
        return None
    if facts.label_std < limits.unsure_label_from:
        return None
    return Verdict(
        LOW_CONFIDENCE, {"model_std": round(facts.model_std, 1), "label_std": round(facts.label_std, 2)}
    )


def annotator(facts: Facts, limits: Thresholds) -> Verdict | None:
    """Somebody asked for a reviewer."""
    if not facts.annotator_flags:
        return None
    return Verdict(
        ANNOTATOR, {"count": facts.annotator_flags, "notes": [note for note in facts.notes if note]}
    )


def policy(facts: Facts, limits: Thresholds) -> Verdict | None:
    """The model is nearly certain of a defect marketplaces refuse, and people have not denied it."""
    found = {
        name: round(p, 3)
        for name, p in facts.probabilities.items()
        if name in limits.refused_defects and p >= limits.defect_from and name not in facts.denied
    }
    return Verdict(POLICY, {"defects": found}) if found else None


RULES = (annotator, disagreement, model_against_people, low_confidence, policy)


def verdicts_of(facts: Facts, limits: Thresholds = Thresholds()) -> list[Verdict]:
    """Every reason to look again, the most telling first."""
    return [verdict for rule in RULES if (verdict := rule(facts, limits)) is not None]
