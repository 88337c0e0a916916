"""A label's worth is the variance it takes from the pool: as the reference says, and as it adds up."""

from __future__ import annotations

import numpy as np
import pytest
from skactiveml.pool import ExpectedModelVarianceReduction
from skactiveml.regressor import SklearnNormalRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

from scoring.core.design import PoolVariance, kernel_features, precision_of, votes_worth, worth_again

LABEL = float(precision_of(3))


def table(rows: int, width: int = 6, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)


def rng_of(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def brute(rows: np.ndarray, taught: np.ndarray, precisions: np.ndarray) -> float:
    """Mean posterior variance of the rows, straight from the Gaussian process."""
    inner = taught @ taught.T + np.diag(1 / precisions)
    across = rows @ taught.T
    return float(((rows**2).sum(axis=1) - (across @ np.linalg.solve(inner, across.T)).diagonal()).mean())


def test_kernel_features_give_the_kernel_back_where_all_rows_are_landmarks() -> None:
    rows, others = table(60), table(5, seed=1)
    mine, theirs = kernel_features(rows, others, rng_of())
    assert (mine @ mine.T).diagonal() == pytest.approx(1.0, abs=2e-3)
    apart = ((rows[:, None] - rows[None]) ** 2).sum(axis=2)
    length = np.median(apart[np.triu_indices(60, 1)])
    assert mine @ mine.T == pytest.approx(np.exp(-apart / (2 * length)), abs=2e-3)
    assert theirs.shape == (5, 60)


def test_fewer_landmarks_keep_most_of_the_variance() -> None:
    mine, _ = kernel_features(table(400), table(3), rng_of(), landmarks=120)
    assert mine.shape == (400, 120)
    assert float((mine**2).sum(axis=1).mean()) > 0.8


def test_variance_left_and_gains_are_those_of_the_gaussian_process() -> None:
    rows, taught = table(40), table(7, seed=1)
    precisions = rng_of(2).uniform(0.5, 5.0, 7)
    pool = PoolVariance(rows, taught, precisions)
    assert pool.left == pytest.approx(brute(rows, taught, precisions), rel=1e-4)
    gains = pool.gains(LABEL)
    for row in (0, 11, 39):
        more = brute(rows, np.vstack([taught, rows[row]]), np.append(precisions, LABEL))
        assert gains[row] == pytest.approx(pool.left - more, rel=1e-2, abs=1e-5)


def test_labels_one_by_one_leave_what_all_at_once_leave() -> None:
    rows = table(50)
    pool = PoolVariance(rows, rows[:0], [])
    for row in range(12):
        pool.add(rows[row], LABEL)
    whole = PoolVariance(rows, rows[:12], np.full(12, LABEL))
    assert pool.left == pytest.approx(whole.left, rel=1e-4)
    assert pool.gains(LABEL) == pytest.approx(whole.gains(LABEL), rel=1e-2, abs=1e-5)


def test_what_is_worth_most_agrees_with_the_reference() -> None:
    rows, labels = table(40, 3), np.full(40, np.nan)
    labels[:5] = rng_of(3).normal(size=5)
    length = np.median(((rows[:, None] - rows[None]) ** 2).sum(axis=2)[np.triu_indices(40, 1)])
    process = GaussianProcessRegressor(RBF(np.sqrt(length)), alpha=1 / LABEL, optimizer=None)
    theirs = ExpectedModelVarianceReduction(random_state=0).query(
        rows, labels, reg=SklearnNormalRegressor(process), X_eval=rows, batch_size=1, return_utilities=True
    )[1][0]
    features, _ = kernel_features(rows, rows[:0], rng_of())
    mine = PoolVariance(features, features[:5], np.full(5, LABEL)).gains(LABEL)
    assert int(np.argmax(mine[5:])) == int(np.nanargmax(theirs[5:]))
    assert mine[5:] == pytest.approx(theirs[5:] - theirs[5:].min() + mine[5:].min(), abs=2e-3)


def test_another_vote_is_worth_less_than_the_first_and_less_the_more_there_are() -> None:
    gained = np.diff(precision_of(np.arange(1, 12)))
    assert (gained > 0).all()
    assert (np.diff(gained) < 0).all()
    assert precision_of(1e9) < 1e3  # what no vote removes stays


def test_new_pictures_are_worth_more_than_a_surer_label_while_there_are_many() -> None:
    rows, _ = kernel_features(table(200), table(1), rng_of())
    worth = votes_worth(rows[50:], rows[:50], np.full(50, 3), overlap=3)
    assert 0 < worth.again < worth.new


def test_where_new_pictures_repeat_what_is_labelled_once_another_vote_is_worth_as_much() -> None:
    rows, _ = kernel_features(table(30), table(1), rng_of())
    worth = votes_worth(rows, rows, np.ones(30), overlap=5)
    assert worth.again > worth.new
    assert votes_worth(rows[:0], rows, np.ones(30), overlap=5).new == 0.0


def test_asking_again_wins_only_where_new_pictures_are_like_labelled_ones() -> None:
    kinds = np.eye(6, dtype=np.float32)
    new = kinds[np.arange(60) % 3]
    found = worth_again(new, kinds[:3], [2, 2, 2], overlap=2, most=2)
    assert len({each.row for each in found}) == len(found) == 2
    assert all(each.worth > 1 for each in found)
    unseen = kinds[np.arange(60) % 6]
    assert worth_again(unseen, kinds[:3], [2, 2, 2], overlap=2, most=2) == []


def test_the_noisiest_label_is_asked_about_first_and_enough_votes_end_it() -> None:
    kinds = np.eye(3, dtype=np.float32)
    new = kinds[np.arange(60) % 3]
    assert worth_again(new, kinds, [3, 2, 3], overlap=2, most=1)[0].row == 1
    assert worth_again(new, kinds, [9, 9, 9], overlap=2, most=9) == []
