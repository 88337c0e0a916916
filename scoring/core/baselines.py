"""What choosing was measured against: the strategies people would try first, from their papers.

Typical pictures of every part of the catalogue (TypiClust, Hacohen et al., arXiv 2202.02794) or as many
covered as can be (ProbCover, Yehuda et al., arXiv 2205.11320); LCMD, the largest cluster's farthest member,
on features scaled by the head's posterior, so that squared distances are what the model does not know
(Holzmüller et al., arXiv 2203.09410); BADGE's draw on the same features (Ash et al., arXiv 1906.03671); a
committee that disagrees (Seung et al. 1992); what lowers the variance of the whole pool most (``design.py``),
which the queue asked for before it herded; farthest first; the most uncertain; chance.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from scoring.core.batch import Array, Batch, Mask, Taught
from scoring.core.clusters import Cover, kmeans, typicality
from scoring.core.design import PoolVariance, precision_of
from scoring.core.fits import fit_level
from scoring.core.types import FloatArray

SMALLEST_CLUSTER = 5
MOST_CLUSTERS = 500
COMMITTEE = 8
BALL_PURITY = 0.95  # of the balls of ProbCover: so many hold pictures of one cluster only
BALL_CLUSTERS = 20
BALL_RADII = np.linspace(0.05, 1.0, 20)  # between unit embeddings
BLOCK = 1024


def opinions_of(
    table: FloatArray,
    *,
    vectors: FloatArray,
    overall: Array,
    rng: np.random.Generator,
    members: int = COMMITTEE,
) -> Array:
    """What a committee says of ``table`` (N, F): (N, K), each member a ridge on labels drawn anew.

    ``vectors`` (M, F) with labels ``overall`` (M,), drawn with replacement (Abe and Mamitsuka 1998).
    """
    said = []
    for _ in range(members):
        drawn = rng.integers(0, len(overall), len(overall))
        mean, level = vectors[drawn].mean(axis=0), float(overall[drawn].mean())
        rows = (vectors[drawn] - mean).astype(np.float64)
        fit = fit_level(rows, overall[drawn] - level, np.ones(len(drawn)))
        said.append((table - mean) @ fit.coefficients + fit.intercept + level)
    return np.stack(said, axis=1)


def fill_in_order(batch: Batch, worth: Array) -> None:
    """Take the open row of highest worth, again and again."""
    for rows in batch.turns():
        batch.take(int(np.argmax(np.where(rows, worth, -np.inf))))


def fill_at_random(batch: Batch, _taught: Taught, rng: np.random.Generator) -> None:
    fill_in_order(batch, rng.random(len(batch.pool)))


def fill_by_uncertainty(batch: Batch, _taught: Taught, _rng: np.random.Generator) -> None:
    fill_in_order(batch, batch.pool.stds)


def fill_by_k_centre(batch: Batch, taught: Taught, _rng: np.random.Generator) -> None:
    """Farthest first (Sener and Savarese, arXiv 1708.00489): the baseline that likes outliers."""
    cover = Cover(batch.pool.features, taught.features)
    for rows in batch.turns():
        worth = cover.distance if cover.centres else cover.lengths
        row = int(np.argmax(np.where(rows, worth, -np.inf)))
        batch.take(row)
        cover.add(batch.pool.features[row])


def fill_by_lcmd(batch: Batch, taught: Taught, _rng: np.random.Generator) -> None:
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


def fill_by_typicality(batch: Batch, taught: Taught, rng: np.random.Generator) -> None:
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


def fill_by_committee(batch: Batch, _taught: Taught, _rng: np.random.Generator) -> None:
    """Those over which the members of a committee differ most."""
    if batch.pool.opinions is None:
        raise ValueError("a committee was to be asked, but the pool holds no opinions")
    fill_in_order(batch, batch.pool.opinions.var(axis=1))


def fill_by_badge(batch: Batch, _taught: Taught, rng: np.random.Generator) -> None:
    """As k-means++ draws centres: the longest row, then by squared distance to the nearest one chosen.

    BADGE's rows are gradients of the last layer. Of a squared loss the expected gradient is the feature times
    its doubt, which rows scaled by the posterior stand for.
    """
    cover = Cover(batch.pool.features, batch.pool.features[:0])
    for rows in batch.turns():
        worth = np.where(rows, cover.distance if cover.centres else cover.lengths, 0.0)
        if not cover.centres or not worth.sum() > 0:
            row = int(np.argmax(np.where(rows, cover.lengths, -np.inf)))
        else:
            row = int(rng.choice(len(worth), p=worth / worth.sum()))
        batch.take(row)
        cover.add(batch.pool.features[row])


def fill_by_variance(batch: Batch, taught: Taught, _rng: np.random.Generator) -> None:
    """The picture whose label lowers the mean variance of the whole pool most, again and again."""
    precision = float(precision_of(batch.rules.votes))
    pool = PoolVariance(batch.pool.features, taught.features, np.full(len(taught.features), precision))
    for rows in batch.turns():
        row = int(np.argmax(np.where(rows, pool.gains(precision), -np.inf)))
        batch.take(row)
        pool.add(batch.pool.features[row], precision)


def fill_by_cover(batch: Batch, taught: Taught, rng: np.random.Generator) -> None:
    """The picture whose ball holds most that no labelled or chosen one's ball does, again and again."""
    pool = batch.pool.embeddings
    radius = ball_radius(pool, rng)
    near = _within(pool, pool, radius)
    is_covered = np.asarray(_within(pool, taught.embeddings, radius).sum(axis=1)).ravel() > 0
    chance = rng.random(len(pool)) / 2  # among equals
    for rows in batch.turns():
        gains = near @ (~is_covered).astype(np.float64) + chance
        row = int(np.argmax(np.where(rows, gains, -np.inf)))
        batch.take(row)
        is_covered[near.indices[near.indptr[row] : near.indptr[row + 1]]] = True


def ball_radius(embeddings: FloatArray, rng: np.random.Generator) -> float:
    """The widest radius at which nearly all balls hold pictures of one cluster only."""
    clusters = kmeans(embeddings, min(BALL_CLUSTERS, len(embeddings)), rng)
    best = float(BALL_RADII[0])
    for radius in BALL_RADII.tolist():
        near = _within(embeddings, embeddings, radius).tocoo()
        is_mixed = np.zeros(len(embeddings), dtype=bool)
        is_mixed[near.row[clusters[near.row] != clusters[near.col]]] = True
        if 1.0 - is_mixed.mean() < BALL_PURITY:
            break
        best = radius
    return best


def _within(rows: FloatArray, others: FloatArray, radius: float) -> sparse.csr_array:
    """Which of ``others`` (M, E) lie within ``radius`` of ``rows`` (N, E); all are of unit length."""
    least = 1.0 - radius**2 / 2.0
    parts = [rows[start : start + BLOCK] @ others.T >= least for start in range(0, len(rows), BLOCK)]
    table = np.concatenate(parts) if parts else np.zeros((0, len(others)), dtype=bool)
    return sparse.csr_array(table)
