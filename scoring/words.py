"""What people read for a grade, a dimension, a defect and its cause. Translated; codes stay in the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from scoring.core.types import Defect, Dimension, Grade

GRADE_WORDS: dict[Grade, Promise] = {
    Grade.EXCELLENT: gettext_lazy("excellent"),
    Grade.GOOD: gettext_lazy("good"),
    Grade.FAIR: gettext_lazy("fair"),
    Grade.POOR: gettext_lazy("poor"),
    Grade.BAD: gettext_lazy("bad"),
}

VOTE_WORDS: dict[int, Promise] = {
    1: GRADE_WORDS[Grade.BAD],
    2: GRADE_WORDS[Grade.POOR],
    3: GRADE_WORDS[Grade.FAIR],
    4: GRADE_WORDS[Grade.GOOD],
    5: GRADE_WORDS[Grade.EXCELLENT],
}

DIMENSION_WORDS: dict[Dimension, Promise] = {
    Dimension.SHARPNESS: gettext_lazy("Sharpness"),
    Dimension.COLOUR: gettext_lazy("Colour"),
    Dimension.COMPOSITION: gettext_lazy("Composition"),
    Dimension.LIGHTING: gettext_lazy("Lighting"),
    Dimension.BACKGROUND: gettext_lazy("Background"),
}

DEFECT_WORDS: dict[Defect, Promise] = {
    Defect.DEFOCUS_BLUR: gettext_lazy("Out of focus"),
    Defect.MOTION_BLUR: gettext_lazy("Motion blur"),
    Defect.NOISE: gettext_lazy("Noise"),
    Defect.JPEG_ARTEFACTS: gettext_lazy("JPEG artefacts"),
    Defect.UNDER_EXPOSED: gettext_lazy("Under-exposed"),
    Defect.OVER_EXPOSED: gettext_lazy("Over-exposed"),
    Defect.LOW_CONTRAST: gettext_lazy("Low contrast"),
    Defect.COLOUR_CAST: gettext_lazy("Colour cast"),
    Defect.UPSCALED: gettext_lazy("Low resolution"),
    Defect.CLUTTERED_BACKGROUND: gettext_lazy("Cluttered background"),
    Defect.PRODUCT_TOO_SMALL: gettext_lazy("Product too small"),
    Defect.OFF_CENTRE: gettext_lazy("Off centre"),
    Defect.CROPPED: gettext_lazy("Product cut off"),
    Defect.BORDER: gettext_lazy("Border or frame"),
    Defect.TEXT_OVERLAY: gettext_lazy("Text or watermark"),
    Defect.COLLAGE: gettext_lazy("Collage"),
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
        return f"{value * 100:.3g}{NO_BREAK}%"
    number = f"{abs(value):.0f}" if abs(value) >= 1000 else f"{abs(value):.3g}"
    return f"{'−' if value < 0 else ''}{number}{NO_BREAK}{UNIT_WORDS.get(unit, unit)}".strip()


NO_BREAK = "\N{NO-BREAK SPACE}"  # a number and its unit stay on one line

# Measures that are parts of a whole 0-1.
PARTS = frozenset(
    {
        "reblur_ratio",
        "clipped_high_share",
        "clipped_low_share",
        "clipped_colour_share",
        "background_white_share",
        "background_edge_share",
        "background_is_plain",
        "fill_share",
        "box_share",
        "centre_offset",
        "least_margin",
        "longest_touch",
        "seam_share",
        "text_share",
        "text_laid_over",
        "foreground_confidence",
    }
)

UNIT_WORDS: dict[str, Promise | str] = {
    "levels": gettext_lazy("of 255"),
    "of 100": gettext_lazy("of 100"),
    "sides": "",  # the measure's name says it
    "pixels": gettext_lazy("pixels"),
    "MP": gettext_lazy("megapixels"),
}

MEASURE_WORDS: dict[str, Promise] = {
    "sharpness": gettext_lazy("Detail on the product"),
    "edge_sharpness": gettext_lazy("Sharpness of edges"),
    "reblur_ratio": gettext_lazy("Detail a slight blur removes"),
    "fine_detail_ratio": gettext_lazy("Finest detail against the next"),
    "middle_detail_ratio": gettext_lazy("Fine detail against coarse structure"),
    "blur_direction_ratio": gettext_lazy("Weakest against strongest direction of detail"),
    "noise_sigma": gettext_lazy("Noise"),
    "blockiness": gettext_lazy("Steps on the JPEG grid"),
    "jpeg_quality": gettext_lazy("JPEG quality"),
    "clipped_high_share": gettext_lazy("Burnt-out area"),
    "clipped_low_share": gettext_lazy("Blocked-up area"),
    "clipped_colour_share": gettext_lazy("Area with a burnt-out colour"),
    "product_luma_p1": gettext_lazy("Darkest tones of the product"),
    "product_luma_p50": gettext_lazy("Middle tones of the product"),
    "product_luma_p99": gettext_lazy("Brightest tones of the product"),
    "contrast": gettext_lazy("Contrast"),
    "cast_chroma": gettext_lazy("Strength of the colour cast"),
    "cast_warmth": gettext_lazy("Cast towards warm"),
    "cast_green": gettext_lazy("Cast towards green"),
    "overall_score": gettext_lazy("Overall score"),
    "highlight_cast": gettext_lazy("Cast of the highlights"),
    "highlight_green": gettext_lazy("Green or magenta in the highlights"),
    "edge_cast": gettext_lazy("Cast of the edges"),
    "edge_green": gettext_lazy("Green or magenta in the edges"),
    "background_luma": gettext_lazy("Brightness of the background"),
    "background_std": gettext_lazy("Unevenness of the background"),
    "background_white_share": gettext_lazy("White part of the background"),
    "background_edge_share": gettext_lazy("Edges in the background"),
    "background_is_plain": gettext_lazy("How plain the background is"),
    "fill_share": gettext_lazy("Area of the product"),
    "box_share": gettext_lazy("Area of the box around the product"),
    "centre_offset": gettext_lazy("Distance from the centre"),
    "least_margin": gettext_lazy("Narrowest margin"),
    "touching_sides": gettext_lazy("Edges the product touches"),
    "longest_touch": gettext_lazy("Most of an edge that the product covers"),
    "border_step": gettext_lazy("Step at a border"),
    "seam_share": gettext_lazy("Seams"),
    "text_share": gettext_lazy("Area of text"),
    "letters_in_row": gettext_lazy("Letters in one row"),
    "text_laid_over": gettext_lazy("Text laid over the picture"),
    "saturation": gettext_lazy("Saturation"),
    "colourfulness": gettext_lazy("Colourfulness"),
    "shortest_side": gettext_lazy("Shortest side"),
    "megapixels": gettext_lazy("Size"),
    "aspect": gettext_lazy("Long against short side"),
    "foreground_confidence": gettext_lazy("How surely the product was found"),
}
