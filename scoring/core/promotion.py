"""The promotion gate: may this candidate replace the champion? Every answer comes with its reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from scoring.core.calibrate import covered_share
from scoring.core.metrics import bootstrap, paired_bootstrap, rmse, srcc
from scoring.core.types import NotFiniteError

Array = npt.NDArray[np.float64]


class Check(StrEnum):
    """What the gate looks at."""

    ENOUGH_LABELS = "enough_labels"
    RANKING = "ranking"
    ERROR = "error"
    CATEGORIES = "categories"
    CALIBRATION = "calibration"
    LABELS = "labels"
    SPEED = "speed"


@dataclass(frozen=True, slots=True)
class GateRules:
    """Margins of the gate. Losses within a margin are noise, beyond it a reason to refuse."""

    fewest_labels: int = 10
    srcc_margin: float = 0.02
    rmse_margin: float = 1.0  # score points
    category_rmse_margin: float = 4.0
    fewest_in_category: int = 10
    coverage_low: float = 0.75  # of 90 % intervals; the small holdout's own noise is allowed for
    label_error_margin: float = 3.0  # score points, an eighth of a grade
    slowest_ratio: float = 1.5
    certain_loss: bool = True  # also refuse a loss within the margin that the bootstrap is sure of


@dataclass(frozen=True, slots=True)
class Reason:
    """One check: the figure, its 95 % interval, the bar it was held to. ``detail`` names a category."""

    check: Check
    passed: bool
    value: float
    low: float
    high: float
    bar: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Unjudged:
    """A category with too few pictures to be held to a bar by itself: ``pictures`` of the ``needed``."""

    category: str
    pictures: int
    needed: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to promote, and why: every check in order, and the categories that none of them guards."""

    promote: bool
    reasons: tuple[Reason, ...]
    unjudged: tuple[Unjudged, ...] = ()


@dataclass(frozen=True, slots=True)
class Trial:
    """Candidate and champion on the same labelled pictures (N,), scores 0-100.

    ``half_widths`` of the candidate's 90 % intervals; ``seconds_ratio`` candidate against champion.
    ``candidate_order`` and ``champion_order`` (N,) are ranked instead where they are given: scores from
    the folds of a cross-validation each carry the error of their fold's own level, which would be counted
    against the order. ``usual_error`` is the RMSE the champion had on its own labels when it was let in;
    without it nothing is said about the labels themselves.
    """

    candidate: npt.ArrayLike
    champion: npt.ArrayLike
    people: npt.ArrayLike
    categories: Sequence[str]
    half_widths: npt.ArrayLike
    seconds_ratio: float = 1.0
    candidate_order: npt.ArrayLike | None = None
    champion_order: npt.ArrayLike | None = None
    usual_error: float | None = None


def judge(trial: Trial, *, rules: GateRules, rng: np.random.Generator) -> Verdict:
    """Hold the candidate against the champion by paired bootstrap; NaN anywhere is refused by name."""
    new, old, truth = (_array(x) for x in (trial.candidate, trial.champion, trial.people))
    new_order = new if trial.candidate_order is None else _array(trial.candidate_order)
    old_order = old if trial.champion_order is None else _array(trial.champion_order)
    named = {"candidate": new, "champion": old, "people": truth, "order": new_order - old_order}
    for name, values in named.items():
        if not np.isfinite(values).all():
            raise NotFiniteError(f"{name} holds scores that are not finite")
    enough = Reason(
        Check.ENOUGH_LABELS,
        len(truth) >= rules.fewest_labels,
        float(len(truth)),
        float(len(truth)),
        float(len(truth)),
        float(rules.fewest_labels),
    )
    if not enough.passed:
        return Verdict(False, (enough,))
    reasons = (
        enough,
        _ranking(new_order, old_order, truth, rules, rng),
        _error(new, old, truth, rules, rng),
        *_categories(new, old, truth, trial.categories, rules, rng),
        _calibration(new, truth, _array(trial.half_widths), rules),
        *_labels(new, truth, trial.usual_error, rules, rng),
        _speed(trial.seconds_ratio, rules),
    )
    return Verdict(all(reason.passed for reason in reasons), reasons, _unjudged(trial.categories, rules))


