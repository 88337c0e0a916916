"""The bend of a head: a smooth function beside the linear one, pinned to some of the labelled pictures.

A Gaussian process with a Matern 3/2 kernel in the features of a head. It says nothing where nothing was
labelled nearby, so there the prior head speaks alone. Pinned to at most ``MOST`` pictures (Nystrom's method,
Williams and Seeger 2001), so that a head stays a small file and a prediction a few matrix products.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoring.core.nearness import nearness_of

Array = npt.NDArray[np.float64]

MOST = 640  # fewer cost accuracy: on 609 labels 0.826 instead of 0.835 with 384
LENGTHS = 2.0  # squared usual distances in a squared length: smooth, so that few labels reach far
JITTER = 1e-6
SEED = 5
MEDIAN_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Landmarks:
    """``centres`` (L, F) in a head's standardised features times ``scales`` (F,), which say how much each of
    them counts for near and far; ``root`` (L, L) and ``length`` of the kernel.

    ``level`` (L,) is the mean over the labelled pictures: what is common to all is the intercept's to say.
    """

    centres: Array
    root: Array
    level: Array
    length: float
    scales: Array

    def features(self, table: Array) -> Array:
        """Rows (N, L) whose inner products are the kernel, centred, of standardised rows (N, F)."""
        near = matern(table * self.scales, self.centres, self.length) @ self.root
        return np.asarray(near - self.level, dtype=np.float64)


def landmarks_of(table: Array) -> Landmarks:
    """Landmarks from labelled rows (N, F): all of them, or ``MOST`` drawn, always the same ones."""
    rng, scales = np.random.default_rng(SEED), nearness_of(table.shape[1])
    kept = np.arange(len(table))
    if len(table) > MOST:
        kept = np.sort(rng.choice(kept, MOST, replace=False))
    scaled = table * scales
    centres = scaled[kept]
    length = usual_distance(scaled, rng) * LENGTHS**0.5
    values, basis = np.linalg.eigh(matern(centres, centres, length))
    root = basis / np.sqrt(np.maximum(values, JITTER))
    level = (matern(scaled, centres, length) @ root).mean(axis=0)
    return Landmarks(centres, root, level, length, scales)


def usual_distance(table: npt.NDArray[np.floating], rng: np.random.Generator) -> float:
    """Median distance of two rows; one where all are the same."""
    rows = table if len(table) <= MEDIAN_ROWS else table[rng.choice(len(table), MEDIAN_ROWS, replace=False)]
    upper = squared_distances(rows, rows)[np.triu_indices(len(rows), 1)]
    return float(np.sqrt(max(float(np.median(upper)), 1e-9))) if len(upper) else 1.0


def squared_distances(
    a: npt.NDArray[np.floating],
    b: npt.NDArray[np.floating],
    b_squares: npt.NDArray[np.floating] | None = None,
) -> npt.NDArray[np.floating]:
    """Squared distances (N, M) of rows; ``b_squares`` (M,): squared lengths of b's, where they are known."""
    if b_squares is None:
        b_squares = (b**2).sum(axis=1)
    # So turned, a third quicker where a has few rows.
    apart = (a**2).sum(axis=1)[:, None] - 2.0 * (b @ a.T).T + b_squares[None]
    return np.asarray(np.maximum(apart, 0.0))


def matern(
    a: npt.NDArray[np.floating],
    b: npt.NDArray[np.floating],
    length: float,
    b_squares: npt.NDArray[np.floating] | None = None,
) -> npt.NDArray[np.floating]:
    """Matern 3/2 kernel (N, M) of rows (N, F) and (M, F), as exact as they are."""
    apart = np.sqrt(3.0 * squared_distances(a, b, b_squares)) / length
    return np.asarray((1.0 + apart) * np.exp(-apart))
