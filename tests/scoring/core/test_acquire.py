"""Batches are informative, varied, repeatable, and agree with the reference where there is one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from skactiveml.pool import CoreSet, GreedySamplingX

from scoring import device
from scoring.core.acquire import BatchRules, Pool, Strategy, Taught, choose, posterior_features, sketch
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
    first = choose(pool, count=40, strategy=strategy, rng=rng_of(3))
    again = choose(pool, count=40, strategy=strategy, rng=rng_of(3))
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
    )
    chosen = choose(twins, count=120, strategy=strategy, rng=rng_of())
    assert len(chosen) == 60
    assert len({int(row) % 60 for row in chosen}) == 60


@EVERY_STRATEGY
def test_no_category_starves_and_none_takes_the_batch(strategy: Strategy) -> None:
    """The large category is the uncertain one, the small one lies quietly in a corner, and the reverse."""
    features = np.concatenate([rng_of(1).normal(0, 5, (160, 4)), rng_of(2).normal(0, 0.1, (40, 4))])
    for loud in (features, features[::-1]):
        pool = pool_of(loud.copy(), categories=["shoes"] * 160 + ["mugs"] * 40)
        chosen = choose(pool, count=20, strategy=strategy, rng=rng_of(5))
        mugs = int((pool.categories[chosen] == "mugs").sum())
        assert 2 <= mugs <= 8  # its share is 4 of 20; half to double of that


@EVERY_STRATEGY
def test_a_quota_is_kept_and_the_others_share_the_rest(strategy: Strategy) -> None:
    pool = pool_of(
        rng_of(1).normal(size=(200, 4)), categories=["shoes"] * 150 + ["mugs"] * 40 + ["pens"] * 10
    )
    rules = BatchRules(quotas={"mugs": 0.5})
    chosen = choose(pool, count=40, strategy=strategy, rng=rng_of(5), rules=rules)
    counts = {name: int((pool.categories[chosen] == name).sum()) for name in ("shoes", "mugs", "pens")}
    assert counts["mugs"] == 20
    assert counts["shoes"] + counts["pens"] == 20
    assert counts["shoes"] >= 9


def test_a_quota_larger_than_its_category_takes_all_of_it_and_the_batch_is_full() -> None:
    pool = pool_of(rng_of(1).normal(size=(60, 4)), categories=["shoes"] * 50 + ["mugs"] * 10)
    rules = BatchRules(quotas={"mugs": 0.9})
    chosen = choose(pool, count=30, strategy=Strategy.VARIANCE, rng=rng_of(5), rules=rules)
    assert len(chosen) == 30
    assert int((pool.categories[chosen] == "mugs").sum()) == 10


def test_farthest_first_agrees_with_the_reference() -> None:
    features = rng_of(4).normal(size=(150, 6)).astype(np.float32)
    labels = np.full(150, np.nan)
    labels[:5] = 1.0
    pool, taught = pool_of(features[5:]), Taught(features[:5], pool_of(features).embeddings[:5])
    mine = choose(pool, count=20, strategy=Strategy.K_CENTRE, rng=rng_of(), taught=taught, rules=FREE) + 5
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
    mine = choose(pool_of(features), count=15, strategy=Strategy.LCMD, rng=rng_of(), taught=known, rules=FREE)
    assert mine.tolist() == expected


def test_lcmd_starts_with_what_it_knows_least_and_spreads_out() -> None:
    features, group = blobs([50, 30, 20, 10])
    pool = pool_of(features)
    chosen = choose(pool, count=4, strategy=Strategy.LCMD, rng=rng_of(), rules=FREE)
    assert chosen[0] == int(np.argmax((features**2).sum(axis=1)))
    assert sorted(group[chosen]) == [0, 1, 2, 3]


def test_typical_pictures_of_the_largest_parts_come_first_and_outliers_last() -> None:
    features, group = blobs([60, 40, 20])
    lone = np.full((1, 8), 60.0)
    table = np.concatenate([features, lone])
    embeddings = (table / np.linalg.norm(table, axis=1, keepdims=True)).astype(np.float32)
    pool = Pool(table.astype(np.float32), embeddings, np.ones(121), np.array(["mugs"] * 121))
    chosen = choose(pool, count=3, strategy=Strategy.TYPICAL, rng=rng_of(1), rules=FREE)
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
    chosen = choose(pool, count=2, strategy=Strategy.TYPICAL, rng=rng_of(1), taught=taught, rules=FREE)
    assert sorted(group[chosen]) == [1, 2]


def test_uncertainty_takes_the_most_uncertain_in_order() -> None:
    pool = pool_of(rng_of(8).normal(size=(50, 4)))
    chosen = choose(pool, count=10, strategy=Strategy.UNCERTAINTY, rng=rng_of(), rules=FREE)
    assert all(pool.stds[a] >= pool.stds[b] for a, b in pairwise(chosen))
    assert set(chosen.tolist()) == set(np.argsort(-pool.stds)[:10].tolist())


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
    assert choose(pool, count=5, strategy=Strategy.LCMD, rng=rng_of()).tolist() == []
