"""What was put together or laid over afterwards: frames, seams of collages, rows of strokes.

All from luma (h, w) of a small copy, float32 0-255, and its steps.
"""

from __future__ import annotations

import numpy as np

from scoring.core.shares import share
from scoring.core.types import ByteArray, FloatArray

CELL = (5, 21)  # pixels: where strokes are counted
FLAT_STD = 4.0  # levels: outer rows that vary less are one surface
SEAM_STEP = 12  # levels


def laid_over_by(luma: FloatArray, right: FloatArray, below: FloatArray) -> dict[str, float]:
    """Frames, seams of collages, and rows of strokes as letters make; from luma and its steps (h, w) to the
    ``right``, 0 in the last column, and to what is ``below`` (h - 1, w)."""
    return {
        "border_step": max(_frame_step(turned) for turned in (luma, luma[::-1], luma.T, luma.T[::-1])),
        "seam_share": max(_seam(np.abs(right[:, :-1])), _seam(np.abs(below).T)),
        "text_share": _stroke_share(right),
    }


def _frame_step(luma: FloatArray) -> float:
    """Step, in grey levels, between flat outer rows and the next row, along nearly the whole width."""
    depth = min(max(2, int(luma.shape[0] * 0.12)), luma.shape[0])
    if depth < 2:
        return 0.0
    outer = np.ascontiguousarray(luma[:depth])
    seen, ones = np.arange(1, depth) * outer.shape[1], np.ones(outer.shape[1], dtype=np.float32)
    mean = np.cumsum(outer @ ones, dtype=np.float64)[:-1] / seen
    variance = np.cumsum(np.square(outer) @ ones, dtype=np.float64)[:-1] / seen - mean**2
    ends = np.flatnonzero(variance > FLAT_STD**2)
    rows = int(ends[0]) if len(ends) else depth - 1
    if rows == 0:
        return 0.0
    steps = np.sort(np.abs(outer[1 : rows + 1] - outer[:rows]), axis=1)
    return float(steps[:, int(0.15 * (steps.shape[1] - 1))].max())


def _seam(steps: FloatArray) -> float:
    """Largest share of a straight line across the inner picture where brightness steps, of steps (h, w - 1)
    to the right."""
    width = steps.shape[1] + 1
    if width < 16:
        return 0.0
    inner = (steps[:, int(0.2 * width) : int(0.8 * width) - 1] > SEAM_STEP).astype(np.float32)
    return float((np.ones(len(inner), dtype=np.float32) @ inner).max() / len(inner))


def _stroke_share(right: FloatArray) -> float:
    """Share of the picture covered by cells full of alternating strong strokes."""
    if min(right.shape) < 24:
        return 0.0
    (height, width), stride, flat = CELL, right.shape[1], right.ravel()
    turns = (flat[1:] * flat[:-1] < -64).view(np.uint8)
    cells = _sums(_sums(turns, width, 1), height, stride)
    rows = len(cells) // stride
    inner = cells[: rows * stride].reshape(rows, stride)[:, : stride - width]
    return share(inner > 0.22 * height * width)


def _sums(counts: ByteArray, length: int, apart: int) -> ByteArray:
    """Sums of so many numbers that lie so far apart, by doubling; they must fit a byte."""
    total, seen, run, reach = counts[:0], 0, counts, 1
    while reach <= length:
        if length & reach:
            part = run[seen * apart :]
            total = part if not seen else total[: len(part)] + part
            seen += reach
        run, reach = run[: -reach * apart] + run[reach * apart :], 2 * reach
    return total
