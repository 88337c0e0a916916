"""Rows of letters: strokes of one colour, about one height, standing on one line.

Strokes are what a narrow opening takes away (bright ones) or a closing adds (dark ones); strokes in red are
looked for in how far red stands out. Three or more that belong together make a row. Printing on a product
makes such rows too: which of them is a fault is for the head to say, or for reading them (overlay.py).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import scipy  # its parts load where first used: the web starts without
from PIL import Image, ImageChops

from scoring.core.shares import middle
from scoring.core.types import FloatArray

Bytes2 = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.intp]
INKS = ("bright", "dark", "red")
LETTER_NAMES = (*(f"row_{ink}" for ink in INKS), "row_sum")  # beside the plainest of all rows

WIDEST_STROKE = 5  # pixels of a copy with no side over 256
LEAST_STEP = 14  # levels by which a stroke differs from what is around it
FEWEST_PIXELS = 6
HEIGHT = (0.016, 0.15)  # of a letter, in parts of the shorter side
WIDTH = (0.08, 2.0)  # of a letter, in parts of its height
FILLED = (0.15, 0.97)  # of a letter's box
MOST_LETTERS = 140
LARGEST_STROKE = 0.02  # of the picture
LONGEST_ROW = 12
PLAIN_STEP = 40.0  # levels from which a stroke is as plain as can be
SMALLEST_SIDE = 40


@dataclass(frozen=True, slots=True)
class Strokes:
    """Letter-like strokes (N,): box in pixels, mean step to the surroundings, mean and spread of colour."""

    left: FloatArray
    top: FloatArray
    right: FloatArray
    bottom: FloatArray
    step: FloatArray
    colour: FloatArray
    spread: FloatArray

    def of(self, chosen: Indices) -> Strokes:
        return Strokes(*(getattr(self, field.name)[chosen] for field in fields(self)))


def letters_of(picture: Image.Image) -> dict[str, float]:
    """How plain the plainest row is in each ink (about the number of its letters), and over all inks."""
    rows = dict.fromkeys(INKS, 0.0)
    if min(picture.size) >= SMALLEST_SIDE:
        red, green, blue = picture.split()
        planes = (picture.convert("L"), ImageChops.subtract(red, ImageChops.lighter(green, blue)))
        luma, redness = (np.asarray(plane, dtype=np.uint8) for plane in planes)
        rows["bright"] = _plainest_row(luma - _opened(luma), luma)
        rows["dark"] = _plainest_row(~_opened(~luma) - luma, luma)
        if redness.max() >= LEAST_STEP:
            rows["red"] = _plainest_row(redness - _opened(redness), redness)
    told = {f"row_{ink}": value for ink, value in rows.items()}
    return {**told, "row_sum": sum(rows.values()), "letters_in_row": max(rows.values())}


def _opened(plane: Bytes2) -> Bytes2:
    """What is left of a plane without strokes narrower than WIDEST_STROKE."""
    half = WIDEST_STROKE // 2
    wide = np.pad(plane, 2 * half, mode="edge")
    for extreme in (np.minimum, np.maximum):
        for axis in (0, 1):
            wide = _extreme(wide, axis, extreme)
    return wide


def _extreme(plane: Bytes2, axis: int, extreme: np.ufunc) -> Bytes2:
    """Running extreme over WIDEST_STROKE pixels, by doubling."""
    seen = 1
    while seen < WIDEST_STROKE:
        step = min(seen, WIDEST_STROKE - seen)
        if axis == 0:
            plane = extreme(plane[:-step], plane[step:])
        else:
            plane = extreme(plane[:, :-step], plane[:, step:])
        seen += step
    return plane


def _plainest_row(steps: Bytes2, plane: Bytes2) -> float:
    strokes = _strokes(steps, plane)
    return _row(strokes) if strokes is not None and len(strokes.left) >= 2 else 0.0


@dataclass(frozen=True, slots=True)
class _Runs:
    """Unbroken pieces of rows (N,) in reading order: row, first column and the one past the last."""

    row: Indices
    start: Indices
    end: Indices

    def of(self, chosen: Indices) -> _Runs:
        return _Runs(self.row[chosen], self.start[chosen], self.end[chosen])

    def pixels(self, width: int) -> tuple[Indices, Indices]:
        """Flat indices of all their pixels, and where each run begins among them."""
        length = self.end - self.start
        begins = np.cumsum(length) - length
        offset = np.repeat(self.row * width + self.start - begins, length)
        return offset + np.arange(len(offset)), begins


def _runs_of(mask: npt.NDArray[np.bool_]) -> _Runs:
    stride = mask.shape[1] + 2
    wide = np.zeros((mask.shape[0], stride), dtype=bool)
    wide[:, 1:-1] = mask
    flat = wide.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    row = edges[::2] // stride
    return _Runs(row, edges[::2] - row * stride, edges[1::2] - row * stride)


def _parts(runs: _Runs, width: int) -> Indices:
    """To which connected part (N,) each run belongs: 0, 1... in reading order; corners connect too.

    Runs are far fewer than pixels: this takes two thirds of what labelling a mask takes.
    """
    stride = width + 2
    start, end = runs.row * stride + runs.start, runs.row * stride + runs.end
    first, last = np.searchsorted(end, start + stride), np.searchsorted(start, end + stride, side="right")
    below = np.concatenate([[0], np.cumsum(last - first)])  # of each run, those it touches in the next row
    touching = np.arange(below[-1]) + np.repeat(first - below[:-1], last - first)
    links = scipy.sparse.csr_array((np.ones(len(touching)), touching, below), shape=(len(start), len(start)))
    return np.asarray(scipy.sparse.csgraph.connected_components(links, directed=False)[1], dtype=np.intp)


def _strokes(steps: Bytes2, plane: Bytes2) -> Strokes | None:
    """Connected strokes of a letter's size and shape, those that stand out most first."""
    width = steps.shape[1]
    runs = _runs_of(steps >= LEAST_STEP)
    if not len(runs.row):
        return None
    part = _parts(runs, width)
    areas = np.bincount(part, weights=runs.end - runs.start)
    fitting = (areas >= FEWEST_PIXELS) & (areas <= LARGEST_STROKE * steps.size)
    inside = np.flatnonzero(fitting[part])
    if not len(inside):
        return None
    inside = inside[np.argsort(part[inside], kind="stable")]
    runs, part = runs.of(inside), part[inside]
    at, begins = runs.pixels(width)
    heads = np.concatenate([[0], np.flatnonzero(part[1:] != part[:-1]) + 1])  # the first run of each stroke
    starts, area = begins[heads], areas[fitting].astype(np.float32)
    step, colour = steps.ravel()[at].astype(np.float32), plane.ravel()[at].astype(np.float32)
    mean = np.asarray(np.add.reduceat(colour, starts) / area, dtype=np.float32)
    found = Strokes(
        left=np.minimum.reduceat(runs.start, heads).astype(np.float32),
        top=runs.row[heads].astype(np.float32),
        right=np.maximum.reduceat(runs.end, heads).astype(np.float32),
        bottom=np.maximum.reduceat(runs.row, heads).astype(np.float32) + 1,
        step=np.asarray(np.add.reduceat(step, starts) / area, dtype=np.float32),
        colour=mean,
        spread=np.sqrt(np.maximum(0, np.add.reduceat(colour * colour, starts) / area - mean * mean)),
    )
    like = _letter_like(found, area, min(steps.shape))
    return found.of(like[np.argsort(-found.step[like], kind="stable")[:MOST_LETTERS]])


