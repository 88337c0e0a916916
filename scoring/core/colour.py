"""How much colour there is, which the light has, and where single channels burn out.

All from red, green and blue (3, h, w) of a small copy, 0-255.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from scoring.core.compiled import compiled
from scoring.core.illuminant import balance, tint_of
from scoring.core.shares import middle_level
from scoring.core.types import ByteArray

OPPOSITES = (("warm", "cold"), ("green", "magenta"))


def colour_of(levels: ByteArray, product: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Cast from the brightest, least coloured surroundings; without any, from the whole picture. Of red,
    green and blue (3, h, w), and which places (h, w) show the product."""
    usual, spread, off_axis, saturation = _colours(levels, product)
    r, g, b = (middle_level(counts) for counts in usual)
    warmth, magenta = r - b, g - (r + b) / 2
    return {
        "cast_chroma": float(np.hypot(warmth / 2, magenta)),
        "cast_warmth": warmth,
        "cast_green": magenta,
        "saturation": saturation,
        # Hasler and Suesstrunk, Measuring colourfulness in natural images, 2003.
        "colourfulness": spread + 0.3 * off_axis,
    }


@compiled
def _colours(
    levels: ByteArray, product: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.int64], float, float, float]:
    """Of every second row: how often each level is met (3, 256) in about 6,000 places that should be
    colourless; spread and mean of the two opposites of colour; mean saturation."""
    height, width = product.shape
    rows = (height + 1) // 2
    outside = np.zeros((rows, width), dtype=np.bool_)
    saturations, yellow, red, squares = 0.0, 0.0, 0.0, 0.0
    for n in range(rows):
        reds, greens, blues = levels[0, 2 * n], levels[1, 2 * n], levels[2, 2 * n]
        shown, told, zero = product[2 * n], outside[n], np.float32(0)
        row_saturation, row_yellow, row_red, row_squares = zero, zero, zero, zero
        for x in range(width):
            r, g, b = np.float32(reds[x]), np.float32(greens[x]), np.float32(blues[x])
            top, bottom = max(max(r, g), b), min(min(r, g), b)
            saturation = (top - bottom) / (top + np.float32(1))
            told[x] = (not shown[x]) & (top > np.float32(90)) & (saturation < np.float32(0.45))
            yellow_blue, red_green = (r + g) / np.float32(2) - b, r - g
            row_saturation += saturation
            row_yellow += yellow_blue
            row_red += red_green
            row_squares += yellow_blue * yellow_blue + red_green * red_green
        saturations, yellow = saturations + float(row_saturation), yellow + float(row_yellow)
        red, squares = red + float(row_red), squares + float(row_squares)
    size = outside.size
    count = np.count_nonzero(outside)
    is_told = count / size > 0.05
    every = max(1, (count if is_told else size) // 6000)
    usual = np.zeros((3, 256), dtype=np.int64)
    passed = every
    for n in range(rows):
        for x in range(width):
            passed += outside[n, x] or not is_told
            if passed > every:
                passed = 1
                for k in range(3):
                    usual[k, levels[k, 2 * n, x]] += 1
    yellow, red = yellow / size, red / size
    off_axis = yellow * yellow + red * red
    return usual, math.sqrt(squares / size - off_axis), math.sqrt(off_axis), saturations / size


def light_colour_of(levels: ByteArray) -> dict[str, float]:
    """Colour of the light by what should be white and by edges, and where single channels burn out.

    Grey-edge: van de Weijer, Gevers and Gijsenij, Edge-based color constancy, 2007.
    """
    tint = tint_of(levels)
    warmth, green = (tint[f"tint_highlight_{a}"] + tint[f"tint_highlight_{b}"] for a, b in OPPOSITES)
    edges, clipped = _edges(levels)
    edge_warmth, edge_green = balance(edges)
    return {
        **tint,
        "highlight_cast": float(np.hypot(warmth / 2, green)),
        "highlight_green": green,
        "edge_cast": float(np.hypot(edge_warmth / 2, edge_green)),
        "edge_green": abs(edge_green),
        "clipped_colour_share": clipped,
    }


@compiled
def _edges(levels: ByteArray) -> tuple[npt.NDArray[np.float64], float]:
    """Root of the mean square of each channel's steps (3,) in every second row, the channel's mean where it
    is too narrow to have any; and the share of pixels where a channel is full and another is not."""
    _, height, width = levels.shape
    told = np.zeros(3)
    count = (height // 2) * (width - 1)
    for k in range(3):
        for y in range(1, height, 2):
            sums = np.int64(0)
            for x in range(1, width):
                level = np.int32(levels[k, y, x])
                step = abs(level - levels[k, y, x - 1]) + abs(level - levels[k, y - 1, x])
                sums += step * step
            told[k] += sums
        told[k] = math.sqrt(told[k] / count) if count else levels[k].mean()
    clipped = 0
    for y in range(height):
        for x in range(width):
            r, g, b = levels[0, y, x], levels[1, y, x], levels[2, y, x]
            clipped += max(max(r, g), b) >= 253 and min(min(r, g), b) < 243
    return told, clipped / (height * width)
