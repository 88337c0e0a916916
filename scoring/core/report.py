"""What an evaluation says: how predictions agree with people, in figures with intervals and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from scoring.core.calibrate import calibration_error
from scoring.core.foretold import opinion_std
from scoring.core.intervals import share_interval
from scoring.core.metrics import Estimate, bootstrap, classification, label_ceiling, plcc, rmse, srcc

Array = npt.NDArray[np.float64]
ACCUSED_FROM = 0.5
FEWEST_IN_CATEGORY = 8
LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
REACHES = tuple(float(stats.norm.ppf((1 + level) / 2)) for level in LEVELS)  # standard deviations
RESAMPLES = 300  # of figures that stand many to a report


@dataclass(frozen=True, slots=True)
class Answers:
    """Predictions and truth for N pictures.

    ``predicted`` and ``people`` 0-100; ``std`` (N,) of a new label around the prediction, ``low`` and
    ``high`` (N,) the 90 % interval; ``label_variance`` (N,) of the people's mean and ``label_spread`` (N,)
    the standard deviation of their votes, NaN where no votes were counted; ``said`` and ``true`` per defect:
    probabilities 0-1 and yes/no, NaN where nobody looked.
    """

    predicted: Array
    people: Array
    std: Array
    low: Array
    high: Array
    categories: Sequence[str]
    label_variance: Array | None = None
    label_spread: Array | None = None
    said: Mapping[str, Array] = field(default_factory=dict)
    true: Mapping[str, Array] = field(default_factory=dict)

    @property
    def covered(self) -> npt.NDArray[np.bool_]:
        """Whether each label lies inside its interval (N,)."""
        return (self.low <= self.people) & (self.people <= self.high)


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What the noise of the labels allows (``srcc`` 0-1), and the share of it reached, where anything is
    allowed; of the ``pictures`` whose votes were counted."""

    pictures: int
    srcc: float
    reached: Estimate | None


@dataclass(frozen=True, slots=True)
class Spread:
    """How far people differ over each picture, foretold from its score alone, against how far they did, in
    points; ``plcc`` is 0 where they differed alike over all."""

    pictures: int
    rmse: Estimate
    plcc: Estimate


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was measured; every Estimate carries its 95 % interval."""

    pictures: int
    srcc: Estimate
    plcc: Estimate
    rmse: Estimate
    coverage: Estimate
    interval_error: Estimate
    ceiling: Ceiling | None
    spread: Spread | None
    passing: Mapping[str, Any]
    pass_mark: float
    defects: Mapping[str, Mapping[str, Any]]
    categories: Mapping[str, Mapping[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, rounded, for JSON."""
        whole: dict[str, Any] = _rounded(asdict(self))
        return whole


def report_of(answers: Answers, *, rng: np.random.Generator, pass_mark: float = 60.0) -> Report:
    """Measure ``answers``; at least two pictures are needed."""
    guess, truth = answers.predicted, answers.people
    return Report(
        pictures=len(guess),
        srcc=bootstrap(srcc, guess, truth, rng=rng),
        plcc=bootstrap(plcc, guess, truth, rng=rng),
        rmse=bootstrap(rmse, guess, truth, rng=rng),
        coverage=_share(int(answers.covered.sum()), len(guess)),
        interval_error=bootstrap(interval_error, np.abs(guess - truth), answers.std, rng=rng),
        ceiling=_ceiling(answers, rng),
        spread=_spread(answers, rng),
        passing=yes_no(guess - pass_mark >= 0, truth >= pass_mark, rng=rng),
        pass_mark=pass_mark,
        defects=_by_defect(answers, rng),
        categories=_by_category(answers, rng),
    )


def yes_no(
    said: npt.NDArray[np.bool_], true: npt.NDArray[np.bool_], *, rng: np.random.Generator
) -> dict[str, Any]:
    """Accuracy, precision, recall and F1 of yes/no answers (N,), with intervals, and of how many pictures."""

    def f1(a: Array, b: Array) -> float:
        return classification(a > 0.5, b > 0.5).f1

    hits = int((said & true).sum())
    return {
        "pictures": len(true),
        "positives": int(true.sum()),
        "accuracy": _share(int((said == true).sum()), len(true)),
        "precision": _share(hits, int(said.sum())),
        "recall": _share(hits, int(true.sum())),
        "f1": bootstrap(f1, said.astype(np.float64), true.astype(np.float64), rng=rng, resamples=RESAMPLES),
    }


def interval_error(away: Array, std: Array) -> float:
    """Mean gap 0-1 between promised and kept coverage of normal intervals at six levels; lower is better."""
    kept = kept_coverage(away, std)
    return float(np.mean([abs(share - level) for share, level in zip(kept, LEVELS, strict=True)]))


def kept_coverage(away: Array, std: Array) -> list[float]:
    """Share 0-1 of labels inside the normal interval of each of LEVELS; ``away`` from prediction to label."""
    distance = away / np.maximum(std, 1e-6)
    return [float((distance <= reach).mean()) for reach in REACHES]


def _ceiling(answers: Answers, rng: np.random.Generator) -> Ceiling | None:
    """Of the pictures whose votes were counted; the labels' noise is taken as known."""
    if answers.label_variance is None:
        return None
    counted = np.isfinite(answers.label_variance)
    if int(counted.sum()) < FEWEST_IN_CATEGORY:
        return None
    guess, truth = answers.predicted[counted], answers.people[counted]
    ceiling = label_ceiling(answers.label_variance[counted], truth)
    reached = bootstrap(lambda a, b: srcc(a, b) / ceiling, guess, truth, rng=rng) if ceiling else None
    return Ceiling(int(counted.sum()), ceiling, reached)