def _letter_like(found: Strokes, area: FloatArray, side: int) -> Indices:
    height, width = found.bottom - found.top, found.right - found.left
    filled = area / (height * width)
    return np.flatnonzero(
        (height >= HEIGHT[0] * side)
        & (height <= HEIGHT[1] * side)
        & (width >= WIDTH[0] * height)
        & (width <= WIDTH[1] * height)
        & (filled > FILLED[0])
        & (filled < FILLED[1])
    )


def _row(strokes: Strokes) -> float:
    """Of the plainest row: letters, less for an uneven colour or a faint one."""
    count, row = _joined(_neighbours(strokes))
    letters = np.bincount(row, minlength=count)
    best = 0.0
    for number in np.argsort(-letters, kind="stable"):
        if letters[number] < 2 or letters[number] <= best:
            break
        own = strokes.of(np.flatnonzero(row == number))
        height = middle(own.bottom - own.top)
        if own.bottom.max() - own.top.min() > 1.8 * height:
            continue
        step = float(own.step.mean())
        even = max(0.0, 1 - middle(own.spread) / (step + 1))
        alike = max(0.0, 1 - float(own.colour.std()) / (step + 1))
        best = max(best, min(letters[number], LONGEST_ROW) * even * alike * min(1.0, step / PLAIN_STEP))
    return float(best)


def _joined(next_to: npt.NDArray[np.bool_]) -> tuple[int, Indices]:
    """Number of groups, and the group of each, of what is joined through neighbours (N, N)."""
    count = len(next_to)
    least = np.arange(count)
    while True:
        found = np.minimum(least, np.where(next_to, least, count).min(axis=1))
        found = found[found]
        if np.array_equal(found, least):
            break
        least = found
    groups, group = np.unique(least, return_inverse=True)
    return len(groups), group


def _neighbours(strokes: Strokes) -> npt.NDArray[np.bool_]:
    """Which strokes (N, N) are next to each other in one row and look alike."""

    def pairs(values: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        one, other = values[:, None], values[None, :]
        return np.minimum(one, other), np.maximum(one, other), np.abs(one - other)

    low, high, _ = pairs(strokes.bottom - strokes.top)
    foot, head = pairs(strokes.bottom)[2], pairs(strokes.top)[2]
    gap = pairs(strokes.left)[1] - pairs(strokes.right)[0]
    faint, strong, _ = pairs(strokes.step)
    on_line = (foot < 0.14 * high) | ((head < 0.1 * high) & (foot < 0.35 * high))
    alike = (high < 1.65 * low) & (faint > 0.6 * strong)
    alike &= pairs(strokes.colour)[2] < 18 + 0.15 * faint
    return np.asarray(on_line & alike & (gap > -0.25 * low) & (gap < 0.6 * high))
