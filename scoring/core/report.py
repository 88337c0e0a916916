"""What an evaluation says: how predictions agree with people, in figures with intervals and in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from scoring.core.calibrate import calibration_error
from scoring.core.metrics import Estimate, bootstrap, classification, label_ceiling, plcc, rmse, srcc

Array = npt.NDArray[np.float64]
ACCUSED_FROM = 0.5
FEWEST_IN_CATEGORY = 8
LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True, slots=True)
class Answers:
    """Predictions and truth for N pictures.

    ``predicted`` and ``people`` 0-100; ``std`` (N,) of a new label around the prediction, ``low`` and
    ``high`` (N,) the 90 % interval; ``label_variance`` (N,) of the people's mean, where votes were counted;
    ``said`` and ``true`` per defect: probabilities 0-1 and yes/no, NaN where nobody looked.
    """

    predicted: Array
    people: Array
    std: Array
    low: Array
    high: Array
    categories: Sequence[str]
    label_variance: Array | None = None
    said: Mapping[str, Array] = field(default_factory=dict)
    true: Mapping[str, Array] = field(default_factory=dict)

    @property
    def covered(self) -> npt.NDArray[np.bool_]:
        """Whether each label lies inside its interval (N,)."""
        return (self.low <= self.people) & (self.people <= self.high)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was measured; every Estimate carries its 95 % bootstrap interval."""

    pictures: int
    srcc: Estimate
    plcc: Estimate
    rmse: Estimate
    coverage: Estimate
    interval_error: float
    ceiling: float | None
    srcc_of_ceiling: float | None
    passing: Mapping[str, Estimate]
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
    inside = answers.covered.astype(np.float64)
    order = bootstrap(srcc, guess, truth, rng=rng)
    ceiling = None if answers.label_variance is None else label_ceiling(answers.label_variance, truth)
    return Report(
        pictures=len(guess),
        srcc=order,
        plcc=bootstrap(plcc, guess, truth, rng=rng),
        rmse=bootstrap(rmse, guess, truth, rng=rng),
        coverage=bootstrap(lambda seen, _: float(seen.mean()), inside, inside, rng=rng),
        interval_error=interval_error(guess, truth, answers.std),
        ceiling=ceiling,
        srcc_of_ceiling=order.value / ceiling if ceiling else None,
        passing=yes_no(guess - pass_mark >= 0, truth >= pass_mark, rng=rng),
        pass_mark=pass_mark,
        defects=_by_defect(answers, rng),
        categories=_by_category(answers),
    )


def yes_no(
    said: npt.NDArray[np.bool_], true: npt.NDArray[np.bool_], *, rng: np.random.Generator
) -> dict[str, Estimate]:
    """Accuracy, precision, recall and F1 of yes/no answers (N,), with intervals."""

    def part(name: str) -> Callable[[Array, Array], float]:
        return lambda a, b: float(getattr(classification(a > 0.5, b > 0.5), name))

    a, b = said.astype(np.float64), true.astype(np.float64)
    return {
        name: bootstrap(part(name), a, b, rng=rng, resamples=300)
        for name in ("accuracy", "precision", "recall", "f1")
    }


def interval_error(guess: Array, truth: Array, std: Array) -> float:
    """Mean gap 0-1 between promised and kept coverage of normal intervals at six levels; lower is better."""
    kept = kept_coverage(guess, truth, std)
    return float(np.mean([abs(share - level) for share, level in zip(kept, LEVELS, strict=True)]))


def kept_coverage(guess: Array, truth: Array, std: Array) -> list[float]:
    """Share 0-1 of labels inside the normal interval of each of LEVELS."""
    distance = np.abs(guess - truth) / np.maximum(std, 1e-6)
    return [float((distance <= stats.norm.ppf((1 + level) / 2)).mean()) for level in LEVELS]


def _by_defect(answers: Answers, rng: np.random.Generator) -> dict[str, dict[str, Any]]:
    told: dict[str, dict[str, Any]] = {}
    for name, truth in answers.true.items():
        known = np.isfinite(truth)
        if known.any() and name in answers.said:
            said, was = answers.said[name][known], truth[known] > 0.5
            told[name] = {
                "pictures": int(known.sum()),
                "positives": int(was.sum()),
                **yes_no(said >= ACCUSED_FROM, was, rng=rng),
                "ece": calibration_error(said, was),
            }
    return told


def _by_category(answers: Answers) -> dict[str, dict[str, Any]]:
    names = np.asarray(answers.categories, dtype=object).astype(str)
    told: dict[str, dict[str, Any]] = {}
    for name in sorted(set(names.tolist()) - {""}):
        mine = names == name
        if int(mine.sum()) >= FEWEST_IN_CATEGORY:
            guess, truth = answers.predicted[mine], answers.people[mine]
            told[name] = {
                "pictures": int(mine.sum()),
                "srcc": srcc(guess, truth),
                "rmse": rmse(guess, truth),
                "bias": float((guess - truth).mean()),
                "coverage": float(answers.covered[mine].mean()),
            }
    return told


def as_text(report: Report) -> str:
    """The report for a terminal."""
    lines = [f"{report.pictures} pictures; in brackets 95 % bootstrap intervals", ""]
    lines += [
        f"SRCC      {_told(report.srcc)}   order, higher is better",
        f"PLCC      {_told(report.plcc)}",
        f"RMSE      {_told(report.rmse, 2)}   points of 100, lower is better",
        f"coverage  {_told(report.coverage)}   of the 90 % interval",
        f"interval calibration error {report.interval_error:.3f}",
    ]
    if report.ceiling:
        lines.append(
            f"the labels allow SRCC {report.ceiling:.3f} at most; {report.srcc_of_ceiling:.1%} of it reached"
        )
    lines += ["", f"Pass at {report.pass_mark:g}: " + _answers(report.passing)]
    for name, told in report.defects.items():
        lines.append(
            f"{name:22} {told['positives']:4} of {told['pictures']}: {_answers(told)}, ECE {told['ece']:.3f}"
        )
    if report.categories:
        lines += ["", f"{'category':24}{'pictures':>9}{'SRCC':>8}{'RMSE':>8}{'bias':>8}{'covered':>9}"]
        lines += [
            f"{name[:24]:24}{told['pictures']:9d}{told['srcc']:8.3f}{told['rmse']:8.2f}"
            f"{told['bias']:8.2f}{told['coverage']:9.3f}"
            for name, told in report.categories.items()
        ]
    return "\n".join(lines)


def _told(figure: Estimate, digits: int = 3) -> str:
    return f"{figure.value:.{digits}f} [{figure.low:.{digits}f}, {figure.high:.{digits}f}]"


def _answers(told: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_told(told[name], 2)}" for name in ("accuracy", "precision", "recall", "f1"))


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    return round(value, 5) if isinstance(value, float) else value
