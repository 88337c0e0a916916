"""A first head from nothing but ruin: what the same picture loses when it is blurred, noisy or squeezed.

No person's score goes in. Pictures before and after a seeded fault say in which direction quality falls;
untouched pictures say in which directions pictures differ anyway, which counts for little. That is Fisher's
discriminant (1936), regressed on severity, with so strong a ridge that it is nearly the mean fall: weaker
ones fit the faults of the laboratory too well. Beside it stands plain sharpness, what is tried first wherever
there is no model: blur in the wild is not the laboratory's.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scoring.core.head import OUTPUTS, Head, level_of
from scoring.core.nearness import column_of
from scoring.core.types import Defect, FloatArray

Array = npt.NDArray[np.float64]

FALLS = (
    Defect.DEFOCUS_BLUR,
    Defect.MOTION_BLUR,
    Defect.NOISE,
    Defect.JPEG_ARTEFACTS,
    Defect.UPSCALED,
)  # what people mind in any picture, whatever it shows
CONTENT = 6.0  # weight of how pictures differ, beside how faults move them
RIDGE = 20.0  # beside the mean variance of both
SHARPNESS = 0.3  # beside the direction of the falls, both in standard deviations of untouched pictures
LEVEL, SPREAD = 60.0, 8.5  # score points untouched pictures are put at, and how far they lie apart
NOISE = 15.0**2


def head_from_falls(
    *, untouched: FloatArray, falls: FloatArray, severity: npt.ArrayLike, feature_version: str
) -> Head:
    """A head from pictures (N, F), falls (M, F) = harmed minus untouched, and severities (M,) 0-1."""
    table, moved = untouched.astype(np.float64), falls.astype(np.float64)
    mean = table.mean(axis=0)
    spread = (table - mean).T @ (table - mean) / len(table)
    inner = moved.T @ moved / len(moved) + CONTENT * spread
    inner += RIDGE * np.trace(inner) / len(inner) * np.eye(len(inner))
    direction = np.linalg.solve(inner, -(moved.T @ np.asarray(severity, dtype=np.float64)))
    direction = _even(direction, table)
    if (column := column_of("sharpness", len(mean))) is not None:
        direction += SHARPNESS * _even(np.eye(len(mean))[column], table)
    coefficients = np.zeros((OUTPUTS, len(mean)))
    coefficients[0] = SPREAD * _even(direction, table)
    return Head(
        feature_version=feature_version,
        mean=mean,
        std=np.ones(len(mean)),
        coefficients=coefficients,
        intercepts=level_of(LEVEL),
        covariance=np.eye(len(mean)) * SPREAD**2 / max(float(np.trace(spread)), 1e-12),
        noise_var=NOISE,
    )


def _even(direction: Array, table: Array) -> Array:
    """A direction (F,) along which the rows of a table (N, F) have a standard deviation of one."""
    return np.asarray(direction / max(float((table @ direction).std()), 1e-12), dtype=np.float64)