def _array(values: npt.ArrayLike) -> Array:
    return np.asarray(values, dtype=np.float64)


def _ranking(new: Array, old: Array, truth: Array, rules: GateRules, rng: np.random.Generator) -> Reason:
    """SRCC gained; a loss beyond the margin, or one the interval is sure of, fails."""
    gain = paired_bootstrap(srcc, new, old, truth, rng=rng)
    certain = rules.certain_loss and gain.high < 0
    passed = gain.value >= -rules.srcc_margin and not certain
    return Reason(Check.RANKING, passed, gain.value, gain.low, gain.high, -rules.srcc_margin)


def _error(new: Array, old: Array, truth: Array, rules: GateRules, rng: np.random.Generator) -> Reason:
    """RMSE added, in score points; lower is better."""
    added = paired_bootstrap(rmse, new, old, truth, rng=rng)
    certain = rules.certain_loss and added.low > 0
    passed = added.value <= rules.rmse_margin and not certain
    return Reason(Check.ERROR, passed, added.value, added.low, added.high, rules.rmse_margin)


def _categories(
    new: Array, old: Array, truth: Array, names: Sequence[str], rules: GateRules, rng: np.random.Generator
) -> list[Reason]:
    """RMSE added in each category with enough pictures; only a sure loss beyond the margin fails."""
    labels = np.asarray(names, dtype=object).astype(str)
    reasons = []
    for name in np.unique(labels):
        where = labels == name
        if where.sum() < rules.fewest_in_category:
            continue
        added = paired_bootstrap(rmse, new[where], old[where], truth[where], rng=rng, resamples=300)
        passed = added.value <= rules.category_rmse_margin or added.low <= 0
        reasons.append(
            Reason(
                Check.CATEGORIES,
                passed,
                added.value,
                added.low,
                added.high,
                rules.category_rmse_margin,
                str(name),
            )
        )
    return reasons


def _unjudged(names: Sequence[str], rules: GateRules) -> tuple[Unjudged, ...]:
    """Categories that _categories passes over, the largest first: a loss there would go unseen."""
    return tuple(
        Unjudged(name, count, rules.fewest_in_category)
        for name, count in sorted(Counter(map(str, names)).items(), key=lambda each: (-each[1], each[0]))
        if count < rules.fewest_in_category
    )


def _calibration(new: Array, truth: Array, half_widths: Array, rules: GateRules) -> Reason:
    """Share of people's scores inside the candidate's 90 % intervals."""
    share = covered_share(new, truth, half_widths)
    spread = 1.96 * float(np.sqrt(max(share * (1 - share), 1e-9) / len(truth)))
    return Reason(
        Check.CALIBRATION,
        share + spread >= rules.coverage_low,
        share,
        max(0.0, share - spread),
        min(1.0, share + spread),
        rules.coverage_low,
    )


def _labels(
    new: Array, truth: Array, usual_error: float | None, rules: GateRules, rng: np.random.Generator
) -> list[Reason]:
    """RMSE of the candidate on its labels above what the champion had on its own, in score points.

    Careless labels spoil the holdout as well, where they hide the harm from every comparison of the two
    models; but nothing predicts them as well as honest ones. People who changed their mind together pass:
    a candidate that has learned their new mind predicts it as well as ever.
    """
    if usual_error is None:
        return []
    error = bootstrap(rmse, new, truth, rng=rng, resamples=400)
    added, low, high = (value - usual_error for value in (error.value, error.low, error.high))
    passed = added <= rules.label_error_margin or low <= 0
    return [Reason(Check.LABELS, passed, added, low, high, rules.label_error_margin)]


def _speed(ratio: float, rules: GateRules) -> Reason:
    return Reason(Check.SPEED, ratio <= rules.slowest_ratio, ratio, ratio, ratio, rules.slowest_ratio)
