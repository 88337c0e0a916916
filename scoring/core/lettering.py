"""Rows of letters: strokes of one colour, about one height, standing on one line.

Strokes are what a narrow opening takes away (bright ones) or a closing adds (dark ones); strokes in red are
looked for in how far red stands out. Three or more that belong together make a row. Printing on a product
makes such rows too: which of them is a fault is for the head to say, or for reading them (overlay.py).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scoring.core.strokes import Indices, Strokes, strokes_of
from scoring.core.types import ByteArray, FloatArray

INKS = ("bright", "dark", "red")
LETTER_NAMES = (*(f"row_{ink}" for ink in INKS), "row_sum")  # beside the plainest of all rows

LONGEST_ROW = 12
PLAIN_STEP = 40.0  # levels from which a stroke is as plain as can be
SMALLEST_SIDE = 40
LIKE_HEIGHT = 1.65  # the tallest letter of a row against the lowest, as those beside each other
OFF_LINE = 0.35  # of a letter's height: how far below the next one's foot it may stand


def letters_of(planes: ByteArray, luma: FloatArray) -> dict[str, float]:
    """How plain the plainest row is in each ink (about the number of its letters), and over all inks; of
    red, green and blue (3, h, w) and their brightness (h, w), 0-255."""
    strokes = strokes_of(_inks(planes, luma)) if min(luma.shape) >= SMALLEST_SIDE else None
    plainest = _plainest_rows(strokes) if strokes else [0.0] * len(INKS)
    told = {f"row_{ink}": value for ink, value in zip(INKS, plainest, strict=True)}
    return {**told, "row_sum": sum(plainest), "letters_in_row": max(plainest)}


def _inks(planes: ByteArray, luma: FloatArray) -> list[ByteArray]:
    """For each ink a plane (h, w) in which its letters are brighter than what is around them."""
    red, green, blue = planes
    bright = (luma + np.float32(0.5)).astype(np.uint8)
    return [bright, ~bright, red - np.minimum(red, np.maximum(green, blue))]


def _plainest_rows(strokes: Strokes) -> list[float]:
    """Of the plainest row of each ink: letters, less for an uneven colour or a faint one."""
    row = _joined(len(strokes.left), *_neighbours(strokes))
    order = np.argsort(row, kind="stable")
    row, own = row[order], strokes.of(order)
    letters = np.bincount(row)
    letters = letters[letters > 0]
    heads = np.cumsum(letters) - letters
    height = own.bottom - own.top
    rise = np.maximum.reduceat(own.bottom, heads) - np.minimum.reduceat(own.top, heads)
    step, colour, square = (
        np.add.reduceat(values.astype(np.float64), heads) / letters
        for values in (own.step, own.colour, own.colour**2)
    )
    even = np.maximum(0.0, 1 - _middles(own.spread, row, heads, letters) / (step + 1))
    alike = np.maximum(0.0, 1 - np.sqrt(np.maximum(0.0, square - colour**2)) / (step + 1))
    plain = np.minimum(letters, LONGEST_ROW) * even * alike * np.minimum(1.0, step / PLAIN_STEP)
    plain[(letters < 2) | (rise > 1.8 * _middles(height, row, heads, letters))] = 0
    return [float(plain[own.plane[heads] == ink].max(initial=0.0)) for ink in range(len(INKS))]


def _middles(values: FloatArray, group: Indices, heads: Indices, counts: Indices) -> FloatArray:
    """The median of every group of values that follow one another."""
    ranked = values[np.lexsort((values, group))]
    return np.asarray((ranked[heads + (counts - 1) // 2] + ranked[heads + counts // 2]) / 2)


def _joined(count: int, one: Indices, other: Indices) -> Indices:
    """The group (N,) of each of so many, joined by pairs: the least that is in it."""
    least = np.arange(count)
    while True:
        found = least.copy()
        np.minimum.at(found, np.maximum(least[one], least[other]), np.minimum(least[one], least[other]))
        found = found[found]
        if np.array_equal(found, least):
            return least
        least = found


def _neighbours(strokes: Strokes) -> tuple[Indices, Indices]:
    """Pairs (P,) of strokes that are next to each other in one row and look alike.

    Only those are held against each other whose feet are near enough.
    """
    order = np.argsort(strokes.bottom, kind="stable")
    foot, height = strokes.bottom[order], (strokes.bottom - strokes.top)[order]
    ends = np.searchsorted(foot, foot + OFF_LINE * LIKE_HEIGHT * height, side="right")
    counts = ends - np.arange(1, len(order) + 1)
    one = np.repeat(np.arange(len(order)), counts)
    other = one + np.arange(1, len(one) + 1) - np.repeat(np.cumsum(counts) - counts, counts)
    one, other = order[one], order[other]
    beside = _are_beside(strokes.of(one), strokes.of(other))
    return one[beside], other[beside]


def _are_beside(one: Strokes, other: Strokes) -> npt.NDArray[np.bool_]:
    heights = one.bottom - one.top, other.bottom - other.top
    low, high = np.minimum(*heights), np.maximum(*heights)
    foot, head = np.abs(one.bottom - other.bottom), np.abs(one.top - other.top)
    gap = np.maximum(one.left, other.left) - np.minimum(one.right, other.right)
    faint, strong = np.minimum(one.step, other.step), np.maximum(one.step, other.step)
    on_line = (foot < 0.14 * high) | ((head < 0.1 * high) & (foot < OFF_LINE * high))
    alike = (high < LIKE_HEIGHT * low) & (faint > 0.6 * strong)
    alike &= np.abs(one.colour - other.colour) < 18 + 0.15 * faint
    return np.asarray(on_line & alike & (gap > -0.25 * low) & (gap < 0.6 * high))