def _spread(answers: Answers, rng: np.random.Generator) -> Spread | None:
    """Of the pictures whose votes were counted."""
    if answers.label_spread is None:
        return None
    counted = np.isfinite(answers.label_spread)
    if int(counted.sum()) < FEWEST_IN_CATEGORY:
        return None
    foretold = opinion_std(np.clip(answers.predicted[counted], 0.0, 100.0))
    people = answers.label_spread[counted]
    return Spread(
        pictures=int(counted.sum()),
        rmse=bootstrap(rmse, foretold, people, rng=rng),
        plcc=bootstrap(plcc, foretold, people, rng=rng),
    )


def _by_defect(answers: Answers, rng: np.random.Generator) -> dict[str, dict[str, Any]]:
    told: dict[str, dict[str, Any]] = {}
    for name, truth in answers.true.items():
        known = np.isfinite(truth)
        if known.any() and name in answers.said:
            said, was = answers.said[name][known], truth[known] > 0.5
            told[name] = {
                **yes_no(said >= ACCUSED_FROM, was, rng=rng),
                "ece": bootstrap(calibration_error, said, was, rng=rng, resamples=RESAMPLES),
            }
    return told


def _by_category(answers: Answers, rng: np.random.Generator) -> dict[str, dict[str, Any]]:
    names = np.asarray(answers.categories, dtype=object).astype(str)
    told: dict[str, dict[str, Any]] = {}
    for name in sorted(set(names.tolist()) - {""}):
        mine = names == name
        if int(mine.sum()) >= FEWEST_IN_CATEGORY:
            guess, truth = answers.predicted[mine], answers.people[mine]
            told[name] = {"pictures": int(mine.sum())} | {
                figure: bootstrap(metric, a, b, rng=rng, resamples=RESAMPLES)
                for figure, metric, a, b in (
                    ("srcc", srcc, guess, truth),
                    ("rmse", rmse, guess, truth),
                    ("bias", _bias, guess, truth),
                )
            }
            told[name]["coverage"] = _share(int(answers.covered[mine].sum()), int(mine.sum()))
    return told


def _bias(guess: Array, truth: Array) -> float:
    return float((guess - truth).mean())


def _share(hits: int, count: int) -> Estimate:
    """Wilson: two of two say little, and a bootstrap would be certain of them. Of none nothing is known."""
    if count == 0:
        return Estimate(0.0, 0.0, 1.0)
    share = share_interval(hits, count)
    return Estimate(share.value, share.low, share.high)


def as_text(report: Report) -> str:
    """The report for a terminal."""
    lines = [
        f"{report.pictures} pictures; in brackets 95 % intervals, of shares by Wilson, else by bootstrap",
        "",
    ]
    lines += [
        f"SRCC      {_told(report.srcc)}   order, higher is better",
        f"PLCC      {_told(report.plcc)}",
        f"RMSE      {_told(report.rmse, 2)}   points of 100, lower is better",
        f"coverage  {_told(report.coverage)}   of the 90 % interval",
        f"interval calibration error {_told(report.interval_error)}",
        *_ceiling_lines(report.ceiling),
        *_spread_lines(report.spread),
        "",
        f"{f'pass at {report.pass_mark:g}':22} {_answers(report.passing)}",
    ]
    for name, told in report.defects.items():
        lines.append(f"{name:22} {_answers(told)}, ECE {_told(told['ece'])}")
    return "\n".join(lines + _category_lines(report.categories))


def _ceiling_lines(ceiling: Ceiling | None) -> list[str]:
    if ceiling is None:
        return []
    counted = f"of {ceiling.pictures} pictures whose votes were counted"
    if ceiling.reached is None:
        return [f"the labels {counted} differ by no more than their noise: no order can be expected"]
    return [
        f"the labels {counted} allow SRCC {ceiling.srcc:.3f} at most; {_told(ceiling.reached)} of it reached"
    ]


def _spread_lines(spread: Spread | None) -> list[str]:
    if spread is None:
        return []
    figures = f"RMSE {_told(spread.rmse, 2)} points, PLCC {_told(spread.plcc)}"
    return [f"how far people differ over {spread.pictures} pictures, foretold from the score: {figures}"]


def _category_lines(categories: Mapping[str, Mapping[str, Any]]) -> list[str]:
    if not categories:
        return []
    columns = (("SRCC", "srcc", 3), ("RMSE", "rmse", 2), ("bias", "bias", 2), ("covered", "coverage", 3))
    lines = ["", f"{'category':24}{'pictures':>9}" + "".join(f"{title:>25}" for title, _, _ in columns)]
    for name, told in categories.items():
        figures = "".join(f"{_told(told[key], digits):>25}" for _, key, digits in columns)
        lines.append(f"{name[:24]:24}{told['pictures']:9d}{figures}")
    return lines


def _told(figure: Estimate, digits: int = 3) -> str:
    return f"{figure.value:.{digits}f} [{figure.low:.{digits}f}, {figure.high:.{digits}f}]"


def _answers(told: Mapping[str, Any]) -> str:
    figures = ", ".join(
        f"{name} {_told(told[name], 2)}" for name in ("accuracy", "precision", "recall", "f1")
    )
    return f"{told['positives']:4} of {told['pictures']}: {figures}"


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    return round(value, 5) if isinstance(value, float) else value
