"""Strokes that may be letters, found in all inks at once.

Strokes are what a narrow opening takes away of a plane in which they are bright. The planes of all inks lie
one below the other in one tall sheet with margins of nothing, and are gone through together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import scipy  # its parts load where first used: the web starts without

from scoring.core.types import ByteArray, FloatArray

Indices = npt.NDArray[np.intp]

WIDEST_STROKE = 5  # pixels of a copy with no side over 256
MARGIN = WIDEST_STROKE - 1
LEAST_STEP = 14  # levels by which a stroke differs from what is around it
FEWEST_PIXELS = 6
HEIGHT = (0.016, 0.15)  # of a letter, in parts of the shorter side
WIDTH = (0.08, 2.0)  # of a letter, in parts of its height
FILLED = (0.15, 0.97)  # of a letter's box
MOST_LETTERS = 140  # of one ink
LARGEST_STROKE = 0.02  # of the picture


@dataclass(frozen=True, slots=True)
class Strokes:
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
        return Strokes(*(getattr(self, field.name)[chosen] for field in fields(self)))


@dataclass(frozen=True, slots=True)
class _Runs:
    """Unbroken pieces (N,) of a sheet's rows: the first pixel and the one past the last, and the row."""

    start: Indices
    end: Indices
    row: Indices

    def of(self, chosen: Indices) -> _Runs:
        return _Runs(self.start[chosen], self.end[chosen], self.row[chosen])

    def pixels(self) -> Indices:
        """All their pixels, run by run."""
        length = self.end - self.start
        return np.arange(length.sum()) + np.repeat(self.end - np.cumsum(length), length)


def strokes_of(planes: Sequence[ByteArray]) -> Strokes | None:
    """Connected strokes of a letter's size and shape that are brighter than what is around them; of each
    plane (h, w) those that stand out most. None where there is none."""
    bright = _with_margins(planes)
    steps = _stand_out(bright)
    rows, stride = steps.shape[1:]
    runs = _runs_of(steps.reshape(-1, stride))
    part = _parts(runs, stride)
    sizes, pixels = np.bincount(part), np.bincount(part, weights=runs.end - runs.start)
    fitting = (pixels >= FEWEST_PIXELS) & (pixels <= LARGEST_STROKE * planes[0].size)
    inside = np.flatnonzero(fitting[part])
    if not len(inside):
        return None
    # Fewer than 2**16 parts have room in three planes of 256 pixels a side; short numbers are sorted quickly.
    inside = inside[np.argsort(part[inside].astype(np.uint16), kind="stable")]
    runs, sizes, area = runs.of(inside), sizes[fitting], pixels[fitting].astype(np.float32)
    boxes = _boxes(runs, np.cumsum(sizes) - sizes, stride)
    like = _letter_like(boxes, area, min(planes[0].shape))
    if not like.any():
        return None
    at = runs.of(np.flatnonzero(np.repeat(like, sizes))).pixels()
    boxes, area = boxes[:, like], area[like]
    step, colour, spread = _inside(area, steps.ravel()[at], bright.ravel()[at])
    left, top, right, bottom = boxes
    found = Strokes((top / rows).astype(np.intp), left, top, right, bottom, step, colour, spread)
    return _strongest(found)


def _boxes(runs: _Runs, heads: Indices, stride: int) -> FloatArray:
    """Left, top, right and bottom (4, P) of parts whose runs follow one another in reading order."""
    left = runs.start - runs.row * stride
    box = (
        np.minimum.reduceat(left, heads),
        runs.row[heads],
        np.maximum.reduceat(left + runs.end - runs.start, heads),
        runs.row[np.append(heads[1:], len(left)) - 1] + 1,
    )
    return np.array(box, dtype=np.float32)


def _letter_like(boxes: FloatArray, area: FloatArray, side: int) -> npt.NDArray[np.bool_]:
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


