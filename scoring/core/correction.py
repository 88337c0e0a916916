"""What a straight head misses of how people judge, told by the scored pictures that look alike.

The head that ships is straight first: its line takes the falls of every fault, and orders photos in the wild
worse than the same features can. A Gaussian process over scored pictures, photos and falls together (Matern
3/2, ``landmarks.py``) orders both. What it says beyond the line is kept here, for good: labels of a project
are fitted over line and correction, and a network that is tuned goes on from the line alone.
See docs/adr/0020.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from scoring.core.landmarks import JITTER, LENGTHS, matern, usual_distance
from scoring.core.nearness import nearness_of
from scoring.core.types import FloatArray

Array = npt.NDArray[np.float64]

PREFIX = "correction."
ROWS_AT_ONCE = 4096
SLOPE_SHARE = 0.2  # of the straight part beside the near, in standard deviations
RIDGE = 0.03  # beside a scored picture's weight of one
SEED = 5


@dataclass(frozen=True, slots=True)
class Correction:
    """Points added to a straight head: ``level`` and ``slope`` (F,) on standardised features, and the
    ``pull`` (C,) of ``centres`` (C, F), pictures in those features times ``nearness_of``; ``length`` of the
    kernel."""

    level: float
    slope: Array
    centres: FloatArray
    pull: Array
    length: float
    squares: FloatArray = field(init=False, repr=False)  # of the centres' lengths, asked for at every score

    def __post_init__(self) -> None:
        object.__setattr__(self, "squares", np.square(self.centres).sum(axis=1))

    def points(self, table: Array) -> Array:
        """Points (N,) added to the overall score of standardised rows (N, F)."""
        scales, told = nearness_of(table.shape[1]), self.level + table @ self.slope
        for start in range(0, len(table), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            rows = (table[part] * scales).astype(np.float32)
            told[part] += matern(rows, self.centres, self.length, self.squares) @ self.pull
        return np.asarray(told, dtype=np.float64)

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """As a weights file keeps it, the centres in half precision, in which they were fitted."""
        return {
            f"{PREFIX}level": np.array([self.level], dtype=np.float32),
            f"{PREFIX}slope": self.slope.astype(np.float32),
            f"{PREFIX}centres": self.centres.astype(np.float16),
            f"{PREFIX}pull": self.pull.astype(np.float32),
            f"{PREFIX}length": np.array([self.length], dtype=np.float32),
        }


def correction_in(tensors: Mapping[str, npt.NDArray[Any]]) -> Correction | None:
    """The correction among a head's tensors; None of a head that has none."""
    if f"{PREFIX}pull" not in tensors:
        return None
    told = {name.removeprefix(PREFIX): each for name, each in tensors.items() if name.startswith(PREFIX)}
    return Correction(
        level=float(told["level"][0]),
        slope=told["slope"].astype(np.float64),
        centres=told["centres"].astype(np.float32),
        pull=told["pull"].astype(np.float64),
        length=float(told["length"][0]),
    )


@dataclass(frozen=True, slots=True)
class Known:
    """What line and correction together should say of rows of a table: those ``at`` (K,), less those ``less``
    (K,; -1: less nothing), are worth ``points`` (K,), each counting by ``weights`` (K,)."""

    at: npt.NDArray[np.int64]
    less: npt.NDArray[np.int64]
    points: Array
    weights: Array


def fit_correction(
    table: Array, line: Array, known: Known, *, scored: npt.NDArray[np.int64], shown: npt.NDArray[np.int64]
) -> Correction:
    """Fit ``known`` over standardised rows (N, F), less what a ``line`` (F,) says of them already.

    ``scored`` rows (S,) say how far apart pictures lie, and are centres with those ``shown``. The line is no
    part of the fit: held to it, the process would have to unlearn it first.
    """
    scales = nearness_of(table.shape[1])
    near_rows = table * scales
    length = usual_distance(near_rows[scored], np.random.default_rng(SEED)) * LENGTHS**0.5
    centres = near_rows[np.concatenate([scored, shown])].astype(np.float16).astype(np.float32)
    values, basis = np.linalg.eigh(matern(centres, centres, length))
    root = basis / np.sqrt(np.maximum(values, JITTER))
    steep = SLOPE_SHARE / (float(np.sqrt((table[scored] ** 2).sum(axis=1).mean())) + 1e-12)
    near = matern(near_rows, centres, length) @ root
    usual = near[scored].mean(axis=0)
    features = np.concatenate([table * steep, near - usual], axis=1)
    rows = features[known.at]
    rows[known.less >= 0] -= features[known.less[known.less >= 0]]
    weighted = rows * known.weights[:, None]
    inner = weighted.T @ rows
    inner[np.diag_indices_from(inner)] += RIDGE
    told = np.linalg.solve(inner, weighted.T @ known.points)
    width = table.shape[1]
    return Correction(
        level=-float(usual @ told[width:]),
        slope=told[:width] * steep - line,
        centres=centres,
        pull=root @ told[width:],
        length=length,
    )
