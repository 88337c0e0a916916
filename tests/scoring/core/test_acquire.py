"""Batches are informative, varied, repeatable, and agree with the reference where there is one."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from skactiveml.pool import CoreSet, GreedySamplingX, ProbCover, QueryByCommittee
from skactiveml.regressor import SklearnRegressor
from sklearn.linear_model import Ridge

from scoring import device
from scoring.core.acquire import BatchRules, Pool, Strategy, Taught, choose, posterior_features, sketch
from scoring.core.baselines import BALL_RADII, ball_radius, opinions_of
from scoring.core.head import Head, fit_head
from scoring.core.types import NotFiniteError

EVERY_STRATEGY = pytest.mark.parametrize("strategy", list(Strategy))
FREE = BatchRules(duplicate_cosine=2.0, floor=0.0, ceiling=1e9)


def pool_of(features: np.ndarray, *, categories: list[str] | None = None, seed: int = 0) -> Pool:
    rng = np.random.default_rng(seed)
    apart = rng.normal(size=(len(features), 32))
    return Pool(
        features=features.astype(np.float32),
        embeddings=(apart / np.linalg.norm(apart, axis=1, keepdims=True)).astype(np.float32),
        stds=np.linalg.norm(features, axis=1),
        categories=np.array(categories or ["mugs"] * len(features)),
        opinions=features @ rng.normal(size=(features.shape[1], 5)),
    )


def blobs(sizes: list[int], *, dimensions: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Tight groups far apart, and the group of each row."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(len(sizes)), sizes)
    centres = rng.normal(0, 10, (len(sizes), dimensions))
    return centres[group] + rng.normal(0, 0.3, (len(group), dimensions)), group


def rng_of(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@EVERY_STRATEGY
def test_the_same_seed_chooses_the_same_pictures_and_none_twice(strategy: Strategy) -> None:
    pool = pool_of(rng_of(1).normal(size=(200, 6)))
    first = choose(pool, count=40, strategy=strategy, rng=rng_of(3)).rows
    again = choose(pool, count=40, strategy=strategy, rng=rng_of(3)).rows
    assert first.tolist() == again.tolist()
    assert len(set(first.tolist())) == 40


@EVERY_STRATEGY
def test_near_duplicates_never_come_together(strategy: Strategy) -> None:
    pool = pool_of(rng_of(2).normal(size=(60, 5)))
    twins = Pool(
        np.concatenate([pool.features, pool.features * 1.001]),
        np.concatenate([pool.embeddings, pool.embeddings]),
        np.concatenate([pool.stds, pool.stds]),
        np.concatenate([pool.categories, pool.categories]),
        np.tile(np.arange(120.0)[:, None], 3) * [1, 2, 3],
    )
    chosen = choose(twins, count=120, strategy=strategy, rng=rng_of()).rows
    assert len(chosen) == 60
    assert len({int(row) % 60 for row in chosen}) == 60


@EVERY_STRATEGY
def test_no_category_starves_and_none_takes_the_batch(strategy: Strategy) -> None:
    """The large category is the uncertain one, the small one lies quietly in a corner, and the reverse."""
    features = np.concatenate([rng_of(1).normal(0, 5, (160, 4)), rng_of(2).normal(0, 0.1, (40, 4))])
    for loud in (features, features[::-1]):
        pool = pool_of(loud.copy(), categories=["shoes"] * 160 + ["mugs"] * 40)
        chosen = choose(pool, count=20, strategy=strategy, rng=rng_of(5)).rows
        mugs = int((pool.categories[chosen] == "mugs").sum())
        assert 2 <= mugs <= 8  # its share is 4 of 20; half to double of that


@EVERY_STRATEGY
def test_a_quota_is_kept_and_the_others_share_the_rest(strategy: Strategy) -> None:
    pool = pool_of(
        rng_of(1).normal(size=(200, 4)), categories=["shoes"] * 150 + ["mugs"] * 40 + ["pens"] * 10
    )
    rules = BatchRules(quotas={"mugs": 0.5})
    chosen = choose(pool, count=40, strategy=strategy, rng=rng_of(5), rules=rules).rows
    counts = {name: int((pool.categories[chosen] == name).sum()) for name in ("shoes", "mugs", "pens")}
    assert counts["mugs"] == 20
    assert counts["shoes"] + counts["pens"] == 20
    assert counts["shoes"] >= 9


def test_a_quota_larger_than_its_category_takes_all_of_it_and_the_batch_is_full() -> None:
    pool = pool_of(rng_of(1).normal(size=(60, 4)), categories=["shoes"] * 50 + ["mugs"] * 10)
    rules = BatchRules(quotas={"mugs": 0.9})
    chosen = choose(pool, count=30, strategy=Strategy.VARIANCE, rng=rng_of(5), rules=rules).rows
    assert len(chosen) == 30
    assert int((pool.categories[chosen] == "mugs").sum()) == 10


def test_farthest_first_agrees_with_the_reference() -> None:
    features = rng_of(4).normal(size=(150, 6)).astype(np.float32)
    labels = np.full(150, np.nan)
    labels[:5] = 1.0
    pool, taught = pool_of(features[5:]), Taught(features[:5], pool_of(features).embeddings[:5])
    mine = (
        choose(pool, count=20, strategy=Strategy.K_CENTRE, rng=rng_of(), taught=taught, rules=FREE).rows + 5
    )
    for theirs in (
        CoreSet(random_state=0).query(features, labels, batch_size=20),
        GreedySamplingX(random_state=0).query(features, labels, batch_size=20),
    ):
        assert mine.tolist() == list(theirs)


def test_lcmd_follows_its_pseudo_code() -> None:
    """Against a slow transcription of the paper's steps, training set included."""
    features = rng_of(6).normal(size=(80, 5))
    taught = rng_of(7).normal(size=(6, 5))
    centres, expected = list(taught), []
    for _ in range(15):
        distance = ((features[:, None, :] - np.array(centres)[None]) ** 2).sum(axis=2)
        owner, nearest = distance.argmin(axis=1), distance.min(axis=1)
        nearest[expected] = 0.0
        largest = max(range(len(centres)), key=lambda c: nearest[owner == c].sum())
        row = max(np.flatnonzero(owner == largest), key=lambda k: nearest[k])
        expected.append(int(row))
        centres.append(features[row])
    known = Taught(taught.astype(np.float32), np.zeros((6, 32), dtype=np.float32))
    mine = choose(
        pool_of(features), count=15, strategy=Strategy.LCMD, rng=rng_of(), taught=known, rules=FREE
    ).rows
    assert mine.tolist() == expected


