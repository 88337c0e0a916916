"""The votes a crowd would give: sums, order, width, and what is refused."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from scoring.core.foretold import SPREAD, opinion_std, vote_shares, votes_of
from scoring.core.types import Prediction

SCORES = np.linspace(0.0, 100.0, 401)
STDS = (0.0, 5.0, 12.0, 40.0)
GRADES = np.arange(5) * 25.0


def shares(std: float) -> np.ndarray:
    return vote_shares(SCORES, np.full(len(SCORES), std))


def mean_and_std(votes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean = votes @ GRADES
    return mean, np.sqrt(votes @ GRADES**2 - mean**2)


@pytest.mark.parametrize("std", STDS)
def test_shares_are_shares_and_sum_to_one_for_every_score(std: float) -> None:
    found = shares(std)
    assert found.shape == (401, 5)
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-12)


@pytest.mark.parametrize("std", STDS)
def test_a_better_score_never_foretells_more_votes_below_any_grade(std: float) -> None:
    below = shares(std).cumsum(axis=1)[:, :4]
    assert (np.diff(below, axis=0) <= 1e-12).all()
    assert (below[0] > below[-1]).all()


def test_the_less_sure_the_model_the_further_the_votes_differ() -> None:
    widths = [mean_and_std(shares(std))[1] for std in STDS]
    for narrower, wider in pairwise(widths):
        assert (wider > narrower).all()


def test_the_mean_of_the_votes_is_the_score_the_ends_apart() -> None:
    mean, _ = mean_and_std(shares(6.0))
    away = np.abs(mean - SCORES)
    assert away[(SCORES >= 20) & (SCORES <= 80)].max() < 1.0
    assert away.max() < 3.0  # towards the ends the cut pulls the votes inwards


def test_people_differ_most_in_the_middle_and_not_at_all_at_the_ends() -> None:
    assert opinion_std([0.0, 50.0, 100.0]).tolist() == [0.0, pytest.approx(50 * SPREAD**0.5), 0.0]
    assert votes_of(0.0, 0.0) == (1.0, 0.0, 0.0, 0.0, 0.0)
    assert votes_of(100.0, 0.0) == (0.0, 0.0, 0.0, 0.0, 1.0)
    assert votes_of(30.0, 7.0) == pytest.approx(votes_of(70.0, 7.0)[::-1])


def test_no_pictures_have_no_shares() -> None:
    assert vote_shares([], []).shape == (0, 5)


@pytest.mark.parametrize(
    ("score", "std", "why"),
    [
        (float("nan"), 1.0, "score is no finite"),
        (50.0, float("nan"), "std is no finite"),
        (50.0, float("inf"), "std is no finite"),
        (50.0, -1.0, "negative"),
        (100.5, 1.0, "outside 0-100"),
    ],
)
def test_what_is_no_score_or_no_std_is_refused(score: float, std: float, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        vote_shares([50.0, score], [1.0, std])


def test_a_prediction_tells_its_votes() -> None:
    told = Prediction(62.5, 8.0, 50.0, 75.0, dimensions={}, findings=())
    assert told.votes_expected == votes_of(62.5, 8.0)
    assert max(told.votes_expected) == pytest.approx(told.votes_expected[3])
