"""Which faults a picture has: probabilities from features and measures, each with its measured cause."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from scoring.core.foreground import Foreground
from scoring.core.measures import MEASURE_UNITS
from scoring.core.types import Box, Defect, Finding, FloatArray

ACCUSED_FROM = 0.5

# The measures that can speak for a defect, the most telling first; sign +1 where more is worse.
CAUSES: Mapping[Defect, tuple[tuple[str, int], ...]] = {
    Defect.DEFOCUS_BLUR: (("edge_sharpness", -1), ("sharpness", -1), ("reblur_ratio", -1)),
    Defect.MOTION_BLUR: (("blur_direction_ratio", -1), ("edge_sharpness", -1)),
    Defect.NOISE: (("noise_sigma", 1),),
    Defect.JPEG_ARTEFACTS: (("blockiness", 1), ("jpeg_quality", -1)),
    Defect.UNDER_EXPOSED: (("product_luma_p99", -1), ("product_luma_p50", -1)),
    Defect.OVER_EXPOSED: (("clipped_high_share", 1), ("product_luma_p50", 1)),
    Defect.LOW_CONTRAST: (("contrast", -1),),
    Defect.COLOUR_CAST: (("cast_chroma", 1), ("highlight_cast", 1)),
    Defect.UPSCALED: (("fine_detail_ratio", -1), ("shortest_side", -1)),
    Defect.CLUTTERED_BACKGROUND: (("background_edge_share", 1), ("background_std", 1)),
    Defect.PRODUCT_TOO_SMALL: (("box_share", -1), ("fill_share", -1)),
    Defect.OFF_CENTRE: (("centre_offset", 1),),
    Defect.CROPPED: (("touching_sides", 1), ("least_margin", -1)),
    Defect.BORDER: (("border_step", 1),),
    Defect.TEXT_OVERLAY: (("letters_in_row", 1), ("text_share", 1)),
    Defect.COLLAGE: (("seam_share", 1),),
}

LOCAL_DEFECTS = frozenset(
    {Defect.DEFOCUS_BLUR, Defect.MOTION_BLUR, Defect.PRODUCT_TOO_SMALL, Defect.OFF_CENTRE, Defect.CROPPED}
)


def findings_of(
    *,
    logits: FloatArray,
    measures: Mapping[str, float],
    usual: Mapping[str, tuple[float, float]],
    foreground: Foreground | None,
) -> tuple[Finding, ...]:
    """One finding per defect from its logit (16,), in the order of Defect.

    ``usual`` gives mean and standard deviation of each measure on unharmed pictures; the cause is the
    telling measure that lies furthest on the bad side of usual. ``box`` is the product's where the
    defect concerns the product.
    """
    probabilities = 1.0 / (1.0 + np.exp(-np.clip(logits, -30.0, 30.0)))
    box = foreground.box if foreground is not None and foreground.confidence >= 0.3 else None
    return tuple(
        _finding(defect, float(probabilities[k]), measures, usual, box) for k, defect in enumerate(Defect)
    )


def _finding(
    defect: Defect,
    probability: float,
    measures: Mapping[str, float],
    usual: Mapping[str, tuple[float, float]],
    box: Box | None,
) -> Finding:
    def badness(named: tuple[str, int]) -> float:
        mean, std = usual.get(named[0], (0.0, 1.0))
        return named[1] * (measures.get(named[0], mean) - mean) / max(std, 1e-6)

    cause = max(CAUSES[defect], key=badness)[0]
    return Finding(
        defect=defect,
        probability=probability,
        cause=cause,
        value=float(measures.get(cause, 0.0)),
        unit=MEASURE_UNITS.get(cause, ""),
        box=box if defect in LOCAL_DEFECTS else None,
    )
