"""Is the model equally good for everybody? Error, bias, false rejects by group, with intervals (ADR 12)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoring.core.intervals import Interval, mean_interval, share_interval
from scoring.core.types import NotFiniteError

SMALLEST_GROUP = 10


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """One group. ``mean_absolute_error`` in score points, lower is better; ``bias`` is prediction minus
    people, 0 is fair; ``false_reject_rate`` is the share of pictures people find good that the model
    would reject, None where people found none good; ``good_count`` is how many they did."""

    group: str
    count: int
    good_count: int
    mean_absolute_error: Interval
    bias: Interval
    false_reject_rate: Interval | None


@dataclass(frozen=True, slots=True)
class FairnessTable:
    """Figures by group, largest first, and the widest gap between groups of each figure."""

    overall: GroupFigures
    groups: tuple[GroupFigures, ...]
    too_small: tuple[str, ...]
    error_gap: float
    bias_gap: float
    false_reject_gap: float


def fairness_table(
    *,
    predicted: npt.ArrayLike,
    people: npt.ArrayLike,
    groups: Sequence[str],
    accept_score: float,
    rng: np.random.Generator,
) -> FairnessTable:
    """Compare predicted and people's scores (N,), 0-100, by group name (N,).

    ``accept_score`` is the score from which a picture passes. Groups below ten pictures are listed
    by name and not judged. NaN is refused.
    """
    guess, truth = np.asarray(predicted, dtype=np.float64), np.asarray(people, dtype=np.float64)
    if not (np.isfinite(guess).all() and np.isfinite(truth).all()):
        raise NotFiniteError("predicted or people's scores are not all finite")
    if not len(guess) == len(truth) == len(groups):
        raise ValueError(f"{len(guess)} predictions, {len(truth)} labels and {len(groups)} groups differ")
    names, codes = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    counts = np.bincount(codes, minlength=len(names))
    judged = [
        _figures(str(names[k]), guess[codes == k], truth[codes == k], accept_score, rng)
        for k in np.argsort(-counts, kind="stable")
        if counts[k] >= SMALLEST_GROUP
    ]
    return FairnessTable(
        overall=_figures("", guess, truth, accept_score, rng),
        groups=tuple(judged),
        too_small=tuple(str(names[k]) for k in range(len(names)) if counts[k] < SMALLEST_GROUP),
        error_gap=_gap([g.mean_absolute_error.value for g in judged]),
        bias_gap=_gap([g.bias.value for g in judged]),
        false_reject_gap=_gap([g.false_reject_rate.value for g in judged if g.false_reject_rate]),
    )


def _figures(
    group: str,
    guess: npt.NDArray[np.float64],
    truth: npt.NDArray[np.float64],
    accept_score: float,
    rng: np.random.Generator,
) -> GroupFigures:
    difference = guess - truth
    rejected = (guess < accept_score)[truth >= accept_score]
    return GroupFigures(
        group=group,
        count=len(guess),
        good_count=len(rejected),
        mean_absolute_error=mean_interval(np.abs(difference), rng),
        bias=mean_interval(difference, rng),
        false_reject_rate=share_interval(int(rejected.sum()), len(rejected)) if len(rejected) else None,
    )


def _gap(values: list[float]) -> float:
    return max(values) - min(values) if len(values) > 1 else 0.0
