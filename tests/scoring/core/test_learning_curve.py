"""The forecast finds the curve it was given, and advises to stop when a point is too dear."""

from __future__ import annotations

import numpy as np
import pytest

from scoring.core.learning_curve import (
    Forecast,
    PowerLaw,
    curve_points,
    fit_power_law,
    forecast_check,
    forecast_gain,
    stop_advice,
)

COUNTS = [25, 50, 100, 200, 400, 800]
TRUE = PowerLaw(ceiling=0.85, scale=1.2, exponent=0.5)


def test_a_power_law_is_recovered_from_its_own_points() -> None:
    law = fit_power_law(COUNTS, [TRUE.at(n) for n in COUNTS])
    assert law.ceiling == pytest.approx(0.85, abs=0.005)
    assert law.exponent == pytest.approx(0.5)


def test_the_forecast_interval_holds_the_true_gain() -> None:
    rng = np.random.default_rng(3)
    runs = np.array([[TRUE.at(n) + rng.normal(0, 0.01) for n in COUNTS] for _ in range(12)])
    forecast = forecast_gain(labels=COUNTS, runs=runs, next_labels=100, rng=rng)
    true_gain = (TRUE.at(900) - TRUE.at(800)) * 100
    assert forecast.low <= true_gain <= forecast.high


def test_a_forecast_is_checked_against_the_labels_that_came_after() -> None:
    rng = np.random.default_rng(4)
    runs = np.array([[TRUE.at(n) + rng.normal(0, 0.01) for n in COUNTS] for _ in range(12)])
    checked = forecast_check(labels=COUNTS, runs=runs, rng=rng)
    assert checked is not None
    assert (checked.after, checked.forecast.labels) == (400, 400)
    assert checked.came_points == pytest.approx((TRUE.at(800) - TRUE.at(400)) * 100, abs=1.0)
    assert checked.forecast.low <= checked.came_points + 1.0
    assert checked.forecast.high >= checked.came_points - 1.0
    assert forecast_check(labels=COUNTS[:3], runs=runs[:, :3], rng=rng) is None


def test_a_curve_that_fits_badly_promises_less_for_certain() -> None:
    counts, rng = [10, 20, 40, 80, 119], np.random.default_rng(2)
    noise = rng.normal(0, 0.002, (6, 5))
    smooth = np.array([TRUE.at(count) for count in counts]) + noise
    rough = smooth + np.array([0.02, -0.03, 0.03, -0.03, 0.02])
    sure, unsure = (
        forecast_gain(labels=counts, runs=runs, next_labels=100, rng=np.random.default_rng(1), draws=60)
        for runs in (smooth, rough)
    )
    assert unsure.high - unsure.low > 2 * (sure.high - sure.low)
    assert sure.low <= sure.gain_points <= sure.high


def test_what_labels_brought_is_told_with_how_sure_that_is() -> None:
    runs = np.array([[0.5, 0.6, 0.65, 0.66], [0.5, 0.6, 0.65, 0.72], [0.5, 0.6, 0.65, 0.60]] * 2)
    checked = forecast_check(labels=[10, 20, 40, 80], runs=runs, rng=np.random.default_rng(1))
    assert checked is not None
    assert checked.came_low < 0 < checked.came_high
    assert checked.came_low < checked.came_points < checked.came_high


def test_nothing_is_forecast_beyond_perfect() -> None:
    steep = np.array([[0.2, 0.5, 0.8, 0.98]] * 3)
    law = fit_power_law([10, 20, 40, 80], steep[0])
    assert law.at(10_000) <= 1.0
    gain = forecast_gain(
        labels=[10, 20, 40, 80], runs=steep, next_labels=5000, rng=np.random.default_rng(0), draws=5
    )
    assert gain.high <= (1.0 - law.at(80)) * 100 + 1e-6


def test_a_falling_curve_is_never_forecast_to_fall_further() -> None:
    assert fit_power_law([10, 20, 40], [0.8, 0.79, 0.78]).scale == 0


def test_runs_that_stopped_early_do_not_spoil_a_point() -> None:
    points = curve_points([10, 20], [[0.5, 0.6], [0.7, np.nan]])
    assert points[0].srcc == pytest.approx(0.6)
    assert points[1].srcc == pytest.approx(0.6)


def test_two_points_are_refused() -> None:
    with pytest.raises(ValueError, match="three points"):
        fit_power_law([1, 2], [0.1, 0.2])


@pytest.mark.parametrize(
    ("forecast", "stop", "reason"),
    [
        (Forecast(100, 0.0, 0.0, 0.0), True, "no_gain"),
        (Forecast(100, 0.1, 0.05, 0.2), True, "too_dear"),
        (Forecast(100, 2.0, 1.0, 3.0), False, "worth_it"),
    ],
)
def test_advice_follows_the_optimistic_end(forecast: Forecast, stop: bool, reason: str) -> None:
    advice = stop_advice(forecast=forecast, seconds_per_label=6, wage_per_hour=18, worth_per_point=10)
    assert (advice.stop, advice.reason) == (stop, reason)
