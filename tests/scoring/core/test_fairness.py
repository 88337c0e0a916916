"""Unequal treatment shows, equal treatment does not."""

from __future__ import annotations

import numpy as np
import pytest
from fairlearn.metrics import MetricFrame
from sklearn.metrics import mean_absolute_error

from scoring.core.fairness import FairnessTable, fairness_table
from scoring.core.types import NotFiniteError


def table(predicted: np.ndarray, people: np.ndarray, groups: list[str]) -> FairnessTable:
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


def test_one_good_picture_rejected_is_not_told_as_certain() -> None:
    people = np.r_[80.0, np.full(19, 30.0)]
    rate = table(np.full(20, 40.0), people, ["a"] * 20).groups[0]
    assert rate.good_count == 1
    assert rate.false_reject_rate is not None
    assert rate.false_reject_rate.value == 1
    assert rate.false_reject_rate.low < 0.5


def test_nan_and_uneven_lengths_are_refused() -> None:
    with pytest.raises(NotFiniteError):
        table(np.array([np.nan]), np.array([1.0]), ["a"])
    with pytest.raises(ValueError, match="differ"):
        table(np.array([1.0]), np.array([1.0]), ["a", "b"])


def bias(people: np.ndarray, predicted: np.ndarray) -> float:
    return float((predicted - people).mean())


def false_rejects(people: np.ndarray, predicted: np.ndarray) -> float:
    return float((predicted[people >= 60] < 60).mean())


def test_figures_and_gaps_agree_with_fairlearn() -> None:
    rng = np.random.default_rng(4)
    groups = rng.choice(["shoes", "mugs", "pens"], 400, p=[0.6, 0.3, 0.1])
    people = rng.uniform(20, 95, 400)
    predicted = np.clip(people + rng.normal(0, 9, 400) - 6 * (groups == "pens"), 0, 100)
    found = table(predicted, people, groups.tolist())
    theirs = MetricFrame(
        metrics={"error": mean_absolute_error, "bias": bias, "rejects": false_rejects},
        y_true=people,
        y_pred=predicted,
        sensitive_features=groups,
    )
    gaps = theirs.difference(method="between_groups")
    assert found.error_gap == pytest.approx(gaps["error"])
    assert found.bias_gap == pytest.approx(gaps["bias"])
    assert found.false_reject_gap == pytest.approx(gaps["rejects"])
    for group in found.groups:
        for name, mine in (
            ("error", group.mean_absolute_error),
            ("bias", group.bias),
            ("rejects", group.false_reject_rate),
        ):
            assert mine is not None
            assert mine.value == pytest.approx(theirs.by_group[name][group.group])
    assert found.overall.mean_absolute_error.value == pytest.approx(theirs.overall["error"])


def test_an_interval_is_as_wide_as_theory_says() -> None:
    errors = np.random.default_rng(6).normal(0, 8, 400)
    found = table(50 + errors, np.full(400, 50.0), ["shoes"] * 400)
    half = 1.96 * errors.std() / 20
    assert found.overall.bias.low == pytest.approx(errors.mean() - half, abs=0.2 * half)
    assert found.overall.bias.high == pytest.approx(errors.mean() + half, abs=0.2 * half)