def test_lcmd_starts_with_what_it_knows_least_and_spreads_out() -> None:
    features, group = blobs([50, 30, 20, 10])
    pool = pool_of(features)
    chosen = choose(pool, count=4, strategy=Strategy.LCMD, rng=rng_of(), rules=FREE).rows
    assert chosen[0] == int(np.argmax((features**2).sum(axis=1)))
    assert sorted(group[chosen]) == [0, 1, 2, 3]


def test_typical_pictures_of_the_largest_parts_come_first_and_outliers_last() -> None:
    features, group = blobs([60, 40, 20])
    lone = np.full((1, 8), 60.0)
    table = np.concatenate([features, lone])
    embeddings = (table / np.linalg.norm(table, axis=1, keepdims=True)).astype(np.float32)
    pool = Pool(table.astype(np.float32), embeddings, np.ones(121), np.array(["mugs"] * 121))
    chosen = choose(pool, count=3, strategy=Strategy.TYPICAL, rng=rng_of(1), rules=FREE).rows
    assert 120 not in chosen
    assert group[chosen].tolist() == [0, 1, 2]
    for row in chosen:  # nearer to its group's middle than most of the group
        mates = np.flatnonzero(group == group[row])
        apart = np.linalg.norm(embeddings[mates] - embeddings[mates].mean(axis=0), axis=1)
        assert apart[mates.tolist().index(row)] < np.median(apart)


def test_typical_passes_over_parts_that_have_labels() -> None:
    features, group = blobs([60, 40, 20])
    embeddings = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    pool = Pool(features.astype(np.float32), embeddings, np.ones(120), np.array(["mugs"] * 120))
    taught = Taught(pool.features[:1], pool.embeddings[:1])
    chosen = choose(pool, count=2, strategy=Strategy.TYPICAL, rng=rng_of(1), taught=taught, rules=FREE).rows
    assert sorted(group[chosen]) == [1, 2]


def test_uncertainty_takes_the_most_uncertain_in_order() -> None:
    pool = pool_of(rng_of(8).normal(size=(50, 4)))
    chosen = choose(pool, count=10, strategy=Strategy.UNCERTAINTY, rng=rng_of(), rules=FREE).rows
    assert all(pool.stds[a] >= pool.stds[b] for a, b in pairwise(chosen))
    assert set(chosen.tolist()) == set(np.argsort(-pool.stds)[:10].tolist())


def test_a_committee_is_asked_where_it_disagrees_as_in_the_reference() -> None:
    features = rng_of(14).normal(size=(90, 6))
    labels = np.full(90, np.nan)
    labels[:30] = features[:30, 0] + rng_of(15).normal(size=30)
    members, drawn = [], rng_of(16)
    for _ in range(4):
        rows = drawn.integers(0, 30, 30)
        members.append(SklearnRegressor(Ridge()).fit(features[rows], labels[rows]))
    theirs = QueryByCommittee(random_state=0).query(
        features, labels, ensemble=members, fit_ensemble=False, batch_size=10
    )
    pool = replace(
        pool_of(features[30:]), opinions=np.stack([each.predict(features[30:]) for each in members], axis=1)
    )
    mine = choose(pool, count=10, strategy=Strategy.COMMITTEE, rng=rng_of(), rules=FREE).rows + 30
    assert mine.tolist() == list(theirs)
    with pytest.raises(ValueError, match="no opinions"):
        choose(replace(pool, opinions=None), count=2, strategy=Strategy.COMMITTEE, rng=rng_of())


