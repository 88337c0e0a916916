"""Which two pictures to put side by side: those a comparison tells most about, near the limits of grades.

A picture far inside its grade needs no second look, and two pictures that plainly differ are no question.
So the worth of a pair is how much of its pictures' doubt an answer would take away, weighed by how likely
each stands on the wrong side of its nearest limit. Scores and their standard deviations are points 0-100.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoring.core.types import GRADE_FLOORS

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Pair = tuple[int, int]

LIMITS = np.array([floor for floor, _grade in GRADE_FLOORS])
STEP = 9.0  # points by which the better of two wins most comparisons
ANSWER_VAR = (1.814 * STEP) ** 2  # of the logistic noise in one answer
OTHER_CATEGORY = 0.4  # a mug beside a mug is a fairer question than a mug beside a lamp
WORTH_ASKING = 0.05  # points squared; less is not worth anybody's time
LEAST_STD = 0.5
UNEVEN = 0.35  # how far chance moves a worth, so that not everybody is asked the same


@dataclass(frozen=True, slots=True)
class Candidates:
    """N pictures: what is thought of each and how surely, and codes of product and category."""

    score: Array
    std: Array
    product: Codes
    category: Codes


def doubt_of(score: Array, std: Array) -> Array:
    """Probability 0-0.5 that a picture stands on the other side of its nearest limit (N,)."""
    distance = np.abs(score[:, None] - LIMITS).min(axis=1)
    return np.array([0.5 * math.erfc(z / math.sqrt(2.0)) for z in distance / np.maximum(std, LEAST_STD)])


def worth_of(pictures: Candidates) -> Array:
    """Worth of each pair (N, N) in points squared; 0 for two pictures of one product."""
    var = np.maximum(pictures.std, LEAST_STD) ** 2
    apart = pictures.score[:, None] - pictures.score
    both = var[:, None] + var
    # The logistic averaged over what is not known of the difference (MacKay 1992).
    x = apart / STEP / np.sqrt(1.0 + math.pi / 8.0 * both / STEP**2)
    chance = 1.0 / (1.0 + np.exp(-np.clip(x, -50.0, 50.0)))
    learned = doubt_of(pictures.score, pictures.std) * var**2
    worth = 4.0 * chance * (1.0 - chance) * (learned[:, None] + learned) / (both + ANSWER_VAR)
    worth *= np.where(pictures.category[:, None] == pictures.category, 1.0, OTHER_CATEGORY)
    worth[pictures.product[:, None] == pictures.product] = 0.0
    return np.asarray(worth, dtype=np.float64)


def pairs_of(
    pictures: Candidates, *, count: int, asked: Collection[Pair], rng: np.random.Generator
) -> list[Pair]:
    """Up to ``count`` pairs of rows, the most telling first, no picture twice; left and right by chance.

    ``asked`` pairs, in either order, do not come again.
    """
    worth = worth_of(pictures)
    for one, other in asked:
        worth[one, other] = worth[other, one] = 0.0
    worth[np.tril_indices(len(worth))] = 0.0
    telling = np.flatnonzero(worth.ravel() > WORTH_ASKING)
    drawn = worth.ravel()[telling] * np.exp(UNEVEN * rng.normal(size=len(telling)))
    found: list[Pair] = []
    taken: set[int] = set()
    for place in telling[np.argsort(-drawn, kind="stable")]:
        one, other = divmod(int(place), len(worth))
        if one in taken or other in taken:
            continue
        taken |= {one, other}
        found.append((one, other) if rng.random() < 0.5 else (other, one))
        if len(found) == count:
            break
    return found
