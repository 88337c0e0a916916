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
    number = f"{float(finding.get('value', 0.0)):.3g}"
    unit = str(finding.get("unit") or "")
    return f"{measure_words(cause)} {number}{(' ' + unit) if unit else ''}"


def measure_words(code: str) -> str:
    """A measure's name in the reader's language; measures without words of their own read plainly."""
    return str(MEASURE_WORDS.get(code, code.replace("_", " ")))


MEASURE_WORDS: dict[str, Promise] = {}
