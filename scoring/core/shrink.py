"""Copies of a picture in other sizes: what Pillow's ``reduce`` and bilinear ``resize`` make, level for level.

Made here since they then cost a half, and since Pillow goes over rows and columns in the order it thinks
quicker, which changed with version 13 and with it the last bit: a score must not depend on that.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from scoring.core.compiled import compiled
from scoring.core.types import ByteArray

Indices = npt.NDArray[np.intp]
Weights = npt.NDArray[np.int32]

WEIGHT_BITS = 22  # of a weight's fraction, as in Pillow: with 8 of a level and room for sums, 32


def shrinking(size: Sequence[int], longest: int) -> int:
    """The whole factor that brings a picture to at most ``longest``; 1 for one that is small already."""
    return max(1, -(-max(size) // longest))


def shrunk(rgb: ByteArray, longest: int) -> ByteArray:
    """Averaged copy (h, w, 3) with no side over ``longest``; small pictures pass unchanged."""
    factor = shrinking(rgb.shape[:2], longest)
    return reduced(rgb, factor) if factor > 1 else rgb


def reduced(rgb: ByteArray, factor: int) -> ByteArray:
    """Mean of each square of ``factor`` x ``factor`` pixels (1-257) of uint8 (h, w, 3), rounded; squares at
    the right and the lower edge are of as many as are left."""
    return _averaged(np.ascontiguousarray(rgb), factor)


@compiled
def _averaged(rgb: ByteArray, factor: int) -> ByteArray:
    """Rows are added up whole, then pixels side by side, of all places at once: most sums nobody asked for,
    but so a processor takes dozens in a step.
    """
    height, width = rgb.shape[0], rgb.shape[1]
    whole, columns = width // factor, (width + factor - 1) // factor
    told = np.empty(((height + factor - 1) // factor, columns, 3), dtype=np.uint8)
    lines = rgb.reshape(height, 3 * width)
    sums, boxes = np.empty(3 * width, dtype=np.uint16), np.empty(3 * width, dtype=np.uint32)
    for y in range(len(told)):
        depth = min(factor, height - y * factor)
        line = lines[y * factor]
        for x in range(3 * width):
            sums[x] = line[x]
        for k in range(1, depth):
            line = lines[y * factor + k]
            for x in range(3 * width):
                sums[x] += line[x]
        span = 3 * (whole * factor - factor + 1) if whole else 0
        for x in range(span):
            boxes[x] = sums[x]
        for k in range(1, factor):
            for x in range(span):
                boxes[x] += sums[x + 3 * k]
        # Divided as Pillow does, by a product, which rounds as it does where a mean lies half-way.
        row = told[y]
        count = depth * factor
        times, half = np.uint32((1 << 32) // (count << 8)), np.uint32(count // 2)
        for x in range(whole):
            for c in range(3):
                row[x, c] = ((boxes[3 * factor * x + c] + half) * times) >> 24
        if whole < columns:
            count = depth * (width - whole * factor)
            times, half = np.uint32((1 << 32) // (count << 8)), np.uint32(count // 2)
            for c in range(3):
                rest = half
                for x in range(whole * factor, width):
                    rest += np.uint32(sums[3 * x + c])
                row[whole, c] = (rest * times) >> 24
    return told


def resized(rgb: ByteArray, size: tuple[int, int]) -> ByteArray:
    """Bilinear copy (h, w, 3) of uint8 (H, W, 3), ``size`` its width and height: a triangle as wide as two
    pixels of the smaller of both, so that shrinking averages."""
    left, across = _weights(rgb.shape[1], size[0])
    top, down = _weights(rgb.shape[0], size[1])
    return _resampled(rgb, left, across, top, down)


@lru_cache(maxsize=64)
def _weights(given: int, wanted: int) -> tuple[Indices, Weights]:
    """For each of ``wanted`` places the first of ``given`` it is made of, and the weights (wanted, taps)."""
    scale = given / wanted
    reach = max(1.0, scale)
    centres = (np.arange(wanted) + 0.5) * scale
    first = np.maximum((centres - reach + 0.5).astype(np.intp), 0)
    taps = int((np.minimum((centres + reach + 0.5).astype(np.intp), given) - first).max())
    first = np.minimum(first, given - taps)
    apart = np.abs(first[:, None] + np.arange(taps) + 0.5 - centres[:, None])
    weights = np.maximum(0.0, 1 - apart / reach)
    weights /= weights.sum(axis=1, keepdims=True)
    return first, (weights * (1 << WEIGHT_BITS) + 0.5).astype(np.int32)


@compiled
def _resampled(rgb: ByteArray, left: Indices, across: Weights, top: Indices, down: Weights) -> ByteArray:
    """Every row made narrower or wider, then every column, rounded each time."""
    half = np.int32(1 << (WEIGHT_BITS - 1))
    wide = np.empty((len(rgb), len(left), 3), dtype=np.uint8)
    for y in range(len(rgb)):
        row, told = rgb[y], wide[y]
        for x in range(len(left)):
            red, green, blue = half, half, half
            for k in range(across.shape[1]):
                weight, at = across[x, k], left[x] + k
                red += weight * np.int32(row[at, 0])
                green += weight * np.int32(row[at, 1])
                blue += weight * np.int32(row[at, 2])
            told[x, 0], told[x, 1], told[x, 2] = red >> WEIGHT_BITS, green >> WEIGHT_BITS, blue >> WEIGHT_BITS
    lines = wide.reshape(len(wide), 3 * len(left))
    told_lines, sums = np.empty((len(top), lines.shape[1]), np.uint8), np.empty(lines.shape[1], np.int32)
    for y in range(len(top)):
        sums[:] = half
        for k in range(down.shape[1]):
            weight, line = down[y, k], lines[top[y] + k]
            for x in range(len(sums)):
                sums[x] += weight * np.int32(line[x])
        for x in range(len(sums)):
            told_lines[y, x] = sums[x] >> WEIGHT_BITS
    return told_lines.reshape(len(top), len(left), 3)
