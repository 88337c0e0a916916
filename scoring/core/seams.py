"""What was put together or laid over afterwards: frames, seams of collages, rows of strokes.

All from luma (h, w) of a small copy, float32 0-255.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scoring.core.compiled import compiled
from scoring.core.types import FloatArray

CELL = (5, 21)  # pixels: where strokes are counted
FLAT_STD = 4.0  # levels: outer rows that vary less are one surface
SEAM_STEP = 12  # levels
STROKE_TURN = 64.0  # product of the steps on both sides, one up and one down
FEWEST = 24  # pixels a side


def laid_over_by(luma: FloatArray) -> dict[str, float]:
    """Frames, seams of collages, and rows of strokes as letters make."""
    columns, rows = _lines(luma)
    height, width = luma.shape
    return {
        "border_step": max(_frame_step(turned) for turned in (luma, luma[::-1], luma.T, luma.T[::-1])),
        "seam_share": max(_seam(columns, width, height), _seam(rows, height, width)),
        "text_share": _stroke_share(luma) if min(luma.shape) >= FEWEST else 0.0,
    }


def _frame_step(luma: FloatArray) -> float:
    """Step, in grey levels, between flat outer rows and the next row, along nearly the whole width."""
    depth = min(max(2, int(luma.shape[0] * 0.12)), luma.shape[0])
    outer = np.ascontiguousarray(luma[:depth])
    rows = _flat_rows(outer)
    if rows == 0:
        return 0.0
    steps = np.sort(np.abs(outer[1 : rows + 1] - outer[:rows]), axis=1)
    return float(steps[:, int(0.15 * (steps.shape[1] - 1))].max())


@compiled
def _flat_rows(outer: FloatArray) -> int:
    """How many of the first rows together are one surface, at most all but one."""
    total, square = 0.0, 0.0
    for y in range(len(outer) - 1):
        row_total, row_square = np.float32(0), np.float32(0)
        for x in range(outer.shape[1]):
            row_total += outer[y, x]
            row_square += outer[y, x] * outer[y, x]
        total, square = total + float(row_total), square + float(row_square)
        seen = (y + 1) * outer.shape[1]
        if square / seen - (total / seen) ** 2 > FLAT_STD**2:
            return y
    return len(outer) - 1


def _seam(counts: npt.NDArray[np.int64], extent: int, length: int) -> float:
    """Largest share of a straight line across the inner picture where brightness steps, of how many places
    of each do (extent - 1,)."""
    if extent < 16:
        return 0.0
    return float(counts[int(0.2 * extent) : int(0.8 * extent) - 1].max() / length)


@compiled
def _lines(luma: FloatArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """In how many places brightness steps to the next column (w - 1,), and to the next row (h - 1,)."""
    height, width = luma.shape
    columns, rows = np.zeros(width - 1, dtype=np.int64), np.zeros(height - 1, dtype=np.int64)
    for y in range(height):
        for x in range(width - 1):
            columns[x] += abs(luma[y, x + 1] - luma[y, x]) > SEAM_STEP
        if y < height - 1:
            for x in range(width):
                rows[y] += abs(luma[y + 1, x] - luma[y, x]) > SEAM_STEP
    return columns, rows


@compiled
def _stroke_share(luma: FloatArray) -> float:
    """Share of the picture covered by cells full of alternating strong strokes."""
    (depth, across), (height, width) = CELL, luma.shape
    turns = np.zeros((depth, width), dtype=np.uint8)  # of the last few rows, whose sum is kept
    kept, sums = np.zeros(width, dtype=np.uint8), np.zeros(width, dtype=np.uint8)
    full = 0
    for y in range(height - 1):
        row = turns[y % depth]
        for x in range(width - 2):
            turn = (luma[y, x + 1] - luma[y, x]) * (luma[y, x + 2] - luma[y, x + 1]) < -STROKE_TURN
            kept[x] += np.uint8(turn) - row[x]
            row[x] = turn
        if y < depth - 1:
            continue
        sums[:] = 0
        for apart in range(across):
            for x in range(width - across):
                sums[x] += kept[x + apart]
        for x in range(width - across):
            full += sums[x] > 0.22 * depth * across
    return float(full / ((height - depth) * (width - across)))
