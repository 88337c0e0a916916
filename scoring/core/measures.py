"""The plain numbers behind a verdict, measured on the product where they concern the product.

Sharpness, noise and compression are measured on native pixels, light and colour on a small copy. Every
measure is finite for every picture, down to a single pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from scoring.core.foreground import Foreground, estimate_foreground, shrink
from scoring.core.types import ByteArray, FloatArray

CROP_SIDE = 384
SMALL_SIDE = 256
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601
EPSILON = 1e-6

MEASURE_UNITS: dict[str, str] = {
    "sharpness": "",  # log10 of Laplacian variance on the product
    "edge_sharpness": "",  # Laplacian against gradient on the strongest edges
    "reblur_ratio": "",  # share of detail a slight blur removes
    "fine_detail_ratio": "",  # energy of the finest octave against the next
    "blur_direction_ratio": "",  # strongest against weakest direction of detail
    "noise_sigma": "levels",
    "blockiness": "",  # step at the 8-pixel grid against elsewhere
    "jpeg_quality": "of 100",
    "clipped_high_share": "",
    "clipped_low_share": "",
    "product_luma_p1": "levels",
    "product_luma_p50": "levels",
    "product_luma_p99": "levels",
    "contrast": "levels",
    "cast_chroma": "levels",
    "cast_warmth": "levels",
    "cast_green": "levels",
    "background_luma": "levels",
    "background_std": "levels",
    "background_white_share": "",
    "background_edge_share": "",
    "background_is_plain": "",
    "fill_share": "",
    "box_share": "",
    "centre_offset": "",
    "least_margin": "",
    "touching_sides": "sides",
    "border_step": "levels",
    "seam_share": "",
    "text_share": "",
    "saturation": "",
    "colourfulness": "",
    "shortest_side": "pixels",
    "megapixels": "MP",
    "aspect": "",
    "foreground_confidence": "",
}
MEASURE_NAMES = tuple(MEASURE_UNITS)


@dataclass(frozen=True, slots=True)
class Measured:
    """Measures by name in the order of MEASURE_NAMES, and the foreground they were taken on."""

    values: dict[str, float]
    foreground: Foreground


def measure_picture(rgb: ByteArray, *, jpeg_quality: float | None = None) -> Measured:
    """All measures of uint8 (H, W, 3). ``jpeg_quality`` None (no JPEG) counts as 100."""
    foreground = estimate_foreground(rgb)
    small = shrink(rgb, SMALL_SIDE)
    luma = small @ LUMA
    product = _mask_at(foreground.mask, luma.shape)
    if not product.any():
        product = np.ones(luma.shape, dtype=bool)
    values = {
        **_detail(_product_crop(rgb, foreground)),
        "jpeg_quality": 100.0 if jpeg_quality is None else float(jpeg_quality),
        **_light(luma, product),
        **_colour(small, product),
        **_background(luma, small, product, foreground),
        **_framing(foreground),
        **_overlays(luma, product),
        "shortest_side": float(min(rgb.shape[:2])),
        "megapixels": rgb.shape[0] * rgb.shape[1] / 1e6,
        "aspect": max(rgb.shape[:2]) / min(rgb.shape[:2]),
        "foreground_confidence": foreground.confidence,
    }
    return Measured({name: float(np.nan_to_num(values[name])) for name in MEASURE_NAMES}, foreground)


def _product_crop(rgb: ByteArray, foreground: Foreground) -> FloatArray:
    """Native luma (<= 384 a side) at the middle of the product, on the 8-pixel grid of JPEG."""
    height, width = rgb.shape[:2]
    box = foreground.box
    top = _grid_start((box.top + box.bottom) / 2 * height, height)
    left = _grid_start((box.left + box.right) / 2 * width, width)
    return np.asarray(rgb[top : top + CROP_SIDE, left : left + CROP_SIDE] @ LUMA, dtype=np.float32)


def _grid_start(centre: float, extent: int) -> int:
    start = min(max(0, int(centre - CROP_SIDE / 2)), max(0, extent - CROP_SIDE))
    return start // 8 * 8


def _detail(crop: FloatArray) -> dict[str, float]:
    """Sharpness, noise and compression of native luma (h, w)."""
    crop = np.pad(crop, ((0, max(0, 16 - crop.shape[0])), (0, max(0, 16 - crop.shape[1]))), mode="edge")
    dx, dy = np.diff(crop, axis=1)[:-1], np.diff(crop, axis=0)[:, :-1]
    laplacian = 4 * crop[1:-1, 1:-1] - crop[:-2, 1:-1] - crop[2:, 1:-1] - crop[1:-1, :-2] - crop[1:-1, 2:]
    gradient = np.hypot(dx, dy)[: laplacian.shape[0], : laplacian.shape[1]]
    variance = float(laplacian.var())
    strong = gradient >= max(np.quantile(gradient, 0.97), 1.0)
    edge = float(np.abs(laplacian)[strong].mean() / (gradient[strong].mean() + 1.0)) if strong.any() else 0.0
    soft = ndimage.uniform_filter(crop, 3)
    soft_dx = np.abs(np.diff(soft, axis=1)).mean()
    fine, coarse = crop - soft, soft - ndimage.uniform_filter(soft, 5)
    return {
        "sharpness": float(np.log10(variance + 0.1)),
        "edge_sharpness": edge,
        "reblur_ratio": float(1 - soft_dx / (np.abs(dx).mean() + EPSILON)),
        "fine_detail_ratio": float(np.log10((fine.var() + 0.05) / (coarse.var() + 0.05))),
        "blur_direction_ratio": _direction_ratio(crop),
        "noise_sigma": _noise_sigma(laplacian, gradient),
        "blockiness": _blockiness(crop),
    }


def _direction_ratio(crop: FloatArray) -> float:
    """Least against most mean step among four directions; motion blur empties one of them. 0-1."""
    steps = (
        np.abs(crop[:, 2:] - crop[:, :-2]).mean(),
        np.abs(crop[2:, :] - crop[:-2, :]).mean(),
        np.abs(crop[2:, 2:] - crop[:-2, :-2]).mean() / 1.19,  # a diagonal step is longer
        np.abs(crop[2:, :-2] - crop[:-2, 2:]).mean() / 1.19,
    )
    return float(min(steps) / (max(steps) + EPSILON))


def _noise_sigma(laplacian: FloatArray, gradient: FloatArray) -> float:
    """Noise in grey levels: spread of the Laplacian where the picture is flattest.

    The four-neighbour Laplacian of white noise has a standard deviation of sqrt(20) times the noise.
    """
    smooth = ndimage.uniform_filter(gradient, 9)
    flat = laplacian[smooth <= np.quantile(smooth, 0.25)]
    return float(1.4826 * np.median(np.abs(flat)) / np.sqrt(20)) if flat.size else 0.0


def _blockiness(crop: FloatArray) -> float:
    """Mean step across the 8-pixel grid against the mean step elsewhere; 1 means no grid."""
    ratios = []
    for steps in (np.abs(np.diff(crop, axis=1)).mean(axis=0), np.abs(np.diff(crop, axis=0)).mean(axis=1)):
        on_grid = np.zeros(len(steps), dtype=bool)
        on_grid[7::8] = True
        ratios.append((steps[on_grid].mean() + 0.1) / (steps[~on_grid].mean() + 0.1))
    return float(max(ratios))


def _light(luma: FloatArray, product: npt.NDArray[np.bool_]) -> dict[str, float]:
    inside = luma[product]
    p1, p2, p50, p98, p99 = np.percentile(inside, [1, 2, 50, 98, 99])
    return {
        "clipped_high_share": float((inside >= 252).mean()),
        "clipped_low_share": float((inside <= 4).mean()),
        "product_luma_p1": float(p1),
        "product_luma_p50": float(p50),
        "product_luma_p99": float(p99),
        "contrast": float(p98 - p2) if product.mean() > 0.02 else float(np.ptp(luma)),
    }


def _colour(small: FloatArray, product: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Cast from the brightest, least coloured surroundings; without any, from the whole picture."""
    top, bottom = small.max(axis=2), small.min(axis=2)
    saturation = (top - bottom) / (top + 1.0)
    outside = ~product & (top > 90) & (saturation < 0.45)
    neutral = small[outside] if outside.mean() > 0.05 else small.reshape(-1, 3)
    red, green, blue = np.median(neutral, axis=0)
    warmth, magenta = float(red - blue), float(green - (red + blue) / 2)
    yellow_blue = (small[..., 0] + small[..., 1]) / 2 - small[..., 2]
    red_green = small[..., 0] - small[..., 1]
    spread = np.hypot(red_green.std(), yellow_blue.std())
    return {
        "cast_chroma": float(np.hypot(warmth / 2, magenta)),
        "cast_warmth": warmth,
        "cast_green": magenta,
        "saturation": float(saturation.mean()),
        # Hasler and Suesstrunk, Measuring colourfulness in natural images, 2003.
        "colourfulness": float(spread + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean())),
    }


