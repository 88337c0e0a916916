"""What to ask people next: batches of pictures that teach the model most.

The queue asks for pictures that together stand for the whole pool (``herding.py``). Beside it stands what it
was measured against (``baselines.py``). Whatever the strategy, near-duplicates never come together and no
category starves (``batch.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from scoring.core import baselines
from scoring.core.batch import Batch, BatchRules, Indices, Pool, Taught
from scoring.core.head import Head
from scoring.core.herding import Herd, Standing
from scoring.core.types import FloatArray

__all__ = [
    "BatchRules",
    "Choice",
    "Pool",
    "Strategy",
    "Taught",
    "choose",
    "posterior_features",
    "sketch",
]


class Strategy(StrEnum):
    """How a batch is chosen."""

    RANDOM = "random"
    UNCERTAINTY = "uncertainty"
    COMMITTEE = "committee"
    K_CENTRE = "k_centre"
    TYPICAL = "typical"
    COVER = "cover"
    LCMD = "lcmd"
    BADGE = "badge"
    VARIANCE = "variance"
    HERDING = "herding"


@dataclass(frozen=True, slots=True)
class Choice:
    """Rows (K,) of a pool, best first, and of herded ones what each stood for."""

    rows: Indices
    standings: tuple[Standing, ...] = ()


def choose(
    pool: Pool,
    *,
    count: int,
    strategy: Strategy,
    rng: np.random.Generator,
    taught: Taught | None = None,
    rules: BatchRules | None = None,
) -> Choice:
    """Rows of the pool to ask about, up to ``count``; fewer where only duplicates are left."""
    batch = Batch(pool, min(count, len(pool)), rules or BatchRules())
    if batch.count > 0:
        _FILL[strategy](batch, taught or _nothing_taught(pool), rng)
    return Choice(np.array(batch.chosen, dtype=np.int64), tuple(batch.standings))


def posterior_features(head: Head, vectors: FloatArray) -> FloatArray:
    """Rows (N, F + L) whose squared lengths are the head's epistemic variances of ``vectors`` (N, F)."""
    values, basis = np.linalg.eigh(head.covariance)
    root = basis * np.sqrt(np.maximum(values, 0.0))
    return np.asarray(head.features(vectors) @ root, dtype=np.float32)


def sketch(features: FloatArray, *, width: int, others: FloatArray | None = None) -> list[FloatArray]:
    """``features`` and ``others`` in the ``width`` directions in which ``features`` vary most.

    Keeps distances as well as so few numbers can, so that large pools stay quick.
    """
    tables = [features] if others is None else [features, others]
    if features.shape[1] <= width:
        return tables
    wide = features.astype(np.float64)
    _values, basis = np.linalg.eigh(wide.T @ wide)
    top = basis[:, ::-1][:, :width].astype(np.float32)
    return [np.asarray(table @ top, dtype=np.float32) for table in tables]


def _fill_by_herding(batch: Batch, taught: Taught, rng: np.random.Generator) -> None:
    """The picture that shows most of what neither labelled nor chosen ones show, again and again."""
    herd = Herd(batch.pool.features, taught.features, rng)
    for rows in batch.turns():
        worth = herd.worth
        row = int(np.argmax(np.where(rows, worth, -np.inf)))
        is_turn = bool(np.max(worth, where=batch.free, initial=-np.inf) > worth[row])
        batch.take(row)
        batch.standings.append(herd.take(row, batch.codes, is_turn=is_turn))


def _nothing_taught(pool: Pool) -> Taught:
    return Taught(pool.features[:0], pool.embeddings[:0])


_FILL = {
    Strategy.RANDOM: baselines.fill_at_random,
    Strategy.UNCERTAINTY: baselines.fill_by_uncertainty,
    Strategy.COMMITTEE: baselines.fill_by_committee,
    Strategy.K_CENTRE: baselines.fill_by_k_centre,
    Strategy.TYPICAL: baselines.fill_by_typicality,
    Strategy.COVER: baselines.fill_by_cover,
    Strategy.LCMD: baselines.fill_by_lcmd,
    Strategy.BADGE: baselines.fill_by_badge,
    Strategy.VARIANCE: baselines.fill_by_variance,
    Strategy.HERDING: _fill_by_herding,
}
