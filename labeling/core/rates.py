"""Shares with their intervals, and what follows from them. Nothing here knows of people or pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scoring.core.intervals import share_interval

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its 95 % interval and the ``count`` of answers it rests on."""

    value: float
    low: float
    high: float
    count: int


def wilson(hits: int, count: int) -> Figure | None:
    """A share 0-1 with Wilson's score interval (1927), honest for few answers too; None without any."""
    if not 0 <= hits <= count:
        raise ValueError(f"{hits} of {count} is no share")
    if count == 0:
        return None
    told = share_interval(hits, count)
    return Figure(told.value, told.low, told.high, count)


def is_surely_below(hits: int, count: int, *, least: float, fewest: int) -> bool:
    """Whether a share lies below ``least`` (0-1) even at the upper end of its interval."""
    told = wilson(hits, count)
    return told is not None and count >= max(1, fewest) and told.high < least


def mean_of(values: Sequence[float]) -> Figure | None:
    """A mean with Student's interval; None below two values."""
    if len(values) < 2:
        return None
    numbers = np.asarray(values, dtype=np.float64)
    return mean_from(float(numbers.mean()), float(numbers.std(ddof=1)), len(numbers))


def mean_from(mean: float, std: float, count: int) -> Figure | None:
    """``mean_of`` from the moments of the values; ``std`` is that of the sample."""
    if count < 2:
        return None
    from scipy import stats  # half a second to load: only the page that asks for it waits

    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)) * std / math.sqrt(count)
    return Figure(mean, mean - half, mean + half, count)


def noise_of(differences: Sequence[float]) -> Figure | None:
    """How far one answer scatters, from differences of two answers to the same question.

    Half of their mean square is the variance of one answer; its interval is that of chi squared. In the
    unit of the answers, 0 is perfectly steady; None below two differences.
    """
    count = len(differences)
    if count < 2:
        return None
    from scipy import stats

    total = float(np.square(np.asarray(differences, dtype=np.float64)).sum()) / 2.0
    low, high = (float(stats.chi2.ppf((1 + side * CONFIDENCE) / 2, count)) for side in (1, -1))
    return Figure(math.sqrt(total / count), math.sqrt(total / low), math.sqrt(total / high), count)
