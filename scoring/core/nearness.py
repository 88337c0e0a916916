"""How much each number of a picture counts when pictures are told near or far, for a bend and for the queue.

Two pictures are near where people would judge them alike. How much detail a picture has says that, and what
the network sees; the dozens of measures of light, tint and place are there to accuse, and drown the rest
where each counts in full. See docs/adr/0011.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from scoring.core.measures import MEASURE_NAMES
from scoring.core.types import Defect, FloatArray

Array = npt.NDArray[np.float64]

DETAIL = (
    "sharpness",
    "edge_sharpness",
    "reblur_ratio",
    "fine_detail_ratio",
    "middle_detail_ratio",
    "blur_direction_ratio",
)
DETAIL_SHARE, OTHER_SHARE = 3.0, 0.1  # of a squared distance, beside one for the network and felt faults


@lru_cache(maxsize=8)
def nearness_of(width: int) -> Array:
    """Scales (F,) for cached vectors of this width, laid out as ``features.compose`` does.

    Vectors too short to end in measures and felt faults are taken as they are.
    """
    scales = np.ones(width)
    for name in MEASURE_NAMES:
        if (column := column_of(name, width)) is not None:
            scales[column] = (DETAIL_SHARE if name in DETAIL else OTHER_SHARE) ** 0.5
    scales.setflags(write=False)
    return scales


def near_rows(vectors: FloatArray | Array) -> FloatArray:
    """Cached vectors (N, F) so scaled that their plain distances are those that count."""
    return np.asarray(vectors * nearness_of(vectors.shape[1]), dtype=np.float32)


def column_of(measure: str, width: int) -> int | None:
    """Where a measure stands in a cached vector of this width; None in vectors too short to hold any."""
    first = width - len(Defect) - len(MEASURE_NAMES)
    return first + MEASURE_NAMES.index(measure) if first > 0 else None
