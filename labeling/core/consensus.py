"""Several votes become one label: who is generous, who is careless, and what the picture is worth.

Model: vote = label + bias of the person + noise of the person (ITU-T P.910 Annex, Li et al. 2020,
"SUREAL", arXiv 2004.02067). Maximum likelihood fails with few votes: somebody who happens to sit close to
the labels he helped to make gets all the weight. So it is regularised: biases shrink to 0, noises to the
panel's by a pseudo-count, labels to where labels usually lie, and the uncertainty of each label counts
towards the noise of who voted on it (expectation maximisation). All grades are on the ACR scale 1-5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Z95 = 1.959964
ACR_LOW, ACR_HIGH = 1.0, 5.0
ROUNDING_VAR = 1.0 / 12.0  # a vote is a whole number, however sure the person is
NOISE_PSEUDO_VOTES = 10.0
BIAS_STD = 0.5
ITERATIONS = 60
TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Prior:
    """Where labels lie and how far a vote of an average person lies from its label."""

    mos: float = 3.0
    std: float = 2.0  # so wide that it pulls nothing: what is assumed before the first solve
    noise_std: float = 0.8


@dataclass(frozen=True, slots=True)
class Rater:
    """One person: ``bias`` above 0 is generous; ``noise_std`` in grades, higher is less consistent."""

    bias: float = 0.0
    noise_std: float = 0.8
    vote_count: int = 0


@dataclass(frozen=True, slots=True)
class Label:
    """MOS 1-5 with its standard error and 95 % interval."""

    mos: float
    std_error: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True, slots=True)
class Solution:
    """Labels (N,), people (R,) and the panel's prior; ``weight`` is 1 for an average person."""

    mos: Array
    std_error: Array
    bias: Array
    noise_std: Array
    weight: Array
    vote_count: Codes
    prior: Prior


def label_of(votes: Sequence[tuple[float, Rater]], *, prior: Prior) -> Label:
    """The label of one item from its votes and what is known of those who gave them.

    With unknown people it is the mean of the votes.
    """
    if not votes:
        raise ValueError("a label needs a vote")
    precision = np.array([1.0 / max(rater.noise_std, 0.1) ** 2 for _, rater in votes])
    fair = np.array([rating - rater.bias for rating, rater in votes])
    mos = float(precision @ fair / precision.sum())
    return interval_of(mos, float(1.0 / np.sqrt(precision.sum())))


def interval_of(mos: float, std_error: float) -> Label:
    """A label kept inside the scale."""
    mos = min(ACR_HIGH, max(ACR_LOW, mos))
    half = Z95 * std_error
    return Label(mos, std_error, max(ACR_LOW, mos - half), min(ACR_HIGH, mos + half))
