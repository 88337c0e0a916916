"""What a label would settle: how much variance it takes from the whole pool, and at what price.

The pool is described by a Gaussian process over its pictures (``kernel_features``), before and whatever
anybody has said of them: a design for all of the catalogue rather than for one head's doubts, which are
loudest about outliers. Asking for the picture that lowers the pool's mean variance most is the classical
V-optimal design (Cohn, Ghahramani and Jordan, Active learning with statistical models, JAIR 4, 1996).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoring.core.landmarks import squared_distances, usual_distance
from scoring.core.nearness import near_rows
from scoring.core.types import FloatArray

Array = npt.NDArray[np.float64]

LANDMARKS = 256  # pictures that stand for the pool in its kernel: what few of them share is no outlier's own
TASTE = 0.02  # variance no vote removes (the head is not the truth), beside a picture's own of one
VOTE_NOISE = 2.6  # variance of one vote, beside a picture's own: 1.61 squared, as in KonIQ-10k
JITTER = 1e-5
CLEARLY = 1.1  # times a vote on a new picture: a tie goes to the new one


def kernel_features(
    table: FloatArray, others: FloatArray, rng: np.random.Generator, *, landmarks: int = LANDMARKS
) -> tuple[FloatArray, FloatArray]:
    """Rows (N, D) and (M, D) whose inner products are a Gaussian kernel of ``table`` (N, F) and ``others``.

    ``nearness.py`` says what counts for near and far; the usual distance is the kernel's length. By
    Nystrom's method (Williams and Seeger 2001): exact where the table has no more rows than landmarks.
    """
    if not len(table):
        return table, others[:, : table.shape[1]]
    table, others = near_rows(table), near_rows(others)
    length = usual_distance(table, rng)
    kept = np.sort(rng.choice(len(table), min(landmarks, len(table)), replace=False))
    centres = table[kept]
    values, basis = np.linalg.eigh(_kernel(centres, centres, length).astype(np.float64))
    root = (basis / np.sqrt(np.maximum(values, JITTER))).astype(np.float32)
    return _kernel(table, centres, length) @ root, _kernel(others, centres, length) @ root


class PoolVariance:
    """Variance left in a pool, and what the next label of each of its pictures would take from it.

    ``rows`` (N, D) with inner products as the prior covariance, about one on the diagonal; ``taught``
    (M, D) already labelled with ``precisions`` (M,), one over the variance of their labels.
    """

    def __init__(self, rows: FloatArray, taught: FloatArray, precisions: npt.ArrayLike) -> None:
        self.rows = rows
        wide = taught.astype(np.float64)
        inner = np.eye(rows.shape[1]) + (wide.T * np.asarray(precisions, dtype=np.float64)) @ wide
        self.covariance: Array = np.asarray(np.linalg.inv(inner), dtype=np.float64)
        self.spread: Array = (rows.T @ rows).astype(np.float64) / max(1, len(rows))
        self.doubts = self._squares(rows, self.covariance)
        self.pulls = self._squares(rows, self._pulling())

    @property
    def left(self) -> float:
        """Mean variance of the pool."""
        return float(self.doubts.mean()) if len(self.doubts) else 0.0

    def gains(self, precision: float) -> Array:
        """Variance (N,) one label of this precision would take from the pool's mean."""
        return np.asarray(precision * self.pulls / (1.0 + precision * self.doubts), dtype=np.float64)

    def gains_of(self, rows: FloatArray, precisions: npt.ArrayLike) -> Array:
        """The same for other pictures (K, D), each with the precision (K,) it would gain."""
        more = np.asarray(precisions, dtype=np.float64)
        doubts = self._squares(rows, self.covariance)
        pulls = self._squares(rows, self._pulling())
        return np.asarray(more * pulls / (1.0 + more * doubts), dtype=np.float64)

    def add(self, row: FloatArray, precision: float) -> None:
        """A label of this precision came in for ``row`` (D,). O(N D + D^2)."""
        wide = row.astype(np.float64)
        along = self.covariance @ wide
        weight = precision / (1.0 + precision * float(wide @ along))
        through = self.covariance @ (self.spread @ along)
        moved = self.rows @ np.column_stack([along, through]).astype(np.float32)
        self.doubts -= weight * moved[:, 0] ** 2
        self.pulls += (
            weight
            * moved[:, 0]
            * (weight * float(along @ self.spread @ along) * moved[:, 0] - 2.0 * moved[:, 1])
        )
        self.covariance -= weight * np.outer(along, along)

    def _pulling(self) -> Array:
        return np.asarray(self.covariance @ self.spread @ self.covariance, dtype=np.float64)

    def _squares(self, rows: FloatArray, matrix: Array) -> Array:
        wide = rows.astype(np.float32)
        return np.asarray(np.einsum("ij,ij->i", wide @ matrix.astype(np.float32), wide), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class VotesWorth:
    """Variance one more vote takes from the pool: on the best new pictures, on the best labelled ones."""

    new: float
    again: float


def votes_worth(rows: FloatArray, known: FloatArray, votes: npt.ArrayLike, *, overlap: int) -> VotesWorth:
    """What to spend the next vote on: a picture of ``rows`` (N, D), which needs ``overlap`` of them, or one
    of ``known`` (M, D) more, which has ``votes`` (M,). Each by the mean of its best tenth.
    """
    cast = np.asarray(votes, dtype=np.float64)
    pool = PoolVariance(rows, known, precision_of(cast))
    new = pool.gains(float(precision_of(overlap))) / overlap
    again = pool.gains_of(known, precision_of(cast + 1) - precision_of(cast))
    return VotesWorth(_best_tenth(new), _best_tenth(again))


@dataclass(frozen=True, slots=True)
class Again:
    """A labelled picture worth another vote: its row, and that vote in votes on the best new pictures."""

    row: int
    worth: float


def worth_again(
    rows: FloatArray, known: FloatArray, votes: npt.ArrayLike, *, overlap: int, most: int
) -> list[Again]:
    """Of ``known`` (M, D) with ``votes`` (M,) each those where one more is worth more than a vote on the best
    tenth of the new ``rows`` (N, D), which need ``overlap``; best first, up to ``most``, each once.

    What was taken counts before the next is weighed.
    """
    cast = np.asarray(votes, dtype=np.float64)
    pool, more = PoolVariance(rows, known, precision_of(cast)), precision_of(cast + 1) - precision_of(cast)
    found: list[Again] = []
    left = np.ones(len(cast), dtype=bool)
    while left.any() and len(found) < most:
        new = _best_tenth(pool.gains(float(precision_of(overlap)))) / overlap
        again = np.where(left, pool.gains_of(known, more), -np.inf)
        row = int(np.argmax(again))
        if again[row] <= CLEARLY * new:
            break
        found.append(Again(row, float(again[row] / new) if new > 0 else np.inf))
        left[row] = False
        pool.add(known[row], float(more[row]))
    return found


def _best_tenth(values: Array) -> float:
    few = max(1, len(values) // 10)
    return float(np.sort(values)[-few:].mean()) if len(values) else 0.0


def precision_of(votes: npt.ArrayLike) -> Array:
    """One over the variance of a label of so many votes, in the pool's units."""
    return 1.0 / (TASTE + VOTE_NOISE / np.maximum(1.0, np.asarray(votes, dtype=np.float64)))


def _kernel(a: FloatArray, b: FloatArray, length: float) -> FloatArray:
    return np.asarray(np.exp(squared_distances(a, b) / (-2.0 * length**2)), dtype=np.float32)
