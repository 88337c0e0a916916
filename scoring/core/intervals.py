"""A figure and how sure it is: shares by Wilson's interval, means by bootstrap. Both 95 %."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Z = 1.959963984540054  # 95 %
RESAMPLES = 500


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


def share_interval(hits: int, count: int) -> Interval:
    """A share 0-1 with Wilson's score interval (1927).

    Honest at the ends too: two of two say little, and a bootstrap of them would say 100 % for certain.
    """
    if not 0 <= hits <= count or count == 0:
        raise ValueError(f"{hits} of {count} is no share")
    share, spread = hits / count, Z * Z / count
    middle = (share + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * math.sqrt(share * (1 - share) / count + spread / (4 * count))
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))


def mean_interval(values: npt.NDArray[np.float64], rng: np.random.Generator) -> Interval:
    """A mean of values (N,) with its bootstrap interval."""
    draws = values[rng.integers(0, len(values), size=(RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    return Interval(float(values.mean()), float(low), float(high))
