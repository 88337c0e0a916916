"""What counts as a right answer to a picture whose quality is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from scoring.core.types import ACR_HIGH, ACR_LOW, Defect

MIDDLE = 3
NEAR = 1.0  # grades: an answer that close to a settled label is as good as the label
# Faults that everybody sees on any screen and nobody forgives. Frames, words and framing are matters of
# taste; noise and a picture blown up hide when it is shown small.
SPOILERS = (
    Defect.DEFOCUS_BLUR,
    Defect.MOTION_BLUR,
    Defect.JPEG_ARTEFACTS,
    Defect.UNDER_EXPOSED,
    Defect.OVER_EXPOSED,
)
LEAST_SHIFT, MOST_SHIFT = 32.0, 45.0  # points of 100: more than a grade and a half, and not absurd
FULL_SCORE = 100.0
LEAST_SEVERITY, MOST_SEVERITY = 0.75, 1.0


@dataclass(frozen=True, slots=True)
class Band:
    """Right answers on the ACR scale, both ends included."""

    low: int
    high: int

    def holds(self, rating: int) -> bool:
        return self.low <= rating <= self.high


def band_of_spoilt(clear_mos: float) -> Band:
    """A clear picture (MOS 1-5) spoilt for all to see: clearly lower, and no better than fair."""
    return Band(ACR_LOW, max(ACR_LOW, min(MIDDLE, round(clear_mos) - 1)))


def band_of_clear() -> Band:
    """A picture that several people found good: whoever calls it poor does not look."""
    return Band(MIDDLE, ACR_HIGH)


def band_near(mos: float) -> Band:
    """Answers within a grade of a label."""
    return Band(max(ACR_LOW, math.ceil(mos - NEAR)), min(ACR_HIGH, math.floor(mos + NEAR)))


def planted_score(score: float, rng: np.random.Generator) -> float:
    """A wrong score 0-100 in place of ``score``, up or down by chance where there is room for both."""
    shift = rng.uniform(LEAST_SHIFT, MOST_SHIFT)
    upwards = rng.random() < 0.5 if shift <= score <= FULL_SCORE - shift else score < FULL_SCORE / 2
    return round(min(FULL_SCORE, max(0.0, score + shift if upwards else score - shift)), 1)