def _background(
    luma: FloatArray, small: FloatArray, product: npt.NDArray[np.bool_], foreground: Foreground
) -> dict[str, float]:
    outside = ~ndimage.binary_dilation(product, iterations=3)
    if outside.mean() < 0.02:
        outside = np.ones_like(product)
    steps = np.abs(np.gradient(luma)[0]) + np.abs(np.gradient(luma)[1]) if min(luma.shape) > 1 else luma * 0
    return {
        "background_luma": float(luma[outside].mean()),
        "background_std": float(luma[outside].std()),
        "background_white_share": float((small.min(axis=2) >= 240)[outside].mean()),
        "background_edge_share": float((steps > 12)[outside].mean()),
        "background_is_plain": float(foreground.plain_background),
    }


def _framing(foreground: Foreground) -> dict[str, float]:
    box, mask = foreground.box, foreground.mask
    margins = (box.left, box.top, 1 - box.right, 1 - box.bottom)
    sides = (mask[:, 0], mask[0], mask[:, -1], mask[-1])
    return {
        "fill_share": float(mask.mean()),
        "box_share": (box.right - box.left) * (box.bottom - box.top),
        "centre_offset": float(np.hypot((box.left + box.right) / 2 - 0.5, (box.top + box.bottom) / 2 - 0.5)),
        "least_margin": float(min(margins)),
        "touching_sides": float(sum(side.mean() > 0.06 for side in sides)),
    }


