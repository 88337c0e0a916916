"""What people read for a grade, a dimension, a defect and its cause. Translated; codes stay in the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from scoring.core.types import Defect, Dimension, Grade

GRADE_WORDS: dict[Grade, Promise] = {
    Grade.EXCELLENT: lazy("excellent"),
    Grade.GOOD: lazy("good"),
    Grade.FAIR: lazy("fair"),
    Grade.POOR: lazy("poor"),
    Grade.BAD: lazy("bad"),
}

VOTE_WORDS: dict[int, Promise] = {
    1: GRADE_WORDS[Grade.BAD],
    2: GRADE_WORDS[Grade.POOR],
    3: GRADE_WORDS[Grade.FAIR],
    4: GRADE_WORDS[Grade.GOOD],
    5: GRADE_WORDS[Grade.EXCELLENT],
}

DIMENSION_WORDS: dict[Dimension, Promise] = {
    Dimension.SHARPNESS: lazy("Sharpness"),
    Dimension.COLOUR: lazy("Colour"),
    Dimension.COMPOSITION: lazy("Composition"),
    Dimension.LIGHTING: lazy("Lighting"),
    Dimension.BACKGROUND: lazy("Background"),
}

DEFECT_WORDS: dict[Defect, Promise] = {
    Defect.DEFOCUS_BLUR: lazy("Out of focus"),
    Defect.MOTION_BLUR: lazy("Motion blur"),
    Defect.NOISE: lazy("Noise"),
    Defect.JPEG_ARTEFACTS: lazy("JPEG artefacts"),
    Defect.UNDER_EXPOSED: lazy("Under-exposed"),
    Defect.OVER_EXPOSED: lazy("Over-exposed"),
    Defect.LOW_CONTRAST: lazy("Low contrast"),
    Defect.COLOUR_CAST: lazy("Colour cast"),
    Defect.UPSCALED: lazy("Low resolution"),
    Defect.CLUTTERED_BACKGROUND: lazy("Cluttered background"),
    Defect.PRODUCT_TOO_SMALL: lazy("Product too small"),
    Defect.OFF_CENTRE: lazy("Off centre"),
    Defect.CROPPED: lazy("Product cut off"),
    Defect.BORDER: lazy("Border or frame"),
    Defect.TEXT_OVERLAY: lazy("Text or watermark"),
    Defect.COLLAGE: lazy("Collage"),
}


def defect_words(code: str) -> str:
    """The defect's name in the reader's language; an unknown code reads as it is written."""
    return str(DEFECT_WORDS[Defect(code)]) if code in set(Defect) else code.replace("_", " ")


def dimension_words(code: str) -> str:
    """The dimension's name in the reader's language."""
    return str(DIMENSION_WORDS[Dimension(code)]) if code in set(Dimension) else code.replace("_", " ")


def cause_words(finding: Mapping[str, Any]) -> str:
    """One short line for a stored finding: what was measured, with number and unit."""
    cause = str(finding.get("cause") or "")
    if not cause:
        return _("seen by the network")
    number = measure_number(cause, float(finding.get("value", 0.0)), str(finding.get("unit") or ""))
    return f"{measure_words(cause)} {number}"


def measure_words(code: str) -> str:
    """A measure's name in the reader's language; measures without words of their own read plainly."""
    return str(MEASURE_WORDS.get(code, code.replace("_", " ")))


def measure_number(code: str, value: float, unit: str = "") -> str:
    """A measure as people read it: shares as per cent, everything else in three digits with its unit."""
    if code in PARTS:
        return f"{value * 100:.3g} %"
    number = f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{number} {UNIT_WORDS.get(unit, unit)}".strip()


# Measures that are parts of a whole 0-1.
PARTS = frozenset(
    {
        "reblur_ratio",
        "clipped_high_share",
        "clipped_low_share",
        "background_white_share",
        "background_edge_share",
        "background_is_plain",
        "fill_share",
        "box_share",
        "centre_offset",
        "least_margin",
        "seam_share",
        "text_share",
        "foreground_confidence",
    }
)

UNIT_WORDS: dict[str, Promise] = {
    "levels": lazy("of 255"),
    "of 100": lazy("of 100"),
    "sides": lazy("sides"),
    "pixels": lazy("pixels"),
    "MP": lazy("megapixels"),
}

MEASURE_WORDS: dict[str, Promise] = {
    "sharpness": lazy("Detail on the product"),
    "edge_sharpness": lazy("Sharpness of edges"),
    "reblur_ratio": lazy("Detail a slight blur removes"),
    "fine_detail_ratio": lazy("Finest detail against the next"),
    "blur_direction_ratio": lazy("Weakest against strongest direction of detail"),
    "noise_sigma": lazy("Noise"),
    "blockiness": lazy("Steps on the JPEG grid"),
    "jpeg_quality": lazy("JPEG quality"),
    "clipped_high_share": lazy("Burnt-out area"),
    "clipped_low_share": lazy("Blocked-up area"),
    "product_luma_p1": lazy("Darkest tones of the product"),
    "product_luma_p50": lazy("Middle tones of the product"),
    "product_luma_p99": lazy("Brightest tones of the product"),
    "contrast": lazy("Contrast"),
    "cast_chroma": lazy("Strength of the colour cast"),
    "cast_warmth": lazy("Cast towards warm"),
    "cast_green": lazy("Cast towards green"),
    "background_luma": lazy("Brightness of the background"),
    "background_std": lazy("Unevenness of the background"),
    "background_white_share": lazy("White part of the background"),
    "background_edge_share": lazy("Edges in the background"),
    "background_is_plain": lazy("How plain the background is"),
    "fill_share": lazy("Area of the product"),
    "box_share": lazy("Area of the box around the product"),
    "centre_offset": lazy("Distance from the centre"),
    "least_margin": lazy("Narrowest margin"),
    "touching_sides": lazy("Edges the product touches"),
    "border_step": lazy("Step at a border"),
    "seam_share": lazy("Seams"),
    "text_share": lazy("Area of text"),
    "saturation": lazy("Saturation"),
    "colourfulness": lazy("Colourfulness"),
    "shortest_side": lazy("Shortest side"),
    "megapixels": lazy("Size"),
    "aspect": lazy("Long against short side"),
    "foreground_confidence": lazy("How surely the product was found"),
}
