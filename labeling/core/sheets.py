"""Which clear cases fill one sheet of the Grid page: the same vote for all, and little doubt about any.

Clear is a picture whose grade is at least twice as likely as all others together, and whose grade and nearest
vote say the same. Scores and standard deviations are points 0-100.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labeling.core.pairs import LEAST_STD, LIMITS
from scoring.core.types import nearest_vote

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

LEAST_SURE = 2 / 3  # probability of the grade: two to one
CLEAR_STD = 10.3  # points; more, and not even the middle of a grade is two to one
MOST_ON_A_SHEET, FEWEST_ON_A_SHEET = 24, 6  # fewer are labelled as fast one by one


@dataclass(frozen=True, slots=True)
class Sheet:
    """Rows of one sheet and the vote 1-5 that confirming them means."""

    vote: int
    rows: list[int]


def votes_of_clear(score: Array, std: Array) -> Codes:
    """The vote 1-5 each picture is clearly worth (N,), 0 for those that are not clear."""
    vote = np.array([nearest_vote(value) for value in score], dtype=np.int64)
    grade = np.searchsorted(LIMITS[::-1], score, side="right") + 1
    return np.where((_sure_of(score, std, grade) >= LEAST_SURE) & (vote == grade), vote, 0)


def _sure_of(score: Array, std: Array, grade: Codes) -> Array:
    """Probability 0-1 that the picture stands in its grade 1-5 (N,); the outer grades have no outer limit."""
    edges = np.concatenate([[-np.inf], LIMITS[::-1], [np.inf]])
    spread = np.maximum(std, LEAST_STD)
    above, below = (edges[grade] - score) / spread, (edges[grade - 1] - score) / spread
    return np.array([_normal(high) - _normal(low) for high, low in zip(above, below, strict=True)])


def _normal(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def sheet_of(score: Array, std: Array, product: Codes, draws: Array) -> Sheet | None:
    """The fullest sheet, one picture a product, in the order of ``draws`` (N,); None if not worth it."""
    votes = votes_of_clear(score, std)
    sheets = [_rows(np.flatnonzero(votes == vote), product, draws) for vote in range(1, 6)]
    best = max(range(5), key=lambda place: len(sheets[place]))
    rows = sheets[best][:MOST_ON_A_SHEET]
    return Sheet(best + 1, rows) if len(rows) >= FEWEST_ON_A_SHEET else None


def _rows(rows: Codes, product: Codes, draws: Array) -> list[int]:
    """One row a product, by draw."""
    found: dict[int, int] = {}
    for row in rows[np.argsort(draws[rows], kind="stable")].tolist():
        found.setdefault(int(product[row]), row)
    return list(found.values())
