"""The plain numbers behind a verdict, measured on the product where they concern the product.

Sharpness, noise and compression are measured on native pixels, light and colour on a small copy. Every
measure is finite for every picture, down to a single pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from scoring.core.decode import Picture
from scoring.core.detail import detail_of
from scoring.core.foreground import Foreground, estimate_foreground, grown, shrinking
from scoring.core.illuminant import TINT_NAMES, balance, tint_of
from scoring.core.lettering import LETTER_NAMES, letters_of
from scoring.core.seams import laid_over_by
from scoring.core.shares import middle, share
from scoring.core.steps import Level, across, down, mean, mean_square
from scoring.core.types import ByteArray, FloatArray

CROP_SIDE = 384
SMALL_SIDE = 256
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601
OPPOSITES = (("warm", "cold"), ("green", "magenta"))
RIM_SHARE, MOST_STEP = 0.05, 40.0  # depth of the outer strips; levels
FEW = 4000  # pixels from which every second row tells how bright they are
OTHERS = [[other for other in range(4) if other != strip] for strip in range(4)]

MEASURE_UNITS: dict[str, str] = {
    "sharpness": "",  # log10 of Laplacian variance on the product
    "edge_sharpness": "",  # Laplacian against gradient on the strongest edges
    "reblur_ratio": "",  # share of detail a slight blur removes
    "fine_detail_ratio": "",  # log10 of the finest octave's energy against the next
    "middle_detail_ratio": "",  # log10 of that against coarse structure
    "blur_direction_ratio": "",  # weakest direction of detail against the usual one
    "noise_sigma": "levels",
    "blockiness": "",  # step at the 8-pixel grid against elsewhere
    "jpeg_quality": "of 100",
    "clipped_high_share": "",
    "clipped_low_share": "",
    "clipped_colour_share": "",  # of the picture where one channel is full and another is not
    "product_luma_p1": "levels",
    "product_luma_p50": "levels",
    "product_luma_p99": "levels",
    "contrast": "levels",
    "cast_chroma": "levels",
    "cast_warmth": "levels",
    "cast_green": "levels",
    "highlight_cast": "",  # log2 by which channels differ where it is brightest and least coloured
    "highlight_green": "",  # of that, green against both others, which daylight hardly varies
    "edge_cast": "",  # the same of edges, which are as colourless as the light on the whole
    "edge_green": "",
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
    "longest_touch": "",  # share of a side that the product covers
    "border_step": "levels",
    "seam_share": "",
    "text_share": "",
    "letters_in_row": "",
    "saturation": "",
    "colourfulness": "",
    "shortest_side": "pixels",
    "megapixels": "MP",
    "aspect": "",
    "foreground_confidence": "",
}
RIM_NAMES = ("rim_colour", "rim_spread", "rim_spread_ratio", "rim_edge_ratio")
# Heads read more than people are shown: six guesses at the light, letters by their ink, what the rim shows.
MEASURE_NAMES = (*MEASURE_UNITS, *TINT_NAMES, *LETTER_NAMES, *RIM_NAMES)


@dataclass(frozen=True, slots=True)
class Measured:
    """Measures by name in the order of MEASURE_NAMES, and the foreground they were taken on."""

    values: dict[str, float]
    foreground: Foreground


def measure_picture(picture: Picture, foreground: Foreground | None = None) -> Measured:
    """All measures of a picture. Without a ``jpeg_quality`` (no JPEG) it counts as 100; without a
    ``foreground`` one is estimated."""
    width, height = picture.image.size
    small = small_copy(picture)
    foreground = foreground or estimate_foreground(small)
    levels = _planes(small)
    planes = levels.astype(np.float32)
    luma = np.asarray(LUMA @ planes.reshape(3, -1), dtype=np.float32).reshape(planes.shape[1:])
    right, below = across(luma), down(luma)
    laid_over = laid_over_by(luma, right, below)
    steps = _steps(right, below)
    product = _mask_at(foreground.mask, luma.shape)
    values = {
        **detail_of(_product_crop(picture, foreground)),
        "jpeg_quality": 100.0 if picture.jpeg_quality is None else float(picture.jpeg_quality),
        **_light(luma, product if product.any() else ~product),
        **_colour(planes[:, ::2].reshape(3, -1), product[::2].ravel()),
        **_light_colour(levels, planes),
        **_background(luma, steps, levels.min(axis=0), foreground),
        **_framing(foreground),
        **_rim(planes, steps),
        **laid_over,
        **letters_of(levels, luma),
        "shortest_side": float(min(width, height)),
        "megapixels": width * height / 1e6,
        "aspect": max(width, height) / min(width, height),
        "foreground_confidence": foreground.confidence,
    }
    return Measured({name: _finite(values[name]) for name in MEASURE_NAMES}, foreground)


def _finite(value: float) -> float:
    return float(value) if math.isfinite(value) else 0.0


def small_copy(picture: Picture) -> Image.Image:
    """What light, colour and framing are measured on: no side over 256."""
    return picture.reduced(shrinking(picture.image.size, SMALL_SIDE))


def _planes(image: Image.Image) -> ByteArray:
    """Red, green and blue (3, h, w), each in one piece: several times as fast as taking pixels apart."""
    return np.ascontiguousarray(np.asarray(image, dtype=np.uint8).transpose(2, 0, 1))


def _product_crop(picture: Picture, foreground: Foreground) -> FloatArray:
    """Native luma (<= 384 a side) at the middle of the product, on the 8-pixel grid of JPEG."""
    width, height = picture.image.size
    middle = foreground.middle
    left, top = _grid_start(middle[0] * width, width), _grid_start(middle[1] * height, height)
    box = (left, top, min(width, left + CROP_SIDE), min(height, top + CROP_SIDE))
    return np.asarray(picture.image.crop(box).convert("F"), dtype=np.float32)  # BT.601, unrounded


def _grid_start(centre: float, extent: int) -> int:
    start = min(max(0, int(centre - CROP_SIDE / 2)), max(0, extent - CROP_SIDE))
    return start // 8 * 8


def _steps(right: npt.NDArray[Level], below: npt.NDArray[Level]) -> npt.NDArray[Level]:
    """Change to the pixel above and to the left, in levels, from that to the right and below."""
    steps = np.zeros_like(right)
    np.abs(right.ravel()[:-1], out=steps.ravel()[1:])
    steps[1:] += np.abs(below)
    return steps


def _light(luma: FloatArray, product: npt.NDArray[np.bool_]) -> dict[str, float]:
    count = np.count_nonzero(product)
    inside = np.sort(luma[::2][product[::2]] if count > FEW else luma[product])
    ranks = (np.array([0.01, 0.02, 0.5, 0.98, 0.99]) * (len(inside) - 1)).round().astype(np.intp)
    p1, p2, p50, p98, p99 = inside[ranks]
    return {
        "clipped_high_share": np.count_nonzero(product & (luma >= 252)) / count,
        "clipped_low_share": np.count_nonzero(product & (luma <= 4)) / count,
        "product_luma_p1": float(p1),
        "product_luma_p50": float(p50),
        "product_luma_p99": float(p99),
        "contrast": float(p98 - p2) if share(product) > 0.02 else float(np.ptp(luma)),
    }


def _colour(planes: FloatArray, product: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Cast from the brightest, least coloured surroundings; without any, from the whole picture. Of red,
    green and blue (3, n), and which of those n places show the product."""
    red, green, blue = planes
    top, bottom = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    saturation = (top - bottom) / (top + 1.0)
    outside = ~product & (top > 90) & (saturation < 0.45)
    at = np.flatnonzero(outside if share(outside) > 0.05 else top >= 0)
    r, g, b = (middle(plane[at[:: max(1, len(at) // 6000)]]) for plane in planes)
    warmth, magenta = float(r - b), float(g - (r + b) / 2)
    yellow_blue, red_green = (red + green) / 2 - blue, red - green
    means = mean(yellow_blue), mean(red_green)
    spread = np.sqrt(sum(mean_square(each) for each in (yellow_blue, red_green)) - np.square(means).sum())
    return {
        "cast_chroma": float(np.hypot(warmth / 2, magenta)),
        "cast_warmth": warmth,
        "cast_green": magenta,
        "saturation": mean(saturation),
        # Hasler and Suesstrunk, Measuring colourfulness in natural images, 2003.
        "colourfulness": float(spread + 0.3 * np.hypot(*means)),
    }


def _light_colour(levels: ByteArray, planes: FloatArray) -> dict[str, float]:
    """Colour of the light by what should be white and by edges, and where single channels burn out.

    Grey-edge: van de Weijer, Gevers and Gijsenij, Edge-based color constancy, 2007.
    """
    tint = tint_of(levels, planes)
    warmth, green = (tint[f"tint_highlight_{a}"] + tint[f"tint_highlight_{b}"] for a, b in OPPOSITES)
    edge_warmth, edge_green = balance(np.array([_edge_level(plane) for plane in levels.astype(np.int16)]))
    return {
        **tint,
        "highlight_cast": float(np.hypot(warmth / 2, green)),
        "highlight_green": green,
        "edge_cast": float(np.hypot(edge_warmth / 2, edge_green)),
        "edge_green": abs(edge_green),
        "clipped_colour_share": share((levels.max(axis=0) >= 253) & (levels.min(axis=0) < 243)),
    }


def _edge_level(plane: npt.NDArray[np.int16]) -> float:
    """Root of the mean square of a channel's steps in every second row; the mean of a channel too narrow to
    have any."""
    steps = _steps(across(plane), down(plane))[1::2, 1:].astype(np.float32)
    return float(np.sqrt(mean_square(steps)) if steps.size else plane.mean())


def _background(
    luma: FloatArray, steps: FloatArray, darkest: ByteArray, foreground: Foreground
) -> dict[str, float]:
    outside = _mask_at(~grown(foreground.mask, 2), luma.shape)
    if share(outside) < 0.02:
        outside = np.ones_like(outside)
    behind = luma[outside]
    usual = mean(behind)
    behind -= np.float32(usual)
    return {
        "background_luma": usual,
        "background_std": float(np.sqrt(mean_square(behind))),
        "background_white_share": np.count_nonzero(outside & (darkest >= 240)) / behind.size,
        "background_edge_share": np.count_nonzero(outside & (steps > 12)) / behind.size,
        "background_is_plain": float(foreground.plain_background),
    }


def _framing(foreground: Foreground) -> dict[str, float]:
    box, mask = foreground.box, foreground.mask
    margins = (box.left, box.top, 1 - box.right, 1 - box.bottom)
    touches = [share(side) for side in (mask[:, 0], mask[0], mask[:, -1], mask[-1])]
    return {
        "fill_share": share(mask),
        "box_share": (box.right - box.left) * (box.bottom - box.top),
        "centre_offset": float(np.hypot((box.left + box.right) / 2 - 0.5, (box.top + box.bottom) / 2 - 0.5)),
        "least_margin": float(min(margins)),
        "touching_sides": float(sum(touch > 0.06 for touch in touches)),
        "longest_touch": max(touches),
    }


def _rim(planes: FloatArray, steps: FloatArray) -> dict[str, float]:
    """How unlike the others one side's outer strip is: where the frame cuts a thing, it is seen there."""
    depth = [max(1, int(side * RIM_SHARE)) for side in steps.shape]
    whole = slice(None)
    rows = [(slice(None, depth[0]), whole), (slice(-depth[0], None), whole)]
    places = [*rows, (whole, slice(None, depth[1])), (whole, slice(-depth[1], None))]
    strips = [planes[:, y, x].reshape(3, -1) for y, x in places]
    colour = np.array([strip.mean(axis=1) for strip in strips], dtype=np.float64)
    square = np.array([np.einsum("cn,cn->c", strip, strip) / strip.shape[1] for strip in strips])
    spread = np.sort(np.sqrt(np.maximum(square - colour**2, 0)).mean(axis=1))
    edges = np.sort([mean(np.clip(steps[y, x], 0, MOST_STEP)) for y, x in places])
    others = np.sort(colour[OTHERS], axis=1)[:, 1]
    return {
        "rim_colour": float(np.abs(colour - others).mean(axis=1).max()),
        "rim_spread": float(spread[3] - (spread[1] + spread[2]) / 2),
        "rim_spread_ratio": float(np.log((spread[3] + 2) / (spread[1] + 2))),
        "rim_edge_ratio": float(np.log((edges[3] + 1) / (edges[1] + 1))),
    }


def _mask_at(mask: npt.NDArray[np.bool_], shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    rows, columns = (
        np.arange(wanted) * given // wanted for wanted, given in zip(shape, mask.shape, strict=True)
    )
    return np.asarray(mask.take(columns, axis=1).take(rows, axis=0))
