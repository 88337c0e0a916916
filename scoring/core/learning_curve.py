"""What labels buy: a curve of accuracy over labels, its forecast, and when to stop.

The curve is fitted as ``ceiling - a * n ** -b`` (an inverse power law, the usual shape of learning
curves: Hestness et al., arXiv 1712.00409); its interval comes from bootstrap over the measured runs, and over
how far the measured points lie off the curve: a curve that does not fit knows less of what comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FEWEST_CHECKED = 4
CHECK_DRAWS = 400
PARAMETERS = 3
EXPONENTS = np.linspace(0.1, 1.5, 29)


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Accuracy after ``labels`` labels: mean over runs with the 95 % interval of the runs."""

    labels: int
    srcc: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the next labels buy, in SRCC points (hundredths), with a 95 % interval."""

    labels: int
    gain_points: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Checked:
    """A forecast made without the last count measured, beside what then came with its 95 % interval, in SRCC
    points."""

    after: int
    forecast: Forecast
    came_points: float
    came_low: float
    came_high: float


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """``srcc(n) = ceiling - scale * n ** -exponent``, never beyond one."""

    ceiling: float
    scale: float
    exponent: float

    def at(self, labels: float) -> float:
        """SRCC expected after ``labels`` labels."""
        return min(1.0, float(self.ceiling - self.scale * max(labels, 1.0) ** -self.exponent))


def curve_points(labels: Sequence[int], runs: npt.ArrayLike) -> list[CurvePoint]:
    """Points from runs (R, K): R repetitions at K label counts, NaN where a run did not reach."""
    table = np.asarray(runs, dtype=np.float64)
    points = []
    for column, count in enumerate(labels):
        values = table[:, column][np.isfinite(table[:, column])]
        if len(values):
            low, high = np.quantile(values, [0.025, 0.975])
            points.append(CurvePoint(int(count), float(values.mean()), float(low), float(high)))
    return points


def fit_power_law(labels: npt.ArrayLike, srcc: npt.ArrayLike) -> PowerLaw:
    """Least-squares fit over a grid of exponents; scale is never negative, so the curve never falls."""
    counts, values = np.asarray(labels, dtype=np.float64), np.asarray(srcc, dtype=np.float64)
    if len(counts) < 3:
        raise ValueError(f"a learning curve needs at least three points, got {len(counts)}")
    tried = [_fit_at(exponent, counts, values) for exponent in EXPONENTS]
    return min(tried, key=lambda found: found[0])[1]


def _fit_at(
    exponent: float, counts: npt.NDArray[np.float64], values: npt.NDArray[np.float64]
) -> tuple[float, PowerLaw]:
    """Residual and law of the best non-negative ceiling and scale at one exponent."""
    design = np.column_stack([np.ones_like(counts), -(counts**-exponent)])
    from scipy.optimize import nnls  # slow to load: only the page that asks for it waits

    solution, residual = nnls(design, values)
    return float(residual), PowerLaw(float(solution[0]), float(solution[1]), float(exponent))


def forecast_gain(
    *,
    labels: Sequence[int],
    runs: npt.ArrayLike,
    next_labels: int,
    rng: np.random.Generator,
    draws: int = 200,
) -> Forecast:
    """SRCC points the next ``next_labels`` labels should buy beyond the last measured count."""
    table, counts = np.asarray(runs, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    last = int(labels[-1])
    means = np.nanmean(table, axis=0)
    law = fit_power_law(counts, means)
    off = means - np.array([law.at(count) for count in counts])
    off *= np.sqrt(len(counts) / max(1, len(counts) - PARAMETERS))  # the fit has taken up a part of it
    room = (1.0 - law.at(last)) * 100
    gains = []
    for _ in range(draws):
        sample = np.nanmean(table[rng.integers(0, len(table), size=len(table))], axis=0)
        drawn = fit_power_law(counts, sample + off * rng.choice([-1.0, 1.0], len(counts)))
        gains.append(min(room, (drawn.at(last + next_labels) - drawn.at(last)) * 100))
    low, high = np.quantile(gains, [0.025, 0.975])
    gain = (law.at(last + next_labels) - law.at(last)) * 100
    return Forecast(next_labels, gain, float(min(low, gain)), float(max(high, gain)))


def forecast_check(*, labels: Sequence[int], runs: npt.ArrayLike, rng: np.random.Generator) -> Checked | None:
    """What a forecast from all but the last count would have said of the last; None below four counts."""
    if len(labels) < FEWEST_CHECKED:
        return None
    table = np.asarray(runs, dtype=np.float64)
    before, last = int(labels[-2]), int(labels[-1])
    forecast = forecast_gain(
        labels=labels[:-1], runs=table[:, :-1], next_labels=last - before, rng=rng, draws=60
    )
    steps = (table[:, -1] - table[:, -2]) * 100
    steps = steps[np.isfinite(steps)]
    drawn = steps[rng.integers(0, len(steps), size=(CHECK_DRAWS, len(steps)))].mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Checked(before, forecast, float(steps.mean()), float(low), float(high))


@dataclass(frozen=True, slots=True)
class StopAdvice:
    """Whether more labels are worth their money, with the price of one SRCC point."""

    stop: bool
    money_per_point: float | None
    reason: str


def stop_advice(
    *, forecast: Forecast, seconds_per_label: float, wage_per_hour: float, worth_per_point: float
) -> StopAdvice:
    """Advise to stop when even the optimistic end of the forecast costs more than a point is worth.

    Money in the currency of ``wage_per_hour``; ``reason`` is a code: ``no_gain``, ``too_dear``, ``worth_it``.
    """
    cost = forecast.labels * seconds_per_label / 3600 * wage_per_hour
    if forecast.high <= 0:
        return StopAdvice(True, None, "no_gain")
    per_point = cost / forecast.gain_points if forecast.gain_points > 0 else None
    if cost / forecast.high > worth_per_point:
        return StopAdvice(True, per_point, "too_dear")
    return StopAdvice(False, per_point, "worth_it")
