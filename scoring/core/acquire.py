"""What to ask people next: batches of pictures that teach the model most.

The queue asks for what lowers the variance of the whole pool most (``design.py``). Beside it stands what it
was measured against: typical pictures of every part of the catalogue (TypiClust, Hacohen et al., arXiv
2202.02794); LCMD, the largest cluster's farthest member, on features scaled by the head's posterior, so that
squared distances are what the model does not know (Holzmüller et al., arXiv 2203.09410); farthest first; the
most uncertain; chance. Whatever the strategy, near-duplicates never come together and no category starves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from scoring.core.clusters import Cover, kmeans, typicality
from scoring.core.design import ASKED_NOISE, PoolVariance
from scoring.core.head import Head
from scoring.core.types import FloatArray, NotFiniteError

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

SMALLEST_CLUSTER = 5
MOST_CLUSTERS = 500


class Strategy(StrEnum):
    """How a batch is chosen."""

    RANDOM = "random"
    UNCERTAINTY = "uncertainty"
    K_CENTRE = "k_centre"
    TYPICAL = "typical"
    LCMD = "lcmd"
    VARIANCE = "variance"


@dataclass(frozen=True, slots=True)
class Pool:
    """N pictures nobody has labelled.

    ``features`` (N, D) scaled by the posterior (see ``posterior_features``) or, for VARIANCE, by a prior
    (``design.kernel_features``); ``embeddings`` (N, E) of unit length, in which near-duplicates are told;
    ``stds`` (N,) of the prediction; ``categories`` (N,).
    """

    features: FloatArray
    embeddings: FloatArray
    stds: Array
    categories: npt.NDArray[np.str_]

    def __post_init__(self) -> None:
        for name in ("features", "embeddings", "stds"):
            values = getattr(self, name)
            if len(values) != len(self.categories):
                raise ValueError(f"{len(values)} {name} for {len(self.categories)} pictures")
            if not np.isfinite(values).all():
                raise NotFiniteError(f"{name} hold values that are not finite")

    def __len__(self) -> int:
        return len(self.categories)


@dataclass(frozen=True, slots=True)
class Taught:
    """M pictures already labelled or on their way: ``features`` (M, D), ``embeddings`` (M, E)."""

    features: FloatArray
    embeddings: FloatArray


@dataclass(frozen=True, slots=True)
class BatchRules:
    """What holds for every batch, whatever the strategy.

    A category gets at least ``floor`` and at most ``ceiling`` times its share of the pool, or the share of
    the batch that ``quotas`` give it; those without one share the rest. Pictures whose embeddings are at
    least this alike are near-duplicates.
    """

    duplicate_cosine: float = 0.98  # a picture saved again or at 9 tenths of its size lies above
    floor: float = 0.5
    ceiling: float = 2.0
    quotas: Mapping[str, float] = field(default_factory=dict)


def choose(
    pool: Pool,
    *,
    count: int,
    strategy: Strategy,
    rng: np.random.Generator,
    taught: Taught | None = None,
    rules: BatchRules | None = None,
) -> Indices:
    """Rows of the pool to ask about, best first, up to ``count``; fewer where only duplicates are left."""
    batch = _Batch(pool, min(count, len(pool)), rules or BatchRules())
    if batch.count > 0:
        _FILL[strategy](batch, taught or _nothing_taught(pool), rng)
    return np.array(batch.chosen, dtype=np.int64)


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


@dataclass(slots=True)
class _Batch:
    """A batch being filled: which rows may still come, by duplicates and by quota."""

    pool: Pool
    count: int
    rules: BatchRules
    chosen: list[int] = field(default_factory=list)
    free: Mask = field(init=False)
    codes: Indices = field(init=False)
    floors: Indices = field(init=False)
    ceilings: Indices = field(init=False)
    quotas: Array = field(init=False)
    taken: Indices = field(init=False)

    def __post_init__(self) -> None:
        self.free = np.ones(len(self.pool), dtype=bool)
        names, codes = np.unique(self.pool.categories, return_inverse=True)
        self.codes = np.asarray(codes, dtype=np.int64)
        held = np.bincount(self.codes, minlength=len(names))
        asked = np.array([self.rules.quotas.get(str(name), np.nan) for name in names])
        has_quota = np.isfinite(asked)
        rest = max(0.0, 1.0 - float(asked[has_quota].sum())) * self.count
        share = np.where(has_quota, 0.0, held) / max(1, int(held[~has_quota].sum())) * rest
        wanted = np.rint(np.where(has_quota, asked, 0.0) * self.count)
        self.floors = np.where(has_quota, wanted, np.floor(share * self.rules.floor)).astype(np.int64)
        most = np.maximum(1.0 if rest >= 1 else 0.0, np.ceil(share * self.rules.ceiling))
        self.ceilings = np.where(has_quota, wanted, most).astype(np.int64)
        self.floors = np.minimum(self.floors, held)
        self.quotas = np.where(has_quota, asked, 0.0)
        self.taken = np.zeros(len(names), dtype=np.int64)

    @property
    def full(self) -> bool:
        return len(self.chosen) >= self.count

    def open_rows(self) -> Mask:
        """Rows that may come next: of a category behind its quota; where only floors are left, of theirs.

        Quotas hold for any stretch of a batch, for people seldom come to its end before the next one.
        """
        due = self.taken + 1 <= self.quotas * (len(self.chosen) + 1)
        if (behind := self.free & due[self.codes]).any():
            return behind
        owed = self.floors > 0
        if int(self.floors.sum()) >= self.count - len(self.chosen):
            late = self.free & owed[self.codes]
            if late.any():
                return late
        within = self.free & (self.ceilings > 0)[self.codes]
        others = within & (self.quotas == 0)[self.codes]
        return next((rows for rows in (others, within) if rows.any()), self.free)

    def take(self, row: int) -> None:
        """Choose a row; it and what looks just like it cannot come again."""
        self.chosen.append(row)
        alike = self.pool.embeddings @ self.pool.embeddings[row]
        self.free &= alike < self.rules.duplicate_cosine
        self.free[row] = False
        code = self.codes[row]
        self.taken[code] += 1
        self.ceilings[code] -= 1
        self.floors[code] = max(0, self.floors[code] - 1)

    def turns(self) -> Iterator[Mask]:
        """The open rows, again and again, until the batch is full or nothing is left."""
        while not self.full:
            rows = self.open_rows()
            if not rows.any():
                return
            yield rows


def _fill_in_order(batch: _Batch, worth: Array) -> None:
    """Take the open row of highest worth, again and again."""
    for rows in batch.turns():
        batch.take(int(np.argmax(np.where(rows, worth, -np.inf))))


def _fill_at_random(batch: _Batch, _taught: Taught, rng: np.random.Generator) -> None:
    _fill_in_order(batch, rng.random(len(batch.pool)))


def _fill_by_uncertainty(batch: _Batch, _taught: Taught, _rng: np.random.Generator) -> None:
    _fill_in_order(batch, batch.pool.stds)


def _fill_by_k_centre(batch: _Batch, taught: Taught, _rng: np.random.Generator) -> None:
    """Farthest first (Sener and Savarese, arXiv 1708.00489): the baseline that likes outliers."""
    cover = Cover(batch.pool.features, taught.features)
    for rows in batch.turns():
        worth = cover.distance if cover.centres else cover.lengths
        row = int(np.argmax(np.where(rows, worth, -np.inf)))
        batch.take(row)
        cover.add(batch.pool.features[row])


def _fill_by_lcmd(batch: _Batch, taught: Taught, _rng: np.random.Generator) -> None:
    """Of the cluster with most unknown in it, the member farthest from its centre.

    Clusters are the rows nearest to one labelled or chosen picture; their size is the sum of squared
    distances (arXiv 2203.09410, LCMD with the training set among the centres).
    """
    cover = Cover(batch.pool.features, taught.features)
    for rows in batch.turns():
        row = _farthest_of_largest(cover, rows)
        batch.take(row)
        cover.add(batch.pool.features[row])


def _farthest_of_largest(cover: Cover, rows: Mask) -> int:
    if cover.centres == 0:
        return int(np.argmax(np.where(rows, cover.lengths, -np.inf)))
    unknown = np.where(rows, cover.distance, 0.0)
    sizes = np.bincount(cover.owner, weights=unknown, minlength=cover.centres)
    members = rows & (cover.owner == int(np.argmax(sizes)))
    return int(np.argmax(np.where(members if members.any() else rows, cover.distance, -np.inf)))


def _fill_by_variance(batch: _Batch, taught: Taught, _rng: np.random.Generator) -> None:
    """The picture whose label lowers the mean variance of the whole pool most, again and again."""
    precision = 1.0 / ASKED_NOISE
    pool = PoolVariance(batch.pool.features, taught.features, np.full(len(taught.features), precision))
    for rows in batch.turns():
        row = int(np.argmax(np.where(rows, pool.gains(precision), -np.inf)))
        batch.take(row)
        pool.add(batch.pool.features[row], precision)


def _fill_by_typicality(batch: _Batch, taught: Taught, rng: np.random.Generator) -> None:
    """The most typical picture of each part of the catalogue that has no label yet, largest parts first."""
    pool, known = batch.pool.embeddings, taught.embeddings
    table = np.concatenate([pool, known])
    clusters = kmeans(table, min(batch.count + len(known), MOST_CLUSTERS, len(table)), rng)
    covered = np.bincount(clusters[len(pool) :], minlength=clusters.max() + 1)
    sizes = np.bincount(clusters, minlength=len(covered))
    mine = clusters[: len(pool)]
    worth = typicality(pool, mine)
    for rows in batch.turns():
        there = np.bincount(mine[rows], minlength=len(covered)) > 0
        large = there & (sizes >= SMALLEST_CLUSTER)
        open_clusters = np.flatnonzero(large if large.any() else there)
        best = open_clusters[np.lexsort((-sizes[open_clusters], covered[open_clusters]))[0]]
        row = int(np.argmax(np.where(rows & (mine == best), worth, -np.inf)))
        batch.take(row)
        covered[best] += 1


def _nothing_taught(pool: Pool) -> Taught:
    return Taught(pool.features[:0], pool.embeddings[:0])


_FILL = {
    Strategy.RANDOM: _fill_at_random,
    Strategy.UNCERTAINTY: _fill_by_uncertainty,
    Strategy.K_CENTRE: _fill_by_k_centre,
    Strategy.TYPICAL: _fill_by_typicality,
    Strategy.LCMD: _fill_by_lcmd,
    Strategy.VARIANCE: _fill_by_variance,
}