def _overlays(luma: FloatArray, product: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Frames, seams of collages, and rows of strokes as letters make."""
    return {
        "border_step": max(_frame_step(turned) for turned in (luma, luma[::-1], luma.T, luma.T[::-1])),
        "seam_share": max(_seam(luma), _seam(luma.T)),
        "text_share": _stroke_share(luma),
    }


def _frame_step(luma: FloatArray) -> float:
    """Step, in grey levels, between flat outer rows and the next row, along nearly the whole width."""
    depth = max(2, int(luma.shape[0] * 0.12))
    best = 0.0
    for row in range(1, min(depth, luma.shape[0] - 1)):
        if luma[:row].std() > 4.0:
            break
        step = np.abs(luma[row] - luma[row - 1])
        best = max(best, float(np.quantile(step, 0.15)))
    return best


def _seam(luma: FloatArray) -> float:
    """Largest share of a straight line across the inner picture where brightness steps by over 12 levels."""
    if luma.shape[1] < 16:
        return 0.0
    steps = np.abs(np.diff(luma, axis=1)) > 12
    inner = steps[:, int(0.2 * steps.shape[1]) : int(0.8 * steps.shape[1])]
    return float(inner.mean(axis=0).max())


def _stroke_share(luma: FloatArray) -> float:
    """Share of the picture covered by cells full of alternating strong strokes."""
    if min(luma.shape) < 24:
        return 0.0
    dx = np.diff(luma, axis=1)
    turns = (dx[:, 1:] * dx[:, :-1] < -64).astype(np.float32)
    cells = ndimage.uniform_filter(turns, (5, 21))
    return float((cells > 0.22).mean())


def _mask_at(mask: npt.NDArray[np.bool_], shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    rows = np.arange(shape[0]) * mask.shape[0] // shape[0]
    columns = np.arange(shape[1]) * mask.shape[1] // shape[1]
    return np.asarray(mask[rows][:, columns])
