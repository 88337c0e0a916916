"""Change from pixel to pixel of planes (h, w) that lie in one piece.

Neighbours are taken where they lie in memory, past the ends of rows: to begin 384 rows anew costs numpy more
than to go through their pixels.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from scoring.core.types import FloatArray

Level = TypeVar("Level", np.float32, np.int16)


def across(plane: npt.NDArray[Level], by: int = 1) -> npt.NDArray[Level]:
    """What lies ``by`` pixels to the right, less the pixel itself (h, w); 0 where nothing does."""
    change = np.empty(plane.shape, dtype=plane.dtype)
    flat = plane.ravel()
    np.subtract(flat[by:], flat[:-by], out=change.ravel()[:-by])
    change[:, -by:] = 0
    return change


def down(plane: npt.NDArray[Level], by: int = 1) -> npt.NDArray[Level]:
    """What lies ``by`` pixels below, less the pixel itself (h - by, w)."""
    return plane[by:] - plane[:-by]


def laplacian(right: FloatArray, above: FloatArray, below: FloatArray) -> FloatArray:
    """Four times each pixel less its neighbours (h, w), from the steps to the right of it, from above, and
    below; at the left and right edge as if pixels went on as they are."""
    turn = above - below
    turn -= right
    turn.ravel()[1:] += right.ravel()[:-1]
    return turn


def mean(values: FloatArray) -> float:
    """Mean of float32 (h, w) or (n,), in half the time numpy takes."""
    return float((values @ np.ones(values.shape[-1], dtype=np.float32)).sum()) / values.size


def mean_square(values: FloatArray) -> float:
    """Mean of the squares of float32 in one piece."""
    flat = values.ravel()
    return float(flat @ flat) / values.size
