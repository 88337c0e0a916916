"""What native pixels tell: sharpness, noise, compression. All from one crop of luma on the JPEG grid."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy  # its parts load where first used: the web starts without

from scoring.core.types import FloatArray

SPECTRUM_SIDE = 256
SECTORS = 12
# Cycles per pixel: what upscaling and blur take first, what is left then, and what every photo has.
BANDS = ((0.27, 0.47), (0.12, 0.25), (0.04, 0.1))
BLOCK = 8
GRID_CLIP = 12.0  # levels: a step at the grid is small, an edge of the thing itself is not
EPSILON = 1e-6


def detail_of(crop: FloatArray) -> dict[str, float]:
    """Measures of native luma (h, w), float32 0-255, whose corner lies on the 8-pixel grid of JPEG.

    Every pass over the crop costs as much as any other: steps are taken once and changed where they lie.
    """
    if min(crop.shape) < 2 * BLOCK:
        wanted = [(0, max(0, 2 * BLOCK - side)) for side in crop.shape]
        crop = np.pad(crop, wanted, mode="edge")
    across, down = crop[:, 1:] - crop[:, :-1], crop[1:] - crop[:-1]
    laplacian = across[1:-1, :-1] - across[1:-1, 1:]
    laplacian += down[:-1, 1:-1]
    laplacian -= down[1:, 1:-1]
    sharpness = float(np.log10(_mean_square(laplacian) - _mean(laplacian) ** 2 + 0.1))
    size = np.square(across[1:-1, 1:])
    size += np.square(down[1:, 1:-1])
    rise, size = np.abs(laplacian, out=laplacian), np.sqrt(size, out=size)
    across, down = np.abs(across, out=across), np.abs(down, out=down)
    return {
        "sharpness": sharpness,
        "edge_sharpness": _edge_sharpness(rise, size),
        "reblur_ratio": _reblur_ratio(crop, across, down),
        "noise_sigma": _noise_sigma(rise, size),
        "blockiness": _blockiness(across, down),
        **_spectrum(crop),
    }


def _edge_sharpness(rise: FloatArray, size: FloatArray) -> float:
    """Laplacian against gradient on the strongest edges; a blurred edge has little of the first."""
    strong = np.flatnonzero(size >= max(_quantile(size[::2, ::2], 0.97), 1.0))
    if not len(strong):
        return 0.0
    return float(rise.ravel()[strong].mean() / (size.ravel()[strong].mean() + 1.0))


def _reblur_ratio(crop: FloatArray, across: FloatArray, down: FloatArray) -> float:
    """Share 0-1 of steps that a slight blur removes (Crete et al., The blur effect, 2007).

    The blur is a mean over three pixels: its steps are a third of what lies three pixels apart.
    """
    apart = (crop[:, 3:] - crop[:, :-3], crop[3:] - crop[:-3])
    kept = (
        _mean(np.abs(soft, out=soft)) / 3 / (_mean(own) + EPSILON)
        for soft, own in zip(apart, (across, down), strict=True)
    )
    return 1 - max(kept)


def _noise_sigma(rise: FloatArray, size: FloatArray) -> float:
    """Noise in grey levels: spread of the Laplacian in the flattest quarter of 8-pixel blocks.

    The four-neighbour Laplacian of white noise has a standard deviation of sqrt(20) times the noise.
    """
    rows, columns = (side // BLOCK for side in size.shape)
    shape = (rows, BLOCK, columns, BLOCK)
    flatness = size[: rows * BLOCK, : columns * BLOCK].reshape(shape).sum(axis=1).sum(axis=2)
    flat = flatness <= _quantile(flatness, 0.25)
    blocks = rise[: rows * BLOCK, : columns * BLOCK].reshape(shape).transpose(0, 2, 1, 3)[flat]
    return 1.4826 * _quantile(blocks, 0.5) / float(np.sqrt(20))


def _blockiness(across: FloatArray, down: FloatArray) -> float:
    """Steps across the lines of a grid of eight that their neighbours lack, against elsewhere; 1: no grid.

    The grid is looked for wherever it lies, since pictures are cut after they were compressed.
    """
    columns = _lone(across[:, 1:-1], across[:, :-2], across[:, 2:]).mean(axis=0)
    rows = _lone(down[1:-1], down[:-2], down[2:]).mean(axis=1)
    return (_grid(columns) + _grid(rows)) / 2


def _lone(step: FloatArray, before: FloatArray, after: FloatArray) -> FloatArray:
    lone = before + after
    lone *= -0.5
    lone += step
    return np.clip(lone, 0, GRID_CLIP, out=lone)


def _grid(line: FloatArray) -> float:
    phases = line[: len(line) // BLOCK * BLOCK].reshape(-1, BLOCK).mean(axis=0)
    return float((phases.max() + 0.05) / (np.median(phases) + 0.05))


def _spectrum(crop: FloatArray) -> dict[str, float]:
    """Power by band and direction (float32 FFT of at most 256 pixels a side)."""
    side = min(SPECTRUM_SIDE, *crop.shape)
    top, left = ((extent - side) // 2 for extent in crop.shape)
    part = crop[top : top + side, left : left + side]
    window, place, counts = _plan(side)
    waves = scipy.fft.rfft2((part - _mean(part)) * window)
    power = np.square(waves.real) + np.square(waves.imag)
    sums = np.bincount(place, weights=power.ravel(), minlength=len(counts))[:-1]
    table = (sums / counts[:-1]).reshape(len(BANDS), SECTORS) / (side * side)
    fine, middle, coarse = table.mean(axis=1)
    by_direction = np.log10(table[1] + 0.02) - np.log10(table[2] + 0.02)
    by_direction = (by_direction + np.roll(by_direction, 1)) / 2
    return {
        "fine_detail_ratio": float(np.log10((fine + 0.02) / (middle + 0.02))),
        "middle_detail_ratio": float(np.log10((middle + 0.02) / (coarse + 0.02))),
        "blur_direction_ratio": float(10 ** ((by_direction.min() - np.median(by_direction)) / 2)),
    }


@lru_cache(maxsize=16)
def _plan(side: int) -> tuple[FloatArray, npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """Window (side, side), and for every number of the half spectrum which band and direction it is of."""
    hann = np.hanning(side).astype(np.float32)
    fy, fx = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :]
    radius, angle = np.hypot(fx, fy), np.arctan2(fy, fx)
    sector = np.minimum(((angle / np.pi + 0.5) * SECTORS).astype(np.intp), SECTORS - 1)
    place = np.full(radius.shape, len(BANDS) * SECTORS, dtype=np.intp)
    for band, (low, high) in enumerate(BANDS):
        inside = (radius >= low) & (radius < high)
        place[inside] = band * SECTORS + sector[inside]
    counts = np.bincount(place.ravel(), minlength=len(BANDS) * SECTORS + 1)
    return hann[:, None] * hann[None, :], place.ravel(), np.maximum(counts, 1).astype(np.float64)


def _quantile(values: FloatArray, share: float) -> float:
    """The value below which this share lies; nearest rank, one partition."""
    flat = values.ravel()
    rank = min(len(flat) - 1, int(share * len(flat)))
    return float(np.partition(flat, rank)[rank])


def _mean(values: FloatArray) -> float:
    return float(values.sum()) / values.size


def _mean_square(values: FloatArray) -> float:
    flat = values.ravel()
    return float(flat @ flat) / values.size
