"""The plain numbers behind a verdict, measured on the product where they concern the product.

Sharpness, noise and compression are measured on native pixels, light and colour on a small copy. Every
measure is finite for every picture, down to a single pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from scoring.core.colour import colour_of, light_colour_of
from scoring.core.decode import Picture
from scoring.core.detail import detail_of
from scoring.core.foreground import Foreground, estimate_foreground, mask_at
from scoring.core.illuminant import TINT_NAMES
from scoring.core.lettering import LETTER_NAMES, letters_of
from scoring.core.seams import laid_over_by
from scoring.core.shares import share
from scoring.core.shrink import reduced, resized, shrinking
from scoring.core.steps import luma_of, planes_of, steps_of
from scoring.core.surroundings import RIM_NAMES, background_of, rim_of
from scoring.core.types import ByteArray, FloatArray

CROP_SIDE = 384
SMALL_SIDE = 256
FEW = 4000  # pixels from which every second row tells how bright they are

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
    width, height = picture.width, picture.height
    small = small_copy(picture)
    foreground = foreground or estimate_foreground(small)
    levels, luma = planes_of(small), luma_of(small)
    steps = steps_of(luma)
    product = mask_at(foreground.mask, *luma.shape)
    values = {
        **detail_of(_product_crop(picture, foreground)),
        "jpeg_quality": 100.0 if picture.jpeg_quality is None else float(picture.jpeg_quality),
        **_light(luma, product if product.any() else ~product),
        **colour_of(levels, product),
        **light_colour_of(levels),
        **background_of(luma, steps, levels, foreground),
        **_framing(foreground),
        **rim_of(levels, steps),
        **laid_over_by(luma),
        **letters_of(levels, luma),
        "shortest_side": float(min(width, height)),
        "megapixels": width * height / 1e6,
        "aspect": max(width, height) / min(width, height),
        "foreground_confidence": foreground.confidence,
    }
    return Measured({name: _finite(values[name]) for name in MEASURE_NAMES}, foreground)


@lru_cache(maxsize=1)
def compile_measures() -> None:
    """Compile, or read, the machine code of all measures: of noise, and of a thing before a plain surface."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    thing = np.full_like(noise, 220)
    thing[20:44, 16:48] = noise[20:44, 16:48]
    for rgb in (noise, thing):
        measure_picture(Picture(rgb))
    resized(reduced(noise, 2), (16, 16))


def _finite(value: float) -> float:
    return float(value) if math.isfinite(value) else 0.0


def small_copy(picture: Picture) -> ByteArray:
    """What light, colour and framing are measured on: (h, w, 3), no side over 256."""
    return picture.reduced(shrinking((picture.width, picture.height), SMALL_SIDE))


def _product_crop(picture: Picture, foreground: Foreground) -> FloatArray:
    """Native luma (<= 384 a side) at the middle of the product, on the 8-pixel grid of JPEG."""
    middle = foreground.middle
    left, top = (
        _grid_start(at * extent, extent)
        for at, extent in zip(middle, (picture.width, picture.height), strict=True)
    )
    return luma_of(np.ascontiguousarray(picture.rgb[top : top + CROP_SIDE, left : left + CROP_SIDE]))


def _grid_start(centre: float, extent: int) -> int:
    start = min(max(0, int(centre - CROP_SIDE / 2)), max(0, extent - CROP_SIDE))
    return start // 8 * 8


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
