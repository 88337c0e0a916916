"""Has the world changed? Population stability and Kolmogorov-Smirnov between two samples.

PSI bands are convention in credit scoring (below 0.1 stable, 0.1-0.25 look, above 0.25 act), not a
test; the KS p-value is one. Both are reported, and a drift is called only where both agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from scoring.core.types import NotFiniteError

PSI_LOOK, PSI_ACT = 0.1, 0.25
KS_ALPHA = 0.01
BINS = 10
SMALLEST_SAMPLE = 50


class DriftLevel(StrEnum):
    """How much a quantity moved; ``unknown`` where a sample is too small to say."""

    STABLE = "stable"
    LOOK = "look"
    ACT = "act"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Drift:
    """One quantity then and now. ``psi`` >= 0, 0 is no change; ``ks_p`` 0-1, small is change."""

    name: str
    psi: float
    ks_statistic: float
    ks_p: float
    then_median: float
    now_median: float
    level: DriftLevel


def population_stability(then: npt.ArrayLike, now: npt.ArrayLike, *, bins: int = BINS) -> float:
    """Population stability index of two samples of one quantity, >= 0.

    Bins are the deciles of ``then``; a share of half a count stands in for an empty bin, so that the
    index stays finite. Source: Siddiqi, Credit Risk Scorecards, 2006.
    """
    reference, current = _finite("then", then), _finite("now", now)
    edges = np.unique(np.quantile(reference, np.linspace(0, 1, bins + 1)[1:-1]))
    expected = _shares(reference, edges)
    actual = _shares(current, edges)
    return float(np.sum((actual - expected) * np.log(actual / expected)))


def drift_of(name: str, then: npt.ArrayLike, now: npt.ArrayLike) -> Drift:
    """Compare two samples (N,), (M,) of one quantity; NaN is refused by name."""
    reference, current = _finite(f"{name} then", then), _finite(f"{name} now", now)
    if min(len(reference), len(current)) == 0:
        return Drift(name, 0.0, 0.0, 1.0, 0.0, 0.0, DriftLevel.UNKNOWN)
    psi = population_stability(reference, current)
    from scipy import stats  # half a second to load: only the page that asks for it waits

    test = stats.ks_2samp(reference, current)
    return Drift(
        name=name,
        psi=psi,
        ks_statistic=float(test.statistic),
        ks_p=float(test.pvalue),
        then_median=float(np.median(reference)),
        now_median=float(np.median(current)),
        level=_level(psi, float(test.pvalue), min(len(reference), len(current))),
    )


def drifts_of(then: Mapping[str, npt.ArrayLike], now: Mapping[str, npt.ArrayLike]) -> list[Drift]:
    """All quantities both samples know, the most moved first."""
    found = [drift_of(name, then[name], now[name]) for name in then if name in now]
    return sorted(found, key=lambda drift: -drift.psi)


def _level(psi: float, ks_p: float, smallest: int) -> DriftLevel:
    if smallest < SMALLEST_SAMPLE:
        return DriftLevel.UNKNOWN
    if psi < PSI_LOOK or ks_p >= KS_ALPHA:
        return DriftLevel.STABLE
    return DriftLevel.ACT if psi >= PSI_ACT else DriftLevel.LOOK


def _shares(sample: npt.NDArray[np.float64], edges: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    counts = np.bincount(np.searchsorted(edges, sample, side="right"), minlength=len(edges) + 1)
    softened = np.maximum(counts, 0.5)
    return np.asarray(softened / softened.sum(), dtype=np.float64)


def _finite(name: str, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64).ravel()
    if not np.isfinite(array).all():
        raise NotFiniteError(f"{name} holds {int((~np.isfinite(array)).sum())} values that are not finite")
    return array
