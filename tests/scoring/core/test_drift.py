"""Drift is called when a sample moved, and only then."""

from __future__ import annotations

import numpy as np
import pytest

from scoring.core.drift import DriftLevel, drift_of, drifts_of, population_stability
from scoring.core.types import NotFiniteError

RNG = np.random.default_rng(7)
THEN = RNG.normal(60, 10, 2000)


def test_a_sample_has_not_drifted_from_itself() -> None:
    assert population_stability(THEN, THEN) == 0.0


def test_two_draws_of_one_population_are_stable() -> None:
    assert drift_of("overall", THEN, RNG.normal(60, 10, 2000)).level is DriftLevel.STABLE


def test_a_shift_of_one_deviation_asks_for_action() -> None:
    found = drift_of("overall", THEN, RNG.normal(50, 10, 2000))
    assert found.level is DriftLevel.ACT
    assert found.now_median < found.then_median


def test_psi_of_a_known_two_bin_change_is_the_textbook_number() -> None:
    then = np.array([0.0] * 50 + [1.0] * 50)
    now = np.array([0.0] * 30 + [1.0] * 70)
    expected = (0.3 - 0.5) * np.log(0.3 / 0.5) + (0.7 - 0.5) * np.log(0.7 / 0.5)
    assert population_stability(then, now, bins=2) == pytest.approx(expected)


def test_small_samples_are_not_judged() -> None:
    assert drift_of("overall", THEN[:20], THEN[:20] + 50).level is DriftLevel.UNKNOWN


def test_the_most_moved_quantity_comes_first() -> None:
    found = drifts_of({"a": THEN, "b": THEN}, {"a": THEN, "b": THEN + 20})
    assert [drift.name for drift in found] == ["b", "a"]


def test_nan_is_refused_by_name() -> None:
    with pytest.raises(NotFiniteError, match="noise now"):
        drift_of("noise", THEN, np.array([1.0, np.nan]))
