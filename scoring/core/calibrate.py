"""Intervals that hold what they promise, and probabilities that mean what they say."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from scoring.core.types import NotFiniteError

COVERAGE = 0.9
FEWEST_OF_A_CATEGORY = 50  # calibration rows below which a category shares the common factor


def conformal_factor(
    predicted: npt.ArrayLike, people: npt.ArrayLike, stds: npt.ArrayLike, *, coverage: float = COVERAGE
) -> float:
    """Factor q so that ``predicted ± q * std`` covers ``coverage`` of new labels, from calibration rows (N,).

    Split conformal prediction with the finite-sample rank ``ceil((N + 1) * coverage)`` (Lei et al.,
    arXiv 1604.04173). With too few rows for that rank the largest residual is taken.
    """
    guess, truth = np.asarray(predicted, dtype=np.float64), np.asarray(people, dtype=np.float64)
    spread = np.asarray(stds, dtype=np.float64)
    if not (np.isfinite(guess).all() and np.isfinite(truth).all() and np.isfinite(spread).all()):
        raise NotFiniteError("calibration rows hold values that are not finite")
    if len(guess) == 0:
        raise ValueError("calibration needs at least one row")
    ratios = np.sort(np.abs(guess - truth) / np.maximum(spread, 1e-6))
    rank = min(len(ratios), math.ceil((len(ratios) + 1) * coverage))
    return float(ratios[rank - 1])


def category_factors(
    predicted: npt.ArrayLike,
    people: npt.ArrayLike,
    stds: npt.ArrayLike,
    categories: Sequence[str],
    *,
    coverage: float = COVERAGE,
) -> dict[str, float]:
    """A factor q of its own for each category with enough calibration rows (Mondrian conformal prediction).

    What is promised then holds within the category, not only on average (Vovk, Gammerman and Shafer,
    Algorithmic Learning in a Random World, 2005, section 4.5).
    """
    guess, truth, spread = (np.asarray(values, dtype=np.float64) for values in (predicted, people, stds))
    names = np.asarray(categories)
    known = {str(name): names == name for name in sorted(set(categories)) if name}
    return {
        name: conformal_factor(guess[rows], truth[rows], spread[rows], coverage=coverage)
        for name, rows in known.items()
        if int(rows.sum()) >= FEWEST_OF_A_CATEGORY
    }


def covered_share(predicted: npt.ArrayLike, people: npt.ArrayLike, half_widths: npt.ArrayLike) -> float:
    """Share 0-1 of labels inside ``predicted ± half_width``."""
    guess, truth = np.asarray(predicted, dtype=np.float64), np.asarray(people, dtype=np.float64)
    return float((np.abs(guess - truth) <= np.asarray(half_widths, dtype=np.float64)).mean())


def calibration_error(probabilities: npt.ArrayLike, true: npt.ArrayLike, *, bins: int = 10) -> float:
    """Expected calibration error 0-1 over equal-width bins, lower is better (Naeini et al., AAAI 2015)."""
    said, was = np.asarray(probabilities, dtype=np.float64), np.asarray(true, dtype=np.float64)
    if not np.isfinite(said).all():
        raise NotFiniteError("probabilities hold values that are not finite")
    which = np.minimum((said * bins).astype(int), bins - 1)
    gaps = [
        abs(said[which == b].mean() - was[which == b].mean()) * (which == b).mean()
        for b in range(bins)
        if (which == b).any()
    ]
    return float(sum(gaps))
