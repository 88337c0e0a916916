"""What is around the product: the background, and what the picture's rim shows."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from scoring.core.compiled import compiled
from scoring.core.foreground import Foreground, grown, mask_at
from scoring.core.shares import share
from scoring.core.types import ByteArray, FloatArray

RIM_SHARE, MOST_STEP = 0.05, 40.0  # depth of the outer strips; levels
OTHERS = [[other for other in range(4) if other != strip] for strip in range(4)]
RIM_NAMES = ("rim_colour", "rim_spread", "rim_spread_ratio", "rim_edge_ratio")


def background_of(
    luma: FloatArray, steps: FloatArray, levels: ByteArray, foreground: Foreground
) -> dict[str, float]:
    outside = mask_at(~grown(foreground.mask, 2), *luma.shape)
    if share(outside) < 0.02:
        outside = np.ones_like(outside)
    usual, spread, white, edges = _behind(luma, steps, levels, outside)
    return {
        "background_luma": usual,
        "background_std": spread,
        "background_white_share": white,
        "background_edge_share": edges,
        "background_is_plain": float(foreground.plain_background),
    }


@compiled
def _behind(
    luma: FloatArray, steps: FloatArray, levels: ByteArray, outside: npt.NDArray[np.bool_]
) -> tuple[float, float, float, float]:
    """Mean and spread of brightness, and the shares of white and of edges, where ``outside`` (h, w) is."""
    count, white, edges, total, squares = 0, 0, 0, 0.0, 0.0
    for y in range(len(luma)):
        row = np.float32(0)
        for x in range(luma.shape[1]):
            darkest = min(min(levels[0, y, x], levels[1, y, x]), levels[2, y, x])
            count += outside[y, x]
            white += outside[y, x] and darkest >= 240
            edges += outside[y, x] and steps[y, x] > 12
            row += luma[y, x] if outside[y, x] else np.float32(0)
        total += float(row)
    usual = total / count
    for y in range(len(luma)):
        row = np.float32(0)
        for x in range(luma.shape[1]):
            apart = luma[y, x] - np.float32(usual)
            row += apart * apart if outside[y, x] else np.float32(0)
        squares += float(row)
    return usual, math.sqrt(squares / count), white / count, edges / count


def rim_of(levels: ByteArray, steps: FloatArray) -> dict[str, float]:
    """How unlike the others one side's outer strip is: where the frame cuts a thing, it is seen there."""
    height, width = steps.shape
    rows, columns = (max(1, int(side * RIM_SHARE)) for side in steps.shape)
    told = np.array(
        [
            _strip(levels, steps, 0, rows, 0, width),
            _strip(levels, steps, height - rows, height, 0, width),
            _strip(levels, steps, 0, height, 0, columns),
            _strip(levels, steps, 0, height, width - columns, width),
        ]
    )
    colour, square = told[:, :3], told[:, 3:6]
    spread = np.sort(np.sqrt(np.maximum(square - colour**2, 0)).mean(axis=1))
    edges = np.sort(told[:, 6])
    others = np.sort(colour[OTHERS], axis=1)[:, 1]
    return {
        "rim_colour": float(np.abs(colour - others).mean(axis=1).max()),
        "rim_spread": float(spread[3] - (spread[1] + spread[2]) / 2),
        "rim_spread_ratio": float(np.log((spread[3] + 2) / (spread[1] + 2))),
        "rim_edge_ratio": float(np.log((edges[3] + 1) / (edges[1] + 1))),
    }


@compiled
def _strip(
    levels: ByteArray, steps: FloatArray, top: int, bottom: int, left: int, right: int
) -> npt.NDArray[np.float64]:
    """Mean of each channel, mean of its square, and mean step up to MOST_STEP (7,) of a part of a picture."""
    told = np.zeros(7)
    for y in range(top, bottom):
        for k in range(3):
            total, square = np.int64(0), np.int64(0)
            for x in range(left, right):
                level = np.int64(levels[k, y, x])
                total += level
                square += level * level
            told[k] += total
            told[3 + k] += square
        clipped = np.float32(0)
        for x in range(left, right):
            clipped += min(steps[y, x], np.float32(MOST_STEP))
        told[6] += clipped
    return told / ((bottom - top) * (right - left))
