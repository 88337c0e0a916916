"""The words and records every room shares: what a score, a defect and a measure are.

Scales: an ACR vote is an integer 1-5 (ITU-T P.910: bad, poor, fair, good, excellent); a score is a
float 0-100, ``(vote - 1) / 4 * 100``. Higher is better for every ``*_score``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from scoring.core.foretold import votes_of

FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]

ACR_LOW, ACR_HIGH = 1, 5


class Dimension(StrEnum):
    """The five things a product picture is judged on, each 0-100."""

    SHARPNESS = "sharpness"
    COLOUR = "colour"
    COMPOSITION = "composition"
    LIGHTING = "lighting"
    BACKGROUND = "background"


class Defect(StrEnum):
    """Faults the model accuses a picture of, each a probability with a measured cause."""

    DEFOCUS_BLUR = "defocus_blur"
    MOTION_BLUR = "motion_blur"
    NOISE = "noise"
    JPEG_ARTEFACTS = "jpeg_artefacts"
    UNDER_EXPOSED = "under_exposed"
    OVER_EXPOSED = "over_exposed"
    LOW_CONTRAST = "low_contrast"
    COLOUR_CAST = "colour_cast"
    UPSCALED = "upscaled"
    CLUTTERED_BACKGROUND = "cluttered_background"
    PRODUCT_TOO_SMALL = "product_too_small"
    OFF_CENTRE = "off_centre"
    CROPPED = "cropped"
    BORDER = "border"
    TEXT_OVERLAY = "text_overlay"
    COLLAGE = "collage"


class Grade(StrEnum):
    """Five words for an overall score: excellent >= 80, good >= 60, fair >= 40, poor >= 20, bad."""

    EXCELLENT = "excellent"
    GOOD = "good"
    FAIR = "fair"
    POOR = "poor"
    BAD = "bad"


GRADE_FLOORS: tuple[tuple[float, Grade], ...] = (
    (80.0, Grade.EXCELLENT),
    (60.0, Grade.GOOD),
    (40.0, Grade.FAIR),
    (20.0, Grade.POOR),
)


class NotFiniteError(ValueError):
    """A number that must be finite was NaN or infinite."""


def require_finite(name: str, value: float) -> float:
    """Return ``value`` unchanged, or raise NotFiniteError naming what was not a number."""
    if not math.isfinite(value):
        raise NotFiniteError(f"{name} is {value}, not a finite number")
    return value


def score_from_vote(vote: float) -> float:
    """Map a vote or MOS on the ACR scale 1-5 to a score 0-100."""
    return (vote - ACR_LOW) / (ACR_HIGH - ACR_LOW) * 100.0


def vote_from_score(score: float) -> float:
    """Map a score 0-100 to the ACR scale 1-5."""
    return ACR_LOW + score / 100.0 * (ACR_HIGH - ACR_LOW)


def nearest_vote(score: float) -> int:
    """The ACR vote 1-5 a person accepting ``score`` (0-100) stands for; halves round up."""
    return min(ACR_HIGH, max(ACR_LOW, math.floor(vote_from_score(score) + 0.5)))


def grade_of(overall_score: float) -> Grade:
    """Grade of an overall score 0-100; NaN is refused."""
    require_finite("overall_score", overall_score)
    for floor, grade in GRADE_FLOORS:
        if overall_score >= floor:
            return grade
    return Grade.BAD


@dataclass(frozen=True, slots=True)
class Box:
    """A place on the picture in fractions of its width and height, 0-1, right and bottom exclusive."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Finding:
    """One defect: how likely, what was measured, and where.

    ``cause`` names the measure (a key of ``Prediction.measures``) that speaks most for the defect;
    ``value`` is that measure, ``unit`` its unit. The words shown to people are made from these, so
    that they can be translated.
    """

    defect: Defect
    probability: float
    cause: str = ""
    value: float = 0.0
    unit: str = ""
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says of one picture. Scores 0-100, higher is better; probabilities 0-1."""

    overall_score: float
    overall_std: float
    interval_low: float
    interval_high: float
    dimensions: Mapping[Dimension, float]
    findings: tuple[Finding, ...]
    measures: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("overall_score", "overall_std", "interval_low", "interval_high"):
            require_finite(name, getattr(self, name))
        for dimension, value in self.dimensions.items():
            require_finite(dimension, value)
        for finding in self.findings:
            require_finite(finding.defect, finding.probability)

    @property
    def grade(self) -> Grade:
        return grade_of(self.overall_score)

    @property
    def votes_expected(self) -> tuple[float, ...]:
        """Shares 0-1 of the votes 1 to 5 that many people would give."""
        return votes_of(self.overall_score, self.overall_std)

    @property
    def defects(self) -> dict[Defect, float]:
        """Probability 0-1 of every defect."""
        return {finding.defect: finding.probability for finding in self.findings}


@dataclass(frozen=True, slots=True)
class ImageFeatures:
    """Everything the network and the measures know of one picture, cached so heads refit in seconds.

    ``vector``: float32 (F,), the input of every fast head. ``embedding``: float32 (E,), unit length,
    for diversity, similar pictures and duplicates. ``measures``: plain numbers by name.
    ``defects``: what the base model's defect heads and the measures say, as findings.
    ``version`` names the code and weights that made them; vectors of two versions never mix.
    """

    version: str
    vector: FloatArray
    embedding: FloatArray
    measures: Mapping[str, float]
    findings: tuple[Finding, ...]
