"""Do scores and intervals mean what they say? Promised against kept, predicted against people's means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from scoring.core.calibrate import COVERAGE
from scoring.core.fairness import SMALLEST_GROUP
from scoring.core.intervals import Interval, mean_interval, share_interval
from scoring.core.types import NotFiniteError

LEVELS = (0.5, 0.6, 0.7, 0.8, COVERAGE, 0.95)
MOST_BINS, FEWEST_IN_BIN = 6, 5

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Answers:
    """N pictures: predicted scores with both ends of their 90 % intervals, and people's scores, 0-100."""

    predicted: Array
    low: Array
    high: Array
    people: Array

    def __post_init__(self) -> None:
        for name in ("predicted", "low", "high", "people"):
            if not np.isfinite(getattr(self, name)).all():
                raise NotFiniteError(f"{name} holds scores that are not finite")


@dataclass(frozen=True, slots=True)
class Kept:
    """An interval of nominal coverage ``promised`` (0-1), and the share of people's scores inside it."""

    promised: float
    kept: Interval


@dataclass(frozen=True, slots=True)
class Bin:
    """``count`` pictures of like prediction: its mean, and the mean of what people said of them."""

    predicted: float
    people: Interval
    count: int


@dataclass(frozen=True, slots=True)
class GroupKept:
    """How many of a group's ``count`` pictures lie inside their 90 % intervals."""

    group: str
    count: int
    kept: Interval


def kept_by_level(answers: Answers) -> list[Kept]:
    """Coverage at each of LEVELS, with the intervals as shown at 90 % and in proportion elsewhere."""
    reach = _reach(answers)
    full = float(stats.norm.ppf((1 + COVERAGE) / 2))
    return [
        Kept(level, _share(reach <= float(stats.norm.ppf((1 + level) / 2)) / full + 1e-9)) for level in LEVELS
    ]


def kept_by_group(answers: Answers, groups: Sequence[str]) -> list[GroupKept]:
    """Coverage of the 90 % intervals by group, largest first; groups below ten pictures are left out."""
    inside, names = _reach(answers) <= 1 + 1e-9, np.asarray(groups, dtype=object).astype(str)
    found = [
        GroupKept(str(name), int((names == name).sum()), _share(inside[names == name]))
        for name in np.unique(names)
    ]
    return sorted((one for one in found if one.count >= SMALLEST_GROUP), key=lambda one: -one.count)


def score_bins(answers: Answers, *, rng: np.random.Generator) -> list[Bin]:
    """Pictures in order of their prediction, cut into bins of like size; people's mean in each."""
    count = max(1, min(MOST_BINS, len(answers.predicted) // FEWEST_IN_BIN))
    order = np.argsort(answers.predicted, kind="stable")
    return [
        Bin(float(answers.predicted[rows].mean()), mean_interval(answers.people[rows], rng), len(rows))
        for rows in np.array_split(order, count)
    ]


def _reach(answers: Answers) -> Array:
    """How far each of people's scores lies from the prediction, in lengths of its side of the interval."""
    off = answers.people - answers.predicted
    side = np.where(off < 0, answers.predicted - answers.low, answers.high - answers.predicted)
    reach: Array = np.abs(off) / np.maximum(side, 1e-6)
    return reach


def _share(inside: npt.NDArray[np.bool_]) -> Interval:
    return share_interval(int(inside.sum()), len(inside))
