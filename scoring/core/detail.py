"""What native pixels tell: sharpness, noise, compression. All from one crop of luma on the JPEG grid."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy  # its parts load where first used: the web starts without

from scoring.core.steps import across, down, laplacian, mean, mean_square
from scoring.core.types import FloatArray

Indices = npt.NDArray[np.intp]
Floats = npt.NDArray[np.floating[Any]]

SPECTRUM_SIDE = 256
SECTORS = 12
BEFORE = np.arange(SECTORS) - 1  # the sector beside each
# Cycles per pixel: what upscaling and blur take first, what is left then, and what every photo has.
BANDS = ((0.27, 0.47), (0.12, 0.25), (0.04, 0.1))
BLOCK = 8
NOISE_SEEN = 0.85  # of white noise, where there happens to be least of it
GRID_CLIP = 12.0  # levels: a step at the grid is small, an edge of the thing itself is not
EPSILON = 1e-6


def detail_of(crop: FloatArray) -> dict[str, float]:
    """Measures of native luma (h, w), float32 0-255, whose corner lies on the 8-pixel grid of JPEG.

    Every pass over the crop costs as much as any other, and half its rows tell enough of it; of steps down,
    half its columns.
    """
    if min(crop.shape) < 2 * BLOCK:
        wanted = [(0, max(0, 2 * BLOCK - side)) for side in crop.shape]
        crop = np.pad(crop, wanted, mode="edge")
    rows, columns = np.ascontiguousarray(crop[1:-1:2]), np.ascontiguousarray(crop[:, ::2])
    right, below = across(rows), crop[2::2] - rows
    rise = laplacian(right, rows - crop[:-2:2], below)
    sharpness = float(np.log10(mean_square(rise) - mean(rise) ** 2 + 0.1))
    rise = np.abs(rise, out=rise)
    slope = np.square(right)
    slope += np.square(below, out=below)
    right, below = np.abs(right, out=right), np.abs(down(columns))
    return {
        "sharpness": sharpness,
        "edge_sharpness": _edge_sharpness(rise, slope),
        "reblur_ratio": 1 - max(_kept(across(rows, 3), right), _kept(down(columns, 3), below)),
        "noise_sigma": _noise_sigma(rise, slope),
        "blockiness": _blockiness(right, below),
        **_spectrum(crop),
    }


def _edge_sharpness(rise: FloatArray, slope: FloatArray) -> float:
    """Laplacian against gradient (given squared) on the strongest edges; a blurred edge has little of the
    first."""
    strong = np.flatnonzero(slope >= max(_quantile(slope[::2, ::2], 0.97), 1.0))
    if not len(strong):
        return 0.0
    return mean(rise.ravel()[strong]) / (mean(np.sqrt(slope.ravel()[strong])) + 1.0)


def _kept(apart: FloatArray, steps: FloatArray) -> float:
    """Share 0-1 of steps that a slight blur leaves (Crete et al., The blur effect, 2007).

    The blur is a mean over three pixels: its steps are a third of what lies three pixels ``apart``.
    """
    return mean(np.abs(apart, out=apart)) / 3 / (mean(steps) + EPSILON)


def _noise_sigma(rise: FloatArray, slope: FloatArray) -> float:
    """Noise in grey levels: spread of the Laplacian in the flattest quarter of 8-pixel blocks.

    The four-neighbour Laplacian of white noise has a standard deviation of sqrt(20) times the noise.
    """
    depth = BLOCK // 2  # every second row is given
    rows, columns = slope.shape[0] // depth, slope.shape[1] // BLOCK
    part = (slice(rows * depth), slice(columns * BLOCK))
    in_rows = _ones(depth) @ slope[part].reshape(rows, depth, -1)
    flatness = in_rows.reshape(rows, columns, BLOCK) @ _ones(BLOCK)
    flat = flatness <= _quantile(flatness, 0.25)
    blocks = rise[part].reshape(rows, depth, columns, BLOCK).transpose(0, 2, 1, 3)[flat]
    return 1.4826 * _quantile(blocks, 0.5) / float(np.sqrt(20)) / NOISE_SEEN


def _blockiness(right: FloatArray, below: FloatArray) -> float:
    """Steps across the lines of a grid of eight that their neighbours lack, against elsewhere; 1: no grid.

    The grid is looked for wherever it lies, since pictures are cut after they were compressed.
    """
    columns, rows = _lone(right, 1), _lone(below, below.shape[1])
    columns, rows = columns.T @ _ones(len(columns)), rows @ _ones(rows.shape[1])
    return (_grid(columns[1:-2] / len(right)) + _grid(rows[1:-1] / below.shape[1])) / 2


def _lone(steps: FloatArray, apart: int) -> FloatArray:
    """By how much a step is over the middle of the two beside it, which lie so far apart in memory."""
    lone, flat = np.empty_like(steps), steps.ravel()
    lone.ravel()[:apart] = lone.ravel()[-apart:] = 0
    inner = lone.ravel()[apart:-apart]
    np.add(flat[: -2 * apart], flat[2 * apart :], out=inner)
    inner *= -0.5
    inner += flat[apart:-apart]
    np.clip(inner, 0, GRID_CLIP, out=inner)
    return lone


def _grid(line: Floats) -> float:
    phases = np.sort(line[: len(line) // BLOCK * BLOCK].reshape(-1, BLOCK).mean(axis=0))
    usual = (phases[BLOCK // 2 - 1] + phases[BLOCK // 2]) / 2
    return float((phases[-1] + 0.05) / (usual + 0.05))


def _spectrum(crop: FloatArray) -> dict[str, float]:
    """Power by band and direction (float32 FFT of at most 256 pixels a side)."""
    side = min(SPECTRUM_SIDE, *crop.shape)
    top, left = ((extent - side) // 2 for extent in crop.shape)
    part = crop[top : top + side, left : left + side]
    part = part - mean(part)
    window, order, starts, counts = _plan(side)
    part *= window
    waves = scipy.fft.rfft2(part).ravel()[order]
    table = np.zeros(len(BANDS) * SECTORS)
    table[counts > 0] = np.add.reduceat((waves * waves.conj()).real, starts)
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


@lru_cache(maxsize=16)
def _plan(side: int) -> tuple[FloatArray, Indices, Indices, Indices]:
    """Window (side, side); the numbers of the half spectrum that lie in a band, sorted by band and direction;
    where each band and direction begins that has any; how many each has."""
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
    return hann[:, None] * hann[None, :], order, (np.cumsum(counts) - counts)[counts > 0], counts


def _quantile(values: Floats, share: float) -> float:
    """The value below which this share lies, nearest rank; to sort them all is quickest."""
    return float(np.sort(values, axis=None)[min(values.size - 1, int(share * values.size))])


def _ones(count: int) -> FloatArray:
    return np.ones(count, dtype=np.float32)
