"""Strokes that may be letters, found in all inks at once.

Strokes are what a narrow opening takes away of a plane in which they are bright.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from scoring.core.compiled import compiled
from scoring.core.types import ByteArray, FloatArray

Indices = npt.NDArray[np.intp]
Sums = npt.NDArray[np.float64]

WIDEST_STROKE = 5  # pixels of a copy with no side over 256
REACH = WIDEST_STROKE - 1
LEAST_STEP = 14  # levels by which a stroke differs from what is around it
FEWEST_PIXELS = 6
HEIGHT = (0.016, 0.15)  # of a letter, in parts of the shorter side
WIDTH = (0.08, 2.0)  # of a letter, in parts of its height
FILLED = (0.15, 0.97)  # of a letter's box
MOST_LETTERS = 140  # of one ink
LARGEST_STROKE = 0.02  # of the picture
FAR = 8  # pixels between planes


class Strokes(NamedTuple):
    """Letter-like strokes (N,): which plane they are of, box in pixels, mean step to the surroundings, mean
    and spread of brightness. ``top`` and ``bottom`` go on from plane to plane, so that no two meet."""

    plane: Indices
    left: FloatArray
    top: FloatArray
    right: FloatArray
    bottom: FloatArray
    step: FloatArray
    colour: FloatArray
    spread: FloatArray

    def of(self, chosen: Indices) -> Strokes:
        return Strokes._make(values[chosen] for values in self)


def strokes_of(planes: ByteArray) -> Strokes | None:
    """Connected strokes of a letter's size and shape that are brighter than what is around them; of each of
    the planes (n, h, w) those that stand out most. None where there is none."""
    found = []
    for plane in planes:
        steps = _stand_out(plane)
        found.append(parts_of(plane, steps, steps.view(np.uint64)))
    number, parts = np.repeat(np.arange(len(planes)), [len(each) for each in found]), np.concatenate(found)
    size = (parts[:, 4] >= FEWEST_PIXELS) & (parts[:, 4] <= LARGEST_STROKE * planes[0].size)
    number, parts = number[size], parts[size]
    like = _letter_like(parts[:, :4].T, parts[:, 4], min(planes.shape[1:]))
    if not like.any():
        return None
    number, parts = number[like], parts[like]
    left, top, right, bottom, count, step, colour, square = parts.T
    step, colour, square = step / count, colour / count, square / count
    spread = np.sqrt(np.maximum(0, square - colour**2))
    apart = number * (planes.shape[1] + FAR)
    told = np.array([left, top + apart, right, bottom + apart, step, colour, spread], dtype=np.float32)
    return _strongest(Strokes(number, *told))


def _strongest(found: Strokes) -> Strokes:
    """Of each plane the MOST_LETTERS that stand out most."""
    if np.bincount(found.plane).max() <= MOST_LETTERS:
        return found
    order = np.lexsort((-found.step, found.plane))
    plane = found.plane[order]
    return found.of(order[np.arange(len(order)) - np.searchsorted(plane, plane) < MOST_LETTERS])


def _letter_like(boxes: Sums, area: Sums, side: int) -> npt.NDArray[np.bool_]:
    """Which parts (P,) have a letter's size and shape, in a picture whose shorter side has so many pixels."""
    width, height = boxes[2:] - boxes[:2]
    filled = area / (height * width)
    return np.asarray(
        (height >= HEIGHT[0] * side)
        & (height <= HEIGHT[1] * side)
        & (width >= WIDTH[0] * height)
        & (width <= WIDTH[1] * height)
        & (filled > FILLED[0])
        & (filled < FILLED[1])
    )


