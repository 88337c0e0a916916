"""What native pixels tell: sharpness, noise, compression. All from one crop of luma on the JPEG grid."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy  # its parts load where first used: the web starts without

from scoring.core.compiled import compiled
from scoring.core.types import FloatArray

Indices = npt.NDArray[np.intp]
Floats = npt.NDArray[np.floating[Any]]

SPECTRUM_SIDE = 256
SECTORS = 12
BEFORE = np.arange(SECTORS) - 1  # the sector beside each
# Cycles per pixel: what upscaling and blur take first, what is left then, and what every photo has.
BANDS = ((0.27, 0.47), (0.12, 0.25), (0.04, 0.1))
BLOCK = 8
DEPTH = BLOCK // 2  # rows of a block that are looked at
NOISE_SEEN = 0.85  # of white noise, where there happens to be least of it
GRID_CLIP = 12.0  # levels: a step at the grid is small, an edge of the thing itself is not
EPSILON = 1e-6


def detail_of(crop: FloatArray) -> dict[str, float]:
    """Measures of native luma (h, w), float32 0-255, whose corner lies on the 8-pixel grid of JPEG.

    Half its rows tell enough of what lies along them.
    """
    if min(crop.shape) < 2 * BLOCK:
        wanted = [(0, max(0, 2 * BLOCK - side)) for side in crop.shape]
        crop = np.pad(crop, wanted, mode="edge")
    rise = np.empty(((crop.shape[0] - 1) // 2, crop.shape[1]), dtype=np.float32)
    slope, columns = np.empty_like(rise), np.empty(crop.shape[1], dtype=np.float32)
    rows = np.empty(crop.shape[0] - 1, dtype=np.float32)
    variance, kept_across = _go_across(crop, rise, slope, columns)
    kept_down = _go_down(crop, rows)
    return {
        "sharpness": float(np.log10(variance + 0.1)),
        "edge_sharpness": _on_edges(rise, slope, max(_quantile(slope[::2, ::2], 0.97), 1.0)),
        "reblur_ratio": 1 - max(kept_across, kept_down),
        "noise_sigma": _noise_sigma(rise, slope),
        # Across the lines of a grid of eight, wherever it lies, since pictures are cut after compression.
        "blockiness": (_grid(columns[1:-2]) + _grid(rows[1:-1])) / 2,
        **_spectrum(crop),
    }


@compiled
def _go_across(
    crop: FloatArray, rise: FloatArray, slope: FloatArray, columns: FloatArray
) -> tuple[float, float]:
    """Fill ``rise`` and ``slope`` (n, w): how strong the Laplacian is, and the gradient squared, in every
    second row, pixels going on as they are beyond the left and right edge; and ``columns`` (w,): by how much
    steps across them are over those beside. Variance of the Laplacian, and the share of steps 0-1 that a
    slight blur leaves (Crete et al., The blur effect, 2007): of a mean over three pixels they are a third of
    what lies three pixels apart."""
    width, total, square, near, far = crop.shape[1], 0.0, 0.0, 0.0, 0.0
    half, zero, most = np.float32(0.5), np.float32(0), np.float32(GRID_CLIP)
    columns[:] = 0
    steps = np.zeros(width + 1, dtype=np.float32)  # from the pixel before, nothing at either end
    for n in range(len(rise)):
        above, row, below = crop[2 * n], crop[2 * n + 1], crop[2 * n + 2]
        turns, slopes = rise[n], slope[n]
        row_sum, row_square, row_near, row_far = zero, zero, zero, zero
        for x in range(1, width):
            steps[x] = row[x] - row[x - 1]
        for x in range(width):
            turn = 2 * row[x] - above[x] - below[x] - steps[x + 1] + steps[x]
            down = below[x] - row[x]
            turns[x] = abs(turn)
            slopes[x] = steps[x + 1] * steps[x + 1] + down * down
            row_sum += turn
            row_square += turn * turn
            row_near += abs(steps[x])
        for x in range(width - 3):
            row_far += abs(row[x + 3] - row[x])
        for x in range(1, width - 1):
            lone = abs(steps[x + 1]) - half * (abs(steps[x]) + abs(steps[x + 2]))
            columns[x] += min(max(lone, zero), most)
        total, square = total + float(row_sum), square + float(row_square)
        near, far = near + float(row_near), far + float(row_far)
    columns /= np.float32(len(rise))
    count = rise.size
    return square / count - (total / count) ** 2, far / count / 3 / (near / count + EPSILON)


@compiled
def _go_down(crop: FloatArray, rows: FloatArray) -> float:
    """As ``_go_across``, down all columns: fill ``rows`` (h - 1,), tell what a blur leaves."""
    height, width = crop.shape
    half, zero, most = np.float32(0.5), np.float32(0), np.float32(GRID_CLIP)
    near, far = 0.0, 0.0
    rows[:] = 0
    for y in range(height - 1):
        row, below, sums = crop[y], crop[y + 1], zero
        for x in range(width):
            sums += abs(below[x] - row[x])
        near += float(sums)
    for y in range(1, height - 2):
        above, row, below, last, lones = crop[y - 1], crop[y], crop[y + 1], crop[y + 2], zero
        for x in range(width):
            beside = abs(row[x] - above[x]) + abs(last[x] - below[x])
            lones += min(max(abs(below[x] - row[x]) - half * beside, zero), most)
        rows[y] = lones / np.float32(width)
    for y in range(height - 3):
        row, last, sums = crop[y], crop[y + 3], zero
        for x in range(width):
            sums += abs(last[x] - row[x])
        far += float(sums)
    kept: float = far / (height - 3) / 3 / (near / (height - 1) + EPSILON * width)
    return kept


@compiled
def _on_edges(rise: FloatArray, slope: FloatArray, strong: float) -> float:
    """Laplacian against gradient (given squared) on the strongest edges; a blurred edge has little of the
    first."""
    count, rises, slopes = 0, 0.0, 0.0
    for y in range(len(rise)):
        for x in range(rise.shape[1]):
            if slope[y, x] >= strong:
                count += 1
                rises += rise[y, x]
                slopes += math.sqrt(slope[y, x])
    return rises / (slopes + count) if count else 0.0


def _noise_sigma(rise: FloatArray, slope: FloatArray) -> float:
    """Noise in grey levels: spread of the Laplacian in the flattest quarter of 8-pixel blocks.

    The four-neighbour Laplacian of white noise has a standard deviation of sqrt(20) times the noise.
    """
    flatness = _flatness(slope)
    flat = _of_blocks(rise, flatness, _quantile(flatness, 0.25))
    return 1.4826 * _quantile(flat, 0.5) / float(np.sqrt(20)) / NOISE_SEEN


@compiled
def _flatness(slope: FloatArray) -> FloatArray:
    """Sum over each block (r, c): the flatter, the less."""
    blocks = np.empty((len(slope) // DEPTH, slope.shape[1] // BLOCK), dtype=np.float32)
    for row in range(len(blocks)):
        for column in range(blocks.shape[1]):
            total = np.float32(0)
            for y in range(row * DEPTH, (row + 1) * DEPTH):
                for x in range(column * BLOCK, (column + 1) * BLOCK):
                    total += slope[y, x]
            blocks[row, column] = total
    return blocks


@compiled
def _of_blocks(rise: FloatArray, flatness: FloatArray, most: float) -> FloatArray:
    """All values of blocks that are at most so flat (n,)."""
    told, found = np.empty(flatness.size * DEPTH * BLOCK, dtype=np.float32), 0
    for row in range(len(flatness)):
        for column in range(flatness.shape[1]):
            if flatness[row, column] > most:
                continue
            for y in range(row * DEPTH, (row + 1) * DEPTH):
                for x in range(column * BLOCK, (column + 1) * BLOCK):
                    told[found] = rise[y, x]
                    found += 1
    return told[:found]


def _grid(line: Floats) -> float:
    """The strongest of eight phases of a line against what is usual for it; 1: no grid."""
    phases = np.sort(line[: len(line) // BLOCK * BLOCK].reshape(-1, BLOCK).mean(axis=0))
    usual = (phases[BLOCK // 2 - 1] + phases[BLOCK // 2]) / 2
    return float((phases[-1] + 0.05) / (usual + 0.05))


def _spectrum(crop: FloatArray) -> dict[str, float]:
    """Power by band and direction (float32 FFT of at most 256 pixels a side)."""
    side = min(SPECTRUM_SIDE, *crop.shape)
    top, left = ((extent - side) // 2 for extent in crop.shape)
    window, order, counts = _plan(side)
    part = _windowed(crop, top, left, window)
    table = _powers(scipy.fft.rfft2(part).ravel(), order, counts)
    table = (table / (np.maximum(counts, 1) * side * side)).reshape(len(BANDS), SECTORS)
    fine, middle, coarse = table.mean(axis=1)
    by_direction = np.log10(table[1] + 0.02) - np.log10(table[2] + 0.02)
    by_direction = np.sort(by_direction + by_direction[BEFORE]) / 2
    usual = (by_direction[SECTORS // 2 - 1] + by_direction[SECTORS // 2]) / 2
    return {
        "fine_detail_ratio": float(np.log10((fine + 0.02) / (middle + 0.02))),
        "middle_detail_ratio": float(np.log10((middle + 0.02) / (coarse + 0.02))),
        "blur_direction_ratio": float(10 ** ((by_direction[0] - usual) / 2)),
    }


@compiled
def _windowed(crop: FloatArray, top: int, left: int, window: FloatArray) -> FloatArray:
    """How far each place of a square part is from its mean, by the window (side,) along both sides."""
    side, total = len(window), 0.0
    for y in range(side):
        row, of_row = crop[top + y], np.float32(0)
        for x in range(side):
            of_row += row[left + x]
        total += float(of_row)
    usual, told = np.float32(total / (side * side)), np.empty((side, side), dtype=np.float32)
    for y in range(side):
        row, line, weight = crop[top + y], told[y], window[y]
        for x in range(side):
            line[x] = (row[left + x] - usual) * weight * window[x]
    return told


@lru_cache(maxsize=16)
def _plan(side: int) -> tuple[FloatArray, Indices, Indices]:
    """Window (side,); the numbers of the half spectrum that lie in a band, sorted by band and direction;
    how many each band and direction has."""
    hann = np.hanning(side).astype(np.float32)
    fy, fx = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :]
    radius, angle = np.hypot(fx, fy).ravel(), np.arctan2(fy, fx).ravel()
    sector = np.minimum(((angle / np.pi + 0.5) * SECTORS).astype(np.intp), SECTORS - 1)
    place = np.full(radius.shape, len(BANDS) * SECTORS, dtype=np.intp)
    for band, (low, high) in enumerate(BANDS):
        within = (radius >= low) & (radius < high)
        place[within] = band * SECTORS + sector[within]
    counts = np.bincount(place, minlength=len(BANDS) * SECTORS + 1)[:-1]
    order = np.argsort(place, kind="stable")[: counts.sum()]
    return hann, order, counts


@compiled
def _powers(waves: npt.NDArray[np.complex64], order: Indices, counts: Indices) -> npt.NDArray[np.float64]:
    """Sum of the power of as many waves as each group counts, in that order."""
    sums = np.zeros(len(counts))
    start = 0
    for group in range(len(counts)):
        for n in range(start, start + counts[group]):
            wave = waves[order[n]]
            sums[group] += wave.real * wave.real + wave.imag * wave.imag
        start += counts[group]
    return sums


def _quantile(values: Floats, share: float) -> float:
    """The value below which this share lies, nearest rank."""
    rank = min(values.size - 1, int(share * values.size))
    return float(np.partition(values, rank, axis=None)[rank])
