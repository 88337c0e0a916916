"""Which pictures lie near which: nearest centres, k-means, and how typical a picture is of its cluster."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scoring.core.types import FloatArray

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

NEIGHBOURS = 20  # typicality: mean distance to so many nearest members of the cluster
KMEANS_ROUNDS = 12
BLOCK = 2048


class Cover:
    """Distance of each pool row to its nearest labelled or chosen one, and which one that is."""

    def __init__(self, features: FloatArray, centres: FloatArray) -> None:
        self.features = features
        self.lengths = np.einsum("ij,ij->i", features, features).astype(np.float64)
        self.distance = np.full(len(features), np.inf)
        self.owner = np.zeros(len(features), dtype=np.int64)
        self.centres = len(centres)
        for start in range(0, len(features) if self.centres else 0, BLOCK):
            block = slice(start, start + BLOCK)
            apart = _squared(features[block], centres)
            self.owner[block] = apart.argmin(axis=1)
            self.distance[block] = np.maximum(0.0, apart.min(axis=1))

    def add(self, centre: FloatArray) -> None:
        """A new centre takes the rows that are nearer to it than to any before."""
        ahead = self.lengths - 2.0 * (self.features @ centre) + float(centre @ centre)
        nearer = np.maximum(ahead, 0.0) < self.distance
        self.distance[nearer] = np.maximum(ahead[nearer], 0.0)
        self.owner[nearer] = self.centres
        self.centres += 1


def typicality(table: FloatArray, clusters: Indices) -> Array:
    """One over the mean distance to the nearest members of the own cluster."""
    worth = np.zeros(len(table))
    for cluster in np.unique(clusters):
        rows = np.flatnonzero(clusters == cluster)
        near = min(NEIGHBOURS, len(rows) - 1)
        if near > 0:
            apart = np.sqrt(np.maximum(0.0, _squared(table[rows], table[rows])))
            worth[rows] = 1.0 / np.maximum(1e-9, np.sort(apart, axis=1)[:, 1 : near + 1].mean(axis=1))
    return worth


def kmeans(table: FloatArray, count: int, rng: np.random.Generator) -> Indices:
    """Cluster, 0 and up, of each row: Lloyd's rounds from ``count`` k-means++ centres; empty ones vanish."""
    cover = Cover(table, table[[int(rng.integers(len(table)))]])
    while cover.centres < count and cover.distance.sum() > 0:
        row = int(rng.choice(len(table), p=cover.distance / cover.distance.sum()))
        cover.add(table[row])
    clusters = cover.owner
    for _ in range(KMEANS_ROUNDS):
        moved = _nearest(table, _means(table, clusters))
        if (moved == clusters).all():
            break
        clusters = moved
    return clusters


def _means(table: FloatArray, clusters: Indices) -> FloatArray:
    """Centres of the clusters that have members, in their order."""
    order = np.argsort(clusters, kind="stable")
    _names, starts, sizes = np.unique(clusters[order], return_index=True, return_counts=True)
    sums = np.add.reduceat(table[order], starts, axis=0)
    return np.asarray(sums / sizes[:, None], dtype=np.float32)


def _nearest(table: FloatArray, centres: FloatArray) -> Indices:
    blocks = range(0, len(table), BLOCK)
    found = [np.argmin(_squared(table[start : start + BLOCK], centres), axis=1) for start in blocks]
    return np.concatenate(found)


def _squared(a: FloatArray, b: FloatArray) -> Array:
    """Squared distances (N, M) of rows."""
    return np.asarray((a**2).sum(axis=1)[:, None] - 2.0 * (a @ b.T) + (b**2).sum(axis=1)[None], dtype=float)
