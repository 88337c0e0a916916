"""How well people agree: Krippendorff's alpha and intraclass correlations, with bootstrap intervals.

Votes come as two rows: ``items`` (V,) codes 0..N-1 and ``ratings`` (V,) grades, in any order and however
many an item has. Read: from 0.8 reliable, from 0.667 tentative (Krippendorff 2004).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
RESAMPLES = 1000


class Level(StrEnum):
    """What two different values mean to each other."""

    NOMINAL = "nominal"
    ORDINAL = "ordinal"
    INTERVAL = "interval"


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Correlation:
    """Intraclass correlation of one vote, and of the mean of ``votes_each``."""

    single: float
    average: float
    votes_each: float


def alpha(items: Codes, ratings: npt.ArrayLike, level: Level = Level.INTERVAL) -> float:
    """Krippendorff's alpha, at most 1, 0 at chance; NaN where no item has two votes or nothing varies.

    Source: Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability".
    """
    table, values = _table(items, ratings)
    return _alpha(table, values, level)


def alpha_interval(
    items: Codes,
    ratings: npt.ArrayLike,
    level: Level = Level.INTERVAL,
    *,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Interval:
    """Alpha with its interval over resampled items."""
    table, values = _table(items, ratings)
    return _bootstrap(lambda rows: _alpha(rows, values, level), table, rng, resamples)


def icc_one_way(items: Codes, ratings: npt.ArrayLike) -> Correlation:
    """ICC(1,1) and ICC(1,k): each item was rated by people of its own (Shrout and Fleiss 1979).

    Items may have different numbers of votes; k is then their weighted mean (Searle 1971).
    """
    sums = _sums(items, ratings)
    if len(sums) < 2 or sums[:, 0].sum() <= len(sums):
        raise ValueError("two items and an item with two votes are needed")
    return _one_way(sums)


def icc_interval(
    items: Codes, ratings: npt.ArrayLike, *, rng: np.random.Generator, resamples: int = RESAMPLES
) -> tuple[Interval, Interval]:
    """ICC(1,1) and ICC(1,k), each with its interval over resampled items."""
    sums = _sums(items, ratings)
    single = _bootstrap(lambda rows: _one_way(rows).single, sums, rng, resamples)
    return single, _bootstrap(lambda rows: _one_way(rows).average, sums, rng, resamples)


def _sums(items: Codes, ratings: npt.ArrayLike) -> Array:
    """Of each rated item: votes, their sum and the sum of their squares (N, 3), around the mean of all."""
    rating = _finite(ratings)
    rating = rating - rating.mean()
    columns = [np.bincount(items), np.bincount(items, rating), np.bincount(items, rating**2)]
    table = np.stack(columns, axis=1).astype(np.float64)
    return table[table[:, 0] > 0]


def _one_way(sums: Array) -> Correlation:
    counts, totals, squares = sums.T
    items_rated, votes = len(sums), float(counts.sum())
    if votes <= items_rated:
        return Correlation(float("nan"), float("nan"), 1.0)
    means, middle = totals / counts, totals.sum() / votes
    within = float(np.sum(squares - counts * means**2)) / (votes - items_rated)
    between = float(np.sum(counts * (means - middle) ** 2)) / (items_rated - 1)
    each = (votes - float(np.sum(counts**2)) / votes) / (items_rated - 1)
    return Correlation(
        single=_share(between - within, between + (each - 1) * within),
        average=_share(between - within, between),
        votes_each=each,
    )


def icc_two_way(table: npt.ArrayLike) -> Correlation:
    """ICC(2,1) and ICC(2,k) of a full table (N, R): the same people, drawn at random, rated every item."""
    rating = _finite(table)
    if rating.ndim != 2 or min(rating.shape) < 2:
        raise ValueError("a table of at least two items by two people is needed")
    n, k = rating.shape
    middle = rating.mean()
    of_items, of_people = rating.mean(axis=1, keepdims=True), rating.mean(axis=0, keepdims=True)
    between = k * float(np.sum((of_items - middle) ** 2)) / (n - 1)
    people = n * float(np.sum((of_people - middle) ** 2)) / (k - 1)
    rest = float(np.sum((rating - of_items - of_people + middle) ** 2)) / ((n - 1) * (k - 1))
    return Correlation(
        single=_share(between - rest, between + (k - 1) * rest + k * (people - rest) / n),
        average=_share(between - rest, between + (people - rest) / n),
        votes_each=float(k),
    )


def _table(items: Codes, ratings: npt.ArrayLike) -> tuple[Array, Array]:
    """Votes by item and value (N, K), and the values (K,) in order."""
    rating = _finite(ratings)
    values, codes = np.unique(rating, return_inverse=True)
    flat = np.bincount(items * len(values) + codes, minlength=(int(items.max()) + 1) * len(values))
    return flat.reshape(-1, len(values)).astype(np.float64), values


def _alpha(table: Array, values: Array, level: Level) -> float:
    each = table.sum(axis=1)
    paired = table[each > 1]
    if not len(paired):
        return float("nan")
    share = 1.0 / (each[each > 1] - 1.0)
    together = (paired * share[:, None]).T @ paired - np.diag(share @ paired)
    totals = paired.sum(axis=0)
    apart = _distance(values, totals, level)
    expected = float(totals @ apart @ totals) / (totals.sum() - 1.0)
    return 1.0 - float(np.sum(together * apart)) / expected if expected > 0 else float("nan")


def _distance(values: Array, totals: Array, level: Level) -> Array:
    """Squared difference of every two values (K, K)."""
    if level is Level.NOMINAL:
        return 1.0 - np.eye(len(values))
    # Ordinal: the number of votes from one value to the other, half of both ends counted.
    place = np.cumsum(totals) - totals / 2.0 if level is Level.ORDINAL else values
    return np.asarray((place[:, None] - place[None, :]) ** 2, dtype=np.float64)


def _bootstrap(
    metric: Callable[[Array], float], table: Array, rng: np.random.Generator, resamples: int
) -> Interval:
    draws = [metric(table[rows]) for rows in rng.integers(0, len(table), size=(resamples, len(table)))]
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return Interval(metric(table), float(low), float(high))


def _finite(numbers: npt.ArrayLike) -> Array:
    array = np.asarray(numbers, dtype=np.float64)
    if not array.size or not np.isfinite(array).all():
        raise ValueError("ratings must be numbers, at least one")
    return array


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")
