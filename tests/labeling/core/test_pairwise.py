"""Comparisons are Bradley–Terry, and beside ratings they only ever add what they know."""

from __future__ import annotations

import choix
import numpy as np
import pytest

from bench.compare import simulate
from bench.consensus import Setting, srcc
from labeling.core.consensus import Prior
from labeling.core.pairwise import (
    CANNOT_SAY,
    LEFT,
    RIGHT,
    Belief,
    Choices,
    Scale,
    chances,
    fit,
    fuse,
    scale_of,
    usual_gain_of,
)

PRIOR = Prior(mos=3.0, std=0.6, noise_std=0.7, bias_std=0.3)
PLAIN = Scale(step=1.0, tie=0.0)


def games(seed: int, players: int = 12, count: int = 200) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Who beat whom, by strengths that are drawn from a normal."""
    rng = np.random.default_rng(seed)
    strength = rng.normal(size=players)
    found = []
    for _ in range(count):
        one, other = rng.choice(players, 2, replace=False)
        wins = rng.random() < 1 / (1 + np.exp(strength[other] - strength[one]))
        found.append((int(one), int(other)) if wins else (int(other), int(one)))
    return strength, found


def choices_of(rows: list[tuple[int, int, int]], gain: float = 1.0) -> Choices:
    left, right, answer = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return Choices(left, right, answer, np.full(len(rows), gain))


def rated(mean: list[float], std: list[float]) -> Belief:
    return Belief(np.array(mean), np.array(std) ** 2)


@pytest.mark.parametrize("penalty", [0.05, 0.5, 2.0])
def test_without_ties_it_is_the_penalised_bradley_terry_of_choix(penalty: float) -> None:
    _strength, won = games(1)
    ours = fit(
        Belief(np.zeros(12), np.full(12, 1 / (2 * penalty))),
        choices_of([(winner, loser, LEFT) for winner, loser in won]),
        scale=PLAIN,
    )
    assert ours.mean == pytest.approx(choix.opt_pairwise(12, won, alpha=penalty), abs=1e-5)


def test_the_side_a_picture_lies_on_does_not_matter() -> None:
    _strength, won = games(2)
    prior = Belief(np.zeros(12), np.ones(12))
    straight = fit(prior, choices_of([(winner, loser, LEFT) for winner, loser in won]), scale=PLAIN)
    mirrored = fit(prior, choices_of([(loser, winner, RIGHT) for winner, loser in won]), scale=PLAIN)
    assert mirrored.mean == pytest.approx(straight.mean, abs=1e-6)


def test_the_uncertainty_is_that_of_expectation_propagation() -> None:
    _strength, won = games(3)
    mean, covariance = choix.ep_pairwise(12, won, 1.0, model="logit")
    ours = fit(
        Belief(np.zeros(12), np.ones(12)),
        choices_of([(winner, loser, LEFT) for winner, loser in won]),
        scale=PLAIN,
    )
    assert np.sqrt(ours.var) == pytest.approx(np.sqrt(np.diag(covariance)), rel=0.03)
    assert ours.mean == pytest.approx(mean, abs=0.15)


def test_the_three_answers_share_one_probability_and_mirror_each_other() -> None:
    apart = np.linspace(-3, 3, 13)
    left, tie, right = chances(apart, scale=Scale())
    assert left + tie + right == pytest.approx(np.ones(13))
    assert left == pytest.approx(right[::-1])
    assert tie.argmax() == 6


def test_without_comparisons_a_label_stays_the_ratings_to_the_digit() -> None:
    before = rated([2.0, 3.0, 4.0, 1.5], [0.4, 0.4, 0.4, 0.4])
    after = fuse(before, choices_of([(0, 1, RIGHT)]), scale=Scale(), prior=PRIOR)
    assert (after.mean[2:] == before.mean[2:]).all()
    assert (after.var[2:] == before.var[2:]).all()
    assert fuse(before, choices_of([]), scale=Scale(), prior=PRIOR) is before


def test_the_better_picture_goes_up_the_other_down_and_both_intervals_narrow() -> None:
    before = rated([3.0, 3.0], [0.4, 0.4])
    after = fuse(before, choices_of([(0, 1, LEFT), (0, 1, LEFT)]), scale=Scale(), prior=PRIOR)
    assert after.mean[0] > 3.05
    assert after.mean[1] < 2.95
    assert (after.var < before.var).all()


def test_cannot_say_draws_two_pictures_together() -> None:
    before = rated([2.6, 3.4], [0.4, 0.4])
    after = fuse(before, choices_of([(0, 1, CANNOT_SAY)] * 2), scale=Scale(), prior=PRIOR)
    assert 2.6 < after.mean[0] < after.mean[1] < 3.4


def test_a_picture_nobody_rated_is_a_weak_opponent() -> None:
    known = fuse(rated([3, 3], [0.4, 0.1]), choices_of([(0, 1, LEFT)]), scale=Scale(), prior=PRIOR)
    stranger = Belief(np.array([3.0, 0.0]), np.array([0.16, np.inf]))
    weak = fuse(stranger, choices_of([(0, 1, LEFT)]), scale=Scale(), prior=PRIOR)
    assert weak.var[0] > known.var[0]
    assert np.isfinite(weak.mean).all()


def test_somebody_who_does_not_look_moves_nothing() -> None:
    before = rated([3.0, 3.4], [0.4, 0.4])
    after = fuse(before, choices_of([(0, 1, LEFT)] * 5, gain=0.0), scale=Scale(), prior=PRIOR)
    assert after.mean == pytest.approx(before.mean)
    assert after.var == pytest.approx(before.var)


def test_it_tells_who_looks_and_how_far_a_step_is() -> None:
    rng = np.random.default_rng(5)
    truth = rng.normal(3.0, 0.6, 80)
    left, right = rng.integers(0, 80, (2, 1200))
    left, right = left[left != right], right[left != right]
    raters = rng.integers(0, 6, len(left))
    chance = np.array(chances(truth[left] - truth[right], scale=Scale(step=0.3, tie=0.5)))
    said = 1 - (rng.random(len(left)) > np.cumsum(chance, axis=0)).sum(axis=0)
    said = np.where(raters == 5, rng.integers(-1, 2, len(left)), said)
    choices = Choices(left, right, said, np.ones(len(left)))
    belief = Belief(truth + rng.normal(0, 0.3, 80), np.full(80, 0.09))
    scale, gains = scale_of(belief, choices, raters, np.ones(6), prior=PRIOR)
    assert scale.step == pytest.approx(0.3, rel=0.4)
    assert gains[5] < 0.3 < 0.7 < gains[:5].min()


def test_the_eye_for_pairs_is_first_told_from_the_ratings() -> None:
    gains = usual_gain_of(np.array([1.0, 0.0, 1.0]), np.array([0.7, 0.7, 0.1]), 0.7)
    assert gains.tolist() == pytest.approx([1.0, 0.0, 1.6])


@pytest.mark.parametrize("careless", [0.0, 0.25])
def test_labels_with_comparisons_are_better_than_ratings_alone_and_as_honest(careless: float) -> None:
    found = [simulate(Setting(120, 10, 3, careless), seed) for seed in range(3)]
    gains = [srcc(after.mean, votes.truth) - srcc(before.mean, votes.truth) for votes, before, after in found]
    assert min(gains) >= 0
    assert np.mean(gains) > 0.01
    assert all((after.var <= before.var + 1e-9).all() for _votes, before, after in found)
    inside = [np.abs(after.mean - votes.truth) < 1.96 * np.sqrt(after.var) for votes, _before, after in found]
    assert 0.9 < np.mean(inside) < 0.99


def test_comparisons_by_random_keys_hardly_move_a_label() -> None:
    found = [simulate(Setting(120, 10, 3, 0.0), seed, careless_at_pairs=1.0) for seed in range(3)]
    losses = [
        srcc(before.mean, votes.truth) - srcc(after.mean, votes.truth) for votes, before, after in found
    ]
    assert np.mean(losses) < 0.03


def test_what_is_no_comparison_is_refused() -> None:
    with pytest.raises(ValueError, match="itself"):
        choices_of([(1, 1, LEFT)])
    with pytest.raises(ValueError, match="left, can't say or right"):
        choices_of([(0, 1, 2)])
    with pytest.raises(ValueError, match="equally many"):
        Choices(np.array([0]), np.array([1]), np.array([1]), np.ones(2))
