"""Unequal treatment shows, equal treatment does not."""

from __future__ import annotations

import numpy as np
import pytest

from scoring.core.fairness import fairness_table
from scoring.core.types import NotFiniteError


def table(predicted: np.ndarray, people: np.ndarray, groups: list[str]):  # type: ignore[no-untyped-def]
    return fairness_table(
        predicted=predicted, people=people, groups=groups, accept_score=60, rng=np.random.default_rng(1)
    )


def test_a_bias_against_one_group_is_measured_and_its_interval_excludes_zero() -> None:
    people = np.full(200, 70.0)
    predicted = np.r_[np.full(100, 70.0), np.random.default_rng(0).normal(55, 5, 100)]
    found = table(predicted, people, ["plain"] * 100 + ["busy"] * 100)
    busy = next(g for g in found.groups if g.group == "busy")
    assert busy.bias.high < 0
    assert busy.false_reject_rate is not None
    assert busy.false_reject_rate.value > 0.7
    assert found.bias_gap == pytest.approx(15, abs=2)


def test_equal_groups_have_no_gap() -> None:
    found = table(np.full(40, 50.0), np.full(40, 48.0), ["a"] * 20 + ["b"] * 20)
    assert found.error_gap == 0
    assert found.bias_gap == 0
    assert found.groups[0].false_reject_rate is None


def test_a_group_of_nine_is_named_and_not_judged() -> None:
    found = table(np.full(29, 50.0), np.full(29, 50.0), ["a"] * 20 + ["b"] * 9)
    assert found.too_small == ("b",)
    assert [g.group for g in found.groups] == ["a"]


def test_nan_and_uneven_lengths_are_refused() -> None:
    with pytest.raises(NotFiniteError):
        table(np.array([np.nan]), np.array([1.0]), ["a"])
    with pytest.raises(ValueError, match="differ"):
        table(np.array([1.0]), np.array([1.0]), ["a", "b"])