def test_members_of_a_committee_agree_where_labels_are_and_differ_far_from_them() -> None:
    vectors = rng_of(17).normal(size=(60, 5)).astype(np.float32)
    overall = 50 + 10 * vectors[:, 0] + rng_of(18).normal(0, 3, 60)
    table = np.concatenate([vectors[:20], 6 * vectors[:20]])
    said = opinions_of(table, vectors=vectors, overall=overall, rng=rng_of(19))
    assert said.shape == (40, 8)
    assert said[:20].mean(axis=1) == pytest.approx(50 + 10 * vectors[:20, 0], abs=4)
    assert said[20:].std(axis=1).mean() > 3 * said[:20].std(axis=1).mean()


def test_badge_draws_from_every_part_and_long_rows_first() -> None:
    features, group = blobs([90, 40, 20, 10], seed=3)
    pool = pool_of(features)
    seen = [
        choose(pool, count=4, strategy=Strategy.BADGE, rng=rng_of(seed), rules=FREE).rows
        for seed in range(20)
    ]
    assert {int(rows[0]) for rows in seen} == {int(np.argmax((features**2).sum(axis=1)))}
    assert sum(sorted(group[rows]) == [0, 1, 2, 3] for rows in seen) >= 15
    assert len({int(rows[1]) for rows in seen}) > 5  # drawn, not the farthest


@pytest.mark.filterwarnings("ignore:The maximum purity")  # of the reference, where one radius is given
def test_covering_with_balls_agrees_with_the_reference() -> None:
    features, _group = blobs([40, 30, 20, 10], dimensions=6)
    features += rng_of(20).normal(0, 3, features.shape)
    unit = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    radius = ball_radius(unit[5:], rng_of(21))
    assert float(BALL_RADII[0]) <= radius < float(BALL_RADII[-1])
    labels = np.full(100, np.nan)
    labels[:5] = 1.0
    theirs, worth = ProbCover(n_classes=2, deltas=[radius], random_state=0).query(
        unit.astype(np.float64), labels, batch_size=8, return_utilities=True
    )
    pool = Pool(unit[5:], unit[5:], np.ones(95), np.array(["mugs"] * 95))
    known = Taught(unit[:5], unit[:5])
    mine = choose(pool, count=8, strategy=Strategy.COVER, rng=rng_of(21), taught=known, rules=FREE).rows + 5
    assert worth[0][mine[0]] == np.nanmax(worth[0])
    near = np.linalg.norm(unit[:, None] - unit[None], axis=2) <= radius
    covered = [near[[*range(5), *rows]].any(axis=0).sum() for rows in (mine, theirs)]
    assert covered[0] >= covered[1] - 1  # equals may be taken in another order


def fitted_head(width: int = 12) -> Head:
    vectors = rng_of(9).normal(size=(40, width)).astype(np.float32)
    return fit_head(vectors=vectors, overall=50 + 10 * vectors[:, 0], feature_version="v")


def test_squared_lengths_of_posterior_features_are_what_the_head_does_not_know() -> None:
    head = fitted_head()
    vectors = rng_of(10).normal(size=(30, 12)).astype(np.float32)
    lengths = (posterior_features(head, vectors) ** 2).sum(axis=1)
    assert lengths == pytest.approx(head.predict(vectors).epistemic_var, rel=1e-4)


def test_the_shipped_head_gives_posterior_features_too() -> None:
    head = device.base_head()
    vectors = rng_of(11).normal(size=(20, len(head.mean))).astype(np.float32)
    lengths = (posterior_features(head, vectors) ** 2).sum(axis=1)
    assert lengths == pytest.approx(head.predict(vectors).epistemic_var, rel=1e-3)


def test_a_sketch_keeps_distances_of_what_lies_in_few_directions() -> None:
    features = (rng_of(12).normal(size=(100, 3)) @ rng_of(13).normal(size=(3, 40))).astype(np.float32)
    others = features[:5] * 2
    small, small_others = sketch(features, width=4, others=others)
    assert small.shape == (100, 4)
    assert ((small - small[0]) ** 2).sum(axis=1) == pytest.approx(
        ((features - features[0]) ** 2).sum(axis=1), rel=1e-3, abs=1e-3
    )
    assert small_others == pytest.approx(small[:5] * 2, rel=1e-3, abs=1e-3)


def test_numbers_that_are_not_finite_are_refused_by_name() -> None:
    features = np.ones((4, 2))
    features[1, 0] = np.nan
    with pytest.raises(NotFiniteError, match="features"):
        pool_of(features)


def test_an_empty_pool_gives_an_empty_batch() -> None:
    pool = pool_of(np.zeros((0, 3)))
    assert choose(pool, count=5, strategy=Strategy.LCMD, rng=rng_of()).rows.tolist() == []
