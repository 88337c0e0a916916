"""Ridge and folds against scikit-learn, where that is installed, and against what must hold anyway."""

from __future__ import annotations

import numpy as np
import pytest

from scoring.core.metrics import plcc
from scoring.core.ridge import kfold, ridge_predictions

RNG = np.random.default_rng(3)


def test_folds_are_those_of_scikit_learn() -> None:
    selection = pytest.importorskip("sklearn.model_selection")
    theirs = [test for _, test in selection.KFold(5, shuffle=True, random_state=0).split(np.zeros(812))]
    assert [fold.tolist() for fold in kfold(812, 5)] == [fold.tolist() for fold in theirs]


def test_every_row_is_tested_once() -> None:
    assert sorted(np.concatenate(kfold(23, 5)).tolist()) == list(range(23))


def test_a_line_is_found_among_more_features_than_rows() -> None:
    x = RNG.normal(size=(80, 200)) * np.linspace(3, 0.01, 200)
    y = x @ np.concatenate([[4.0, -3.0], np.zeros(198)]) + 50
    guess = ridge_predictions(x, y, np.arange(60), np.arange(60, 80))
    assert plcc(guess, y[60:]) > 0.85


def test_noise_alone_is_answered_with_little_more_than_the_mean() -> None:
    x, y = RNG.normal(size=(100, 30)), RNG.normal(50, 10, 100)
    guess = ridge_predictions(x, y, np.arange(80), np.arange(80, 100), standardise=True)
    assert np.abs(guess - y[:80].mean()).max() < 6
