"""Agreement against numbers worked out elsewhere, and intervals that behave."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from scoring.core.calibrate import calibration_error, conformal_factor, covered_share
from scoring.core.metrics import (
    bootstrap,
    classification,
    label_ceiling,
    paired_bootstrap,
    plcc,
    rmse,
    srcc,
)
from scoring.core.types import NotFiniteError

RNG = np.random.default_rng(1)
A, B = RNG.normal(size=200), RNG.normal(size=200)


def test_correlations_are_those_of_scipy_ties_included() -> None:
    tied = np.round(A, 1)
    assert srcc(tied, B) == pytest.approx(stats.spearmanr(tied, B)[0])
    assert plcc(A, B) == pytest.approx(stats.pearsonr(A, B)[0])
    assert rmse([1, 2], [1, 4]) == pytest.approx(np.sqrt(2))


def test_a_constant_answer_agrees_with_nobody() -> None:
    assert srcc(np.zeros(200), B) == plcc(np.zeros(200), B) == 0.0


def test_nan_is_refused() -> None:
    with pytest.raises(NotFiniteError):
        srcc([1.0, np.nan], [1.0, 2.0])
    with pytest.raises(ValueError, match="equal rows"):
        plcc([1.0], [1.0, 2.0])


def test_yes_no_of_a_worked_table() -> None:
    told = classification([1, 1, 1, 0, 0, 0], [1, 1, 0, 1, 0, 0])
    assert (told.accuracy, told.precision, told.recall, told.positives) == (4 / 6, 2 / 3, 2 / 3, 3)
    assert classification([0, 0], [1, 1]).f1 == 0.0


def test_a_bootstrap_interval_holds_the_truth_it_was_drawn_from() -> None:
    told = bootstrap(plcc, A + B, B, rng=np.random.default_rng(0))
    assert told.low < np.sqrt(0.5) < told.high


def test_the_same_answers_differ_by_nothing() -> None:
    same = paired_bootstrap(srcc, A + B, A + B, B, rng=np.random.default_rng(0))
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)
    better = paired_bootstrap(srcc, B + 0.1 * A, A + B, B, rng=np.random.default_rng(0))
    assert better.low > 0


def test_labels_of_pure_noise_allow_nothing_and_sure_ones_everything() -> None:
    assert label_ceiling(np.full(200, B.var()), B) == pytest.approx(0.0, abs=1e-6)
    assert label_ceiling(np.zeros(200), B) == 1.0


def test_the_conformal_factor_covers_new_rows_as_promised() -> None:
    std = RNG.uniform(1, 5, 4000)
    people = RNG.normal(0, 2 * std)
    factor = conformal_factor(np.zeros(2000), people[:2000], std[:2000])
    assert covered_share(np.zeros(2000), people[2000:], factor * std[2000:]) == pytest.approx(0.9, abs=0.02)


def test_with_few_rows_the_largest_residual_is_taken() -> None:
    assert conformal_factor([0, 0, 0], [1, -3, 2], [1, 1, 1]) == 3.0


def test_calibration_error_of_a_worked_example() -> None:
    assert calibration_error([0.05, 0.05, 0.95, 0.95], [0, 0, 1, 0]) == pytest.approx(0.5 * 0.05 + 0.5 * 0.45)
