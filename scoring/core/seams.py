"""What was put together or laid over afterwards: frames, seams of collages, rows of strokes.

All from luma (h, w) of a small copy, float32 0-255.
"""

from __future__ import annotations

import numpy as np

from scoring.core.shares import share
from scoring.core.types import ByteArray, FloatArray

CELL = (5, 21)  # pixels: where strokes are counted
FLAT_STD = 4.0  # levels: outer rows that vary less are one surface


def laid_over_by(luma: FloatArray) -> dict[str, float]:
    """Frames, seams of collages, and rows of strokes as letters make."""
    return {
        "border_step": max(_frame_step(turned) for turned in (luma, luma[::-1], luma.T, luma.T[::-1])),
        "seam_share": max(_seam(luma), _seam(luma.T)),
        "text_share": _stroke_share(luma),
    }


def _frame_step(luma: FloatArray) -> float:
    """Step, in grey levels, between flat outer rows and the next row, along nearly the whole width."""
    depth = min(max(2, int(luma.shape[0] * 0.12)), luma.shape[0])
    outer = luma[:depth].astype(np.float64)
    if depth < 2:
        return 0.0
    seen = np.arange(1, depth) * luma.shape[1]
    mean = np.cumsum(outer.sum(axis=1))[:-1] / seen
    variance = np.cumsum((outer**2).sum(axis=1))[:-1] / seen - mean**2
    ends = np.flatnonzero(variance > FLAT_STD**2)
    rows = int(ends[0]) if len(ends) else depth - 1
    if rows == 0:
        return 0.0
    steps = np.abs(np.diff(outer[: rows + 1], axis=0))
    rank = int(0.15 * (luma.shape[1] - 1))
    return float(np.partition(steps, rank, axis=1)[:, rank].max())


def _seam(luma: FloatArray) -> float:
    """Largest share of a straight line across the inner picture where brightness steps by over 12 levels."""
    width = luma.shape[1]
    if width < 16:
        return 0.0
    inner = luma[:, int(0.2 * width) : int(0.8 * width)]
    return float((np.abs(np.diff(inner, axis=1)) > 12).mean(axis=0).max())


def _stroke_share(luma: FloatArray) -> float:
    """Share of the picture covered by cells full of alternating strong strokes."""
    if min(luma.shape) < 24:
        return 0.0
    dx = luma[:, 1:] - luma[:, :-1]
    turns = (dx[:, 1:] * dx[:, :-1] < -64).astype(np.uint8)
    height, width = CELL
    wide = np.pad(turns, ((height // 2,) * 2, (width // 2,) * 2), mode="symmetric")
    return share(_sums(_sums(wide, width).T, height) > 0.22 * height * width)


def _sums(counts: ByteArray, width: int) -> ByteArray:
    """Sums of so many neighbours in a row, by doubling; they must fit a byte."""
    total, seen, run, length = counts[:, :0], 0, counts, 1
    while length <= width:
        if width & length:
            part = run[:, seen:]
            total = part if not seen else total[:, : part.shape[1]] + part
            seen += length
        run, length = run[:, :-length] + run[:, length:], 2 * length
    return total
