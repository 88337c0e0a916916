"""Rows of letters: strokes of one colour, about one height, standing on one line.

Strokes are what a narrow opening takes away (bright ones) or a closing adds (dark ones); strokes in red are
looked for in how far red stands out. Three or more that belong together make a row. Printing on a product
makes such rows too: which of them is a fault is for the head to say, or for reading them (overlay.py).
"""

from __future__ import annotations

import numpy as np

from scoring.core.compiled import compiled
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


@compiled
def _inks(planes: ByteArray, luma: FloatArray) -> ByteArray:
    """For each ink a plane (3, h, w) in which its letters are brighter than what is around them."""
    inks = np.empty_like(planes)
    for y in range(len(luma)):
        for x in range(luma.shape[1]):
            red, other = planes[0, y, x], max(planes[1, y, x], planes[2, y, x])
            bright = np.uint8(luma[y, x] + np.float32(0.5))
            inks[0, y, x] = bright
            inks[1, y, x] = 255 - bright
            inks[2, y, x] = red - min(red, other)
    return inks


def _plainest_rows(strokes: Strokes) -> list[float]:
    """Of the plainest row of each ink: letters, less for an uneven colour or a faint one."""
    row = _rows(*strokes)
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


@compiled
def _rows(
    plane: Indices,
    left: FloatArray,
    top: FloatArray,
    right: FloatArray,
    bottom: FloatArray,
    step: FloatArray,
    colour: FloatArray,
    spread: FloatArray,
) -> Indices:
    """The row (N,) of each stroke, by the first that is in it: those are in one that are next to each other,
    stand on one line and look alike, and all that these are in one with."""
    count = len(left)
    row, order = np.arange(count), np.argsort(bottom)
    for n in range(count):
        one = order[n]
        height = bottom[one] - top[one]
        for m in range(n + 1, count):
            other = order[m]
            foot = bottom[other] - bottom[one]
            if foot > OFF_LINE * LIKE_HEIGHT * height:
                break
            low, high = height, bottom[other] - top[other]
            low, high = min(low, high), max(low, high)
            head = abs(top[one] - top[other])
            gap = max(left[one], left[other]) - min(right[one], right[other])
            faint, strong = min(step[one], step[other]), max(step[one], step[other])
            if not (foot < 0.14 * high or (head < 0.1 * high and foot < OFF_LINE * high)):
                continue
            if high >= LIKE_HEIGHT * low or faint <= 0.6 * strong or not -0.25 * low < gap < 0.6 * high:
                continue
            if abs(colour[one] - colour[other]) >= 18 + 0.15 * faint:
                continue
            while row[one] != one:
                one = row[one]
            while row[other] != other:
                other = row[other]
            row[max(one, other)] = min(one, other)
            one = order[n]
    for n in range(count):
        while row[row[n]] != row[n]:
            row[n] = row[row[n]]
    return row
