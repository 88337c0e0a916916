"""A batch of pictures being chosen: what may still come, by near-duplicates and by quotas of categories."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from scoring.core.herding import Standing
from scoring.core.types import FloatArray, NotFiniteError

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pool:
    """N pictures nobody has labelled.

    ``features`` (N, D) by whose distances pictures are near or far: ``nearness.near_rows`` for HERDING,
    scaled by the posterior (``acquire.posterior_features``) or, for VARIANCE, by a prior
    (``design.kernel_features``); ``embeddings`` (N, E) of unit length, in which near-duplicates are told;
    ``stds`` (N,) of the prediction; ``categories`` (N,); ``opinions`` (N, K) of the K members of a committee,
    where one is to be asked.
    """

    features: FloatArray
    embeddings: FloatArray
    stds: Array
    categories: npt.NDArray[np.str_]
    opinions: Array | None = None

    def __post_init__(self) -> None:
        for name in ("features", "embeddings", "stds", "opinions"):
            values = getattr(self, name)
            if values is None:
                continue
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
    least this alike are near-duplicates. ``votes`` a label will be made of, which VARIANCE asks:
    where few leave it in doubt, pictures of the crowded middle tell more than those at the far ends.
    """

    duplicate_cosine: float = 0.98  # a picture saved again or at 9 tenths of its size lies above
    floor: float = 0.5
    ceiling: float = 2.0
    quotas: Mapping[str, float] = field(default_factory=dict)
    votes: float = 3.0


@dataclass(slots=True)
class Batch:
    """A batch being filled: which rows may still come, by duplicates and by quota; of herded ones, why."""

    pool: Pool
    count: int
    rules: BatchRules
    chosen: list[int] = field(default_factory=list)
    standings: list[Standing] = field(default_factory=list)
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