def _inside(
    area: FloatArray, steps: ByteArray, bright: ByteArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean step, mean brightness and its spread (P,) of strokes whose pixels follow one another."""
    starts = (np.cumsum(area) - area).astype(np.intp)
    levels = bright.astype(np.float32)
    step, mean, square = (
        np.asarray(np.add.reduceat(values, starts) / area, dtype=np.float32)
        for values in (steps.astype(np.float32), levels, levels * levels)
    )
    return step, mean, np.sqrt(np.maximum(0, square - mean * mean))


def _strongest(found: Strokes) -> Strokes:
    """Of each plane the MOST_LETTERS that stand out most."""
    if np.bincount(found.plane).max() <= MOST_LETTERS:
        return found
    order = np.lexsort((-found.step, found.plane))
    plane = found.plane[order]
    return found.of(order[np.arange(len(order)) - np.searchsorted(plane, plane) < MOST_LETTERS])


def _runs_of(steps: ByteArray) -> _Runs:
    """Runs of at least LEAST_STEP in a sheet (h, w) whose margins have none, in reading order."""
    mask = steps.ravel() >= LEAST_STEP
    edges = np.flatnonzero(mask[1:] != mask[:-1]) + 1
    return _Runs(edges[::2], edges[1::2], edges[::2] // steps.shape[1])


def _parts(runs: _Runs, stride: int) -> Indices:
    """To which connected part (N,) each run belongs: 0, 1... in reading order; corners connect too.

    Runs are far fewer than pixels: this takes two thirds of what labelling a mask takes.
    """
    first = np.searchsorted(runs.end, runs.start + stride)
    last = np.searchsorted(runs.start, runs.end + stride, side="right")
    below = np.concatenate([[0], np.cumsum(last - first)])  # of each run, those it touches in the next row
    touching = np.arange(below[-1]) + np.repeat(first - below[:-1], last - first)
    count = len(runs.start)
    links = scipy.sparse.csr_array((np.ones(len(touching)), touching, below), shape=(count, count))
    return np.asarray(scipy.sparse.csgraph.connected_components(links, directed=False)[1], dtype=np.intp)


def _stand_out(bright: ByteArray) -> ByteArray:
    """By how much each pixel (n, H, W) stands out of what is left without strokes narrower than
    WIDEST_STROKE; nothing in the margins.

    Running extremes are taken past the ends of rows, which is quickest; the margins take what comes in.
    """
    flat, stride = bright.ravel(), bright.shape[2]
    opened = flat
    for extreme in (np.minimum, np.maximum):
        for apart in (1, stride):
            opened = _extreme(opened, apart, extreme)
    steps, lost = np.zeros_like(bright), MARGIN * (stride + 1)
    np.subtract(flat[lost:-lost], opened, out=steps.ravel()[lost:-lost])
    for margin in (slice(MARGIN), slice(-MARGIN, None)):
        steps[:, margin] = steps[:, :, margin] = 0
    return steps


def _with_margins(planes: Sequence[ByteArray]) -> ByteArray:
    """Planes (n, h + 2 * MARGIN, w + 2 * MARGIN) with their outer pixels repeated on all sides."""
    height, width = planes[0].shape
    wide = np.empty((len(planes), height + 2 * MARGIN, width + 2 * MARGIN), dtype=np.uint8)
    for sheet, plane in zip(wide, planes, strict=True):
        sheet[MARGIN:-MARGIN, MARGIN:-MARGIN] = plane
    wide[:, :MARGIN] = wide[:, MARGIN, None]
    wide[:, -MARGIN:] = wide[:, -MARGIN - 1, None]
    wide[:, :, :MARGIN] = wide[:, :, MARGIN, None]
    wide[:, :, -MARGIN:] = wide[:, :, -MARGIN - 1, None]
    return wide


def _extreme(flat: ByteArray, apart: int, extreme: np.ufunc) -> ByteArray:
    """Running extreme over WIDEST_STROKE pixels that lie so far apart, by doubling."""
    seen = 1
    while seen < WIDEST_STROKE:
        more = min(seen, WIDEST_STROKE - seen)
        flat = extreme(flat[: -more * apart], flat[more * apart :])
        seen += more
    return flat
