"""Pictures that stand for a pool: each next one shows most of what those before it do not show yet.

Kernel herding (Chen, Welling and Smola, Super-samples from kernel herding, UAI 2010, arXiv 1203.3472). It
lowers, a picture at a time, the distance between the labelled pictures and all of the pool (maximum mean
discrepancy): labels at random do so too, but by the root of their number. It asks where pictures are many,
never twice for the same thing, and knows no label, so that noisy ones cannot lead it astray. docs/adr/0018.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoring.core.landmarks import usual_distance
from scoring.core.types import FloatArray

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

NEAR = 0.25  # of the usual distance of two pictures: how far one picture stands for others
BLOCK = 512


@dataclass(frozen=True, slots=True)
class Standing:
    """What a picture stood for when it was chosen, in pictures: likenesses summed, one that looks just the
    same counting in full. ``others`` of the pool beside itself, ``akin`` those of its own category among
    them, ``asked`` those that were labelled or chosen before it. ``is_turn``: another showed more of what was
    not shown, but a category was due."""

    others: float
    akin: float
    asked: float
    is_turn: bool = False


class Herd:
    """What pictures chosen so far show of a pool.

    ``rows`` (N, D) of the pool and ``taught`` (M, D) that have labels, by whose distances pictures are told
    near or far (``nearness.py``). O(N (N + M) D) at first and O(N D) for each picture that joins.
    """

    def __init__(self, rows: FloatArray, taught: FloatArray, rng: np.random.Generator) -> None:
        self.rows = rows
        self._squares = (rows**2).sum(axis=1)[:, None]
        self._narrow = -0.5 / (NEAR * usual_distance(rows, rng)) ** 2
        self._crowd = self._likeness_to(rows) / max(1, len(rows))
        self._shown = self._likeness_to(taught)
        self._count = len(taught)

    @property
    def worth(self) -> Array:
        """How much the pool has of what each row (N,) shows, less what chosen pictures show of it."""
        return np.asarray(self._crowd - self._shown / (self._count + 1), dtype=np.float64)

    def take(self, row: int, categories: Indices, *, is_turn: bool = False) -> Standing:
        """Choose a row of the pool, whose ``categories`` are codes (N,)."""
        alike = self._likeness_to(self.rows[row][None])
        standing = Standing(
            others=max(0.0, float(alike.sum() - alike[row])),
            akin=max(0.0, float(alike[categories == categories[row]].sum() - alike[row])),
            asked=float(self._shown[row]),
            is_turn=is_turn,
        )
        self._shown += alike
        self._count += 1
        return standing

    def _likeness_to(self, others: FloatArray) -> Array:
        """Summed Gaussian kernel (N,) of the rows with ``others`` (K, D)."""
        summed = np.zeros(len(self.rows))
        for start in range(0, len(others), BLOCK):
            block = others[start : start + BLOCK]
            apart = self._squares - 2.0 * (self.rows @ block.T) + (block**2).sum(axis=1)
            summed += np.exp(np.maximum(apart, 0.0) * self._narrow).sum(axis=1)
        return summed
