"""Votes become a label: the generous are corrected, the careless hardly heard, nobody trusted blindly."""

from __future__ import annotations

import numpy as np
import pytest

from bench.consensus import Setting, plain_mean, srcc, sureal, votes_of
from labeling.core.consensus import Prior, Rater, interval_of, label_of, solve, unknown_rater

GOOD = Rater(bias=0.0, gain=1.0, noise_std=0.5, bias_std=0.1)
CARELESS = Rater(bias=0.0, gain=0.05, noise_std=1.4, bias_std=0.2)


def test_the_votes_of_strangers_make_their_mean() -> None:
    prior = Prior()
    label = label_of([(4, unknown_rater(prior)), (5, unknown_rater(prior))], prior=prior)
    assert label.mos == pytest.approx(4.5)
    assert label.std_error == pytest.approx(np.hypot(prior.noise_std, prior.bias_std) / np.sqrt(2))
    assert (label.ci_low, label.ci_high) == (pytest.approx(4.5 - 1.96 * label.std_error, abs=1e-4), 5.0)


def test_more_votes_narrow_the_interval() -> None:
    prior = Prior()
    errors = [label_of([(3, unknown_rater(prior))] * n, prior=prior).std_error for n in (1, 4, 16)]
    assert errors[0] == pytest.approx(2 * errors[1])
    assert errors[1] == pytest.approx(2 * errors[2])


def test_a_generous_person_is_corrected() -> None:
    generous = Rater(bias=1.0, gain=1.0, noise_std=0.5, bias_std=0.1)
    assert label_of([(5, generous), (4, GOOD)], prior=Prior()).mos == pytest.approx(4.0)


def test_a_careless_person_hardly_counts_beside_a_good_one() -> None:
    assert label_of([(4, GOOD), (1, CARELESS)], prior=Prior()).mos == pytest.approx(4.0, abs=0.1)


def test_what_only_careless_people_saw_lies_near_the_middle_and_is_known_to_be_unsure() -> None:
    prior = Prior(mos=3.4, std=0.8)
    label = label_of([(1, CARELESS), (1, CARELESS)], prior=prior)
    assert 3.2 < label.mos < 3.4
    assert label.std_error > 0.75


def test_a_label_stays_on_the_scale() -> None:
    harsh = Rater(bias=-1.0, gain=1.0, noise_std=0.5, bias_std=0.1)
    label = label_of([(5, harsh)], prior=Prior())
    assert (label.mos, label.ci_high) == (5.0, 5.0)
    assert interval_of(0.2, 0.1).mos == 1.0


def test_a_label_needs_a_vote_and_a_solve_needs_numbers() -> None:
    with pytest.raises(ValueError, match="vote"):
        label_of([], prior=Prior())
    empty = np.array([], dtype=np.int64)
    with pytest.raises(ValueError, match="at least one"):
        solve(empty, empty, [])
    with pytest.raises(ValueError, match="number"):
        solve(np.array([0]), np.array([0]), [float("nan")])


def test_the_solve_finds_who_is_generous_and_who_is_careless() -> None:
    rng = np.random.default_rng(3)
    truth = rng.normal(3, 0.7, 300)
    items, raters = np.divmod(np.arange(300 * 5), 5)
    bias = np.array([0.6, 0.0, -0.6, 0.0, 0.0])
    meant = truth[items] + bias[raters] + rng.normal(0, 0.5, len(items))
    ratings = np.where(raters == 4, rng.integers(1, 6, len(items)), np.clip(np.round(meant), 1, 5))
    found = solve(items, raters, ratings)
    middle = np.mean([found.raters[k].bias for k in (0, 1, 2, 3)])
    for k in range(4):
        assert found.raters[k].bias - middle == pytest.approx(bias[k], abs=0.12)
        assert found.raters[k].gain == pytest.approx(1.0, abs=0.2)
        assert found.raters[k].noise_std < 0.75
    assert found.raters[4].gain < 0.3
    assert found.raters[4].information < 0.05 * found.raters[0].information
    assert [rater.vote_count for rater in found.raters] == [300] * 5


def test_one_item_settled_alone_gets_the_label_of_the_solve() -> None:
    votes = votes_of(Setting(60, 8, 4, 0.25), np.random.default_rng(5))
    found = solve(votes.items, votes.raters, votes.ratings)
    for item in (0, 17, 59):
        mine = votes.items == item
        pairs = zip(votes.ratings[mine], votes.raters[mine], strict=True)
        label = label_of([(vote, found.raters[rater]) for vote, rater in pairs], prior=found.prior)
        assert label.mos == pytest.approx(found.mos[item])
        assert label.std_error == pytest.approx(found.std_error[item])


@pytest.mark.parametrize("careless", [0.0, 0.25])
@pytest.mark.parametrize("votes_each", [3, 5])
def test_labels_rank_pictures_no_worse_than_the_mean_and_than_sureal(
    votes_each: int, careless: float
) -> None:
    gains = []
    for seed in range(6):
        votes = votes_of(Setting(200, 12, votes_each, careless), np.random.default_rng(seed))
        ours = srcc(solve(votes.items, votes.raters, votes.ratings).mos, votes.truth)
        gains.append(
            ours - np.array([srcc(plain_mean(votes), votes.truth), srcc(sureal(votes), votes.truth)])
        )
    assert np.mean(gains, axis=0).min() > 0


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    inside = []
    for seed in range(10):
        votes = votes_of(Setting(200, 12, 3, 0.25), np.random.default_rng(seed))
        found = solve(votes.items, votes.raters, votes.ratings)
        inside.append(np.mean(np.abs(found.mos - votes.truth) < 1.96 * found.std_error))
    assert 0.93 < np.mean(inside) < 0.97


@pytest.mark.parametrize(
    ("items", "raters", "ratings"),
    [([0], [0], [4]), ([0, 0], [0, 1], [5, 5]), ([0, 1, 2], [0, 0, 0], [5, 5, 5]), ([0, 0], [0, 1], [1, 5])],
)
def test_a_handful_of_votes_gives_sober_numbers(
    items: list[int], raters: list[int], ratings: list[int]
) -> None:
    found = solve(np.array(items), np.array(raters), ratings)
    assert np.isfinite(found.mos).all()
    assert found.std_error.min() > 0.3
    assert found.std_error.max() < 1.5
    assert all(0.4 < rater.noise_std < 1.5 and abs(rater.bias) < 1 for rater in found.raters)


def test_forty_thousand_votes_take_seconds() -> None:
    votes = votes_of(Setting(10_000, 40, 4, 0.1), np.random.default_rng(0))
    found = solve(votes.items, votes.raters, votes.ratings)
    assert srcc(found.mos, votes.truth) > 0.75
