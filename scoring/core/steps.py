"""Brightness and its change from pixel to pixel, of planes (h, w)."""

from __future__ import annotations

import numpy as np

from scoring.core.compiled import compiled
from scoring.core.types import ByteArray, FloatArray

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # of red, green and blue: ITU-R BT.601


@compiled
def luma_of(rgb: ByteArray) -> FloatArray:
    """Brightness (h, w), 0-255, unrounded, of uint8 (h, w, 3)."""
    luma = np.empty(rgb.shape[:2], dtype=np.float32)
    for y in range(len(luma)):
        row, told = rgb[y], luma[y]
        for x in range(len(told)):
            red, green = np.float32(np.int32(row[x, 0])), np.float32(np.int32(row[x, 1]))
            told[x] = LUMA[0] * red + LUMA[1] * green + LUMA[2] * np.float32(np.int32(row[x, 2]))
    return luma


@compiled
def planes_of(rgb: ByteArray) -> ByteArray:
    """Red, green and blue (3, h, w), each in one piece, of uint8 (h, w, 3)."""
    planes = np.empty((3, *rgb.shape[:2]), dtype=np.uint8)
    for y in range(len(rgb)):
        row, red, green, blue = rgb[y], planes[0, y], planes[1, y], planes[2, y]
        for x in range(len(row)):
            red[x], green[x], blue[x] = row[x, 0], row[x, 1], row[x, 2]
    return planes


@compiled
def steps_of(luma: FloatArray) -> FloatArray:
    """Change from the pixel above and from the one to the left together (h, w), in levels."""
    steps = np.zeros_like(luma)
    for y in range(len(luma)):
        for x in range(1, luma.shape[1]):
            steps[y, x] = abs(luma[y, x] - luma[y, x - 1])
    for y in range(1, len(luma)):
        for x in range(luma.shape[1]):
            steps[y, x] += abs(luma[y, x] - luma[y - 1, x])
    return steps


def mean(values: FloatArray) -> float:
    """Mean of float32 (h, w) or (n,), in half the time numpy takes."""
    return float((values @ np.ones(values.shape[-1], dtype=np.float32)).sum()) / values.size