@compiled
def _stand_out(plane: ByteArray) -> ByteArray:
    """By how much each pixel (h, w) stands out of what is left without strokes narrower than WIDEST_STROKE,
    0 where that is less than LEAST_STEP and in columns that follow up to a multiple of eight; beyond its
    edges the plane goes on as it is."""
    height, width = plane.shape
    wide = np.empty((height + 2 * REACH, width + 2 * REACH), dtype=np.uint8)
    for y in range(len(wide)):
        row, line = plane[min(max(0, y - REACH), height - 1)], wide[y]
        for x in range(REACH):
            line[x], line[REACH + width + x] = row[0], row[width - 1]
        for x in range(width):
            line[REACH + x] = row[x]
    for _ in range(2):  # what is least around; of that what is most, which is the least of all turned over
        lines = np.empty((wide.shape[0], wide.shape[1] - REACH), dtype=np.uint8)
        for y in range(len(lines)):
            a, told = wide[y], lines[y]
            for x in range(len(told)):
                told[x] = min(min(min(a[x], a[x + 1]), min(a[x + 2], a[x + 3])), a[x + 4])
        wide = np.empty((wide.shape[0] - REACH, lines.shape[1]), dtype=np.uint8)
        for y in range(len(wide)):
            a, b, c, d, e, told = lines[y], lines[y + 1], lines[y + 2], lines[y + 3], lines[y + 4], wide[y]
            for x in range(len(told)):
                told[x] = 255 - min(min(min(a[x], b[x]), min(c[x], d[x])), e[x])
    steps = np.zeros((height, (width + 7) // 8 * 8), dtype=np.uint8)
    for y in range(height):
        row, opened, told = plane[y], wide[y], steps[y]
        for x in range(width):
            step = np.uint8(row[x] - opened[x])
            told[x] = step if step >= np.uint8(LEAST_STEP) else np.uint8(0)
    return steps


@compiled
def parts_of(plane: ByteArray, steps: ByteArray, eights: npt.NDArray[np.uint64]) -> Sums:
    """Of every connected part (P, 8), in reading order, corners too, of pixels whose step (h, w) is not 0:
    left, top, right and bottom; how many; sums of steps, of levels, of their squares.

    A row at a time: its unbroken runs are held against those of the row above. ``eights``: the steps of
    eight pixels as one number.
    """
    height, width = plane.shape
    most = height * (width // 2 + 1)
    parent, sums = np.empty(most, dtype=np.int32), np.empty((most, 8))
    above, here = np.empty((width, 3), dtype=np.int32), np.empty((width, 3), dtype=np.int32)
    count, runs_above = 0, 0
    for y in range(height):
        runs, x, first = 0, 0, 0
        while x < width:
            if not steps[y, x]:
                x += 8 if x % 8 == 0 and not eights[y, x // 8] else 1
                continue
            start, total, level, square = x, np.int64(0), np.int64(0), np.int64(0)
            while x < width and steps[y, x]:
                value = np.int64(plane[y, x])
                total, level, square = total + steps[y, x], level + value, square + value * value
                x += 1
            while first < runs_above and above[first, 1] < start:
                first += 1
            part, other = -1, first
            while other < runs_above and above[other, 0] <= x:
                root = above[other, 2]
                while parent[root] != root:
                    root = parent[root]
                if part < 0 or root == part:
                    part = root
                else:
                    low, high = min(part, root), max(part, root)
                    parent[high], part = low, low
                other += 1
            if part < 0:
                part = count
                parent[part] = part
                sums[part] = (width, height, 0, 0, 0, 0, 0, 0)
                count += 1
            told = sums[part]
            told[0], told[1] = min(told[0], start), min(told[1], y)
            told[2], told[3] = max(told[2], x), y + 1
            told[4] += x - start
            told[5] += total
            told[6] += level
            told[7] += square
            here[runs] = (start, x, part)
            runs += 1
        above, here, runs_above = here, above, runs
    kept = 0
    for part in range(count):  # a part that grew into another came later than that
        root = parent[part]
        while parent[root] != root:
            root = parent[root]
        if root == part:
            kept += 1
        else:
            for k in range(2):
                sums[root, k] = min(sums[root, k], sums[part, k])
                sums[root, 2 + k] = max(sums[root, 2 + k], sums[part, 2 + k])
            sums[root, 4:] += sums[part, 4:]
    told, n = np.empty((kept, 8)), 0
    for part in range(count):
        if parent[part] == part:
            told[n] = sums[part]
            n += 1
    return told
