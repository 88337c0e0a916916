"""Pictures that stand for a pool: each next one shows most of what those before it do not show yet.

Kernel herding (Chen, Welling and Smola, Super-samples from kernel herding, UAI 2010, arXiv 1203.3472). It
lowers, a picture at a time, the distance between the labelled pictures and all of the pool (maximum mean
discrepancy): labels at random do so too, but by the root of their number. It asks where pictures are many,
never twice for the same thing, and knows no label, so that noisy ones cannot lead it astray. docs/adr/0018.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scoring.core.landmarks import usual_distance
from scoring.core.types import FloatArray

Array = npt.NDArray[np.float64]

NEAR = 0.25  # of the usual distance of two pictures: how far one picture stands for others
BLOCK = 512


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

    def add(self, row: FloatArray) -> None:
        """A picture (D,) was chosen."""
        self._shown += self._likeness_to(row[None])
        self._count += 1

    def _likeness_to(self, others: FloatArray) -> Array:
        """Summed Gaussian kernel (N,) of the rows with ``others`` (K, D)."""
        summed = np.zeros(len(self.rows))
        for start in range(0, len(others), BLOCK):
            block = others[start : start + BLOCK]
            apart = self._squares - 2.0 * (self.rows @ block.T) + (block**2).sum(axis=1)
            summed += np.exp(np.maximum(apart, 0.0) * self._narrow).sum(axis=1)
        return summed
