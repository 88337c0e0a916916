"""How well predictions agree with people, with bootstrap intervals. Shapes (N,); NaN is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoring.core.types import NotFiniteError

Array = npt.NDArray[np.float64]
Metric = Callable[[Array, Array], float]
RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Classification:
    """Agreement on a yes/no question; all 0-1, higher is better."""

    accuracy: float
    precision: float
    recall: float
    f1: float
    positives: int


def srcc(predicted: npt.ArrayLike, people: npt.ArrayLike) -> float:
    """Spearman rank correlation -1 to 1; 0 where either side is constant."""
    guess, truth = _pair(predicted, people)
    return plcc(_ranks(guess), _ranks(truth))


def _ranks(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Ranks from 1, ties at their mean. Our own: scipy.stats alone would double the start of the web."""
    _, place, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    return np.asarray((counts.cumsum() - (counts - 1) / 2)[place], dtype=np.float64)


def plcc(predicted: npt.ArrayLike, people: npt.ArrayLike) -> float:
    """Pearson correlation -1 to 1, without a fitted curve; 0 where either side is constant."""
    guess, truth = _pair(predicted, people)
    guess, truth = guess - guess.mean(), truth - truth.mean()
    norm = float(np.linalg.norm(guess) * np.linalg.norm(truth))
    return float(guess @ truth) / norm if norm > 0 else 0.0


def rmse(predicted: npt.ArrayLike, people: npt.ArrayLike) -> float:
    """Root mean squared error in the unit of the inputs; lower is better."""
    guess, truth = _pair(predicted, people)
    return float(np.sqrt(np.mean((guess - truth) ** 2)))


def classification(predicted: npt.ArrayLike, true: npt.ArrayLike) -> Classification:
    """Accuracy, precision, recall and F1 of yes/no answers (N,); an empty denominator gives 0."""
    guess, truth = np.asarray(predicted, dtype=bool), np.asarray(true, dtype=bool)
    if guess.shape != truth.shape:
        raise ValueError(f"{guess.shape} predictions and {truth.shape} truths differ")
    hits = int((guess & truth).sum())
    precision = hits / max(1, int(guess.sum()))
    recall = hits / max(1, int(truth.sum()))
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return Classification(float((guess == truth).mean()), precision, recall, f1, int(truth.sum()))


def bootstrap(
    metric: Metric,
    predicted: npt.ArrayLike,
    people: npt.ArrayLike,
    *,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Estimate:
    """The metric with a 95 % percentile interval over resampled pictures."""
    guess, truth = _pair(predicted, people)
    draws = [metric(guess[i], truth[i]) for i in rng.integers(0, len(guess), size=(resamples, len(guess)))]
    low, high = np.quantile(draws, [0.025, 0.975])
    return Estimate(metric(guess, truth), float(low), float(high))


def paired_bootstrap(
    metric: Metric,
    candidate: npt.ArrayLike,
    champion: npt.ArrayLike,
    people: npt.ArrayLike,
    *,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Estimate:
    """metric(candidate) - metric(champion) on the same resampled pictures, with its 95 % interval."""
    new, truth = _pair(candidate, people)
    old, _ = _pair(champion, people)
    draws = [
        metric(new[i], truth[i]) - metric(old[i], truth[i])
        for i in rng.integers(0, len(truth), size=(resamples, len(truth)))
    ]
    low, high = np.quantile(draws, [0.025, 0.975])
    return Estimate(metric(new, truth) - metric(old, truth), float(low), float(high))


def label_ceiling(label_variance: npt.ArrayLike, people: npt.ArrayLike) -> float:
    """Highest correlation a perfect model can show against labels with this error variance (N,).

    The square root of the labels' reliability (Spearman 1904, correction for attenuation).
    """
    noise, truth = _pair(label_variance, people)
    spread = float(truth.var())
    return float(np.sqrt(max(0.0, 1 - noise.mean() / spread))) if spread > 0 else 0.0


def _pair(predicted: npt.ArrayLike, people: npt.ArrayLike) -> tuple[Array, Array]:
    guess, truth = np.asarray(predicted, dtype=np.float64), np.asarray(people, dtype=np.float64)
    if guess.shape != truth.shape or guess.ndim != 1 or len(guess) == 0:
        raise ValueError(f"two equal rows of numbers are needed, got {guess.shape} and {truth.shape}")
    if not (np.isfinite(guess).all() and np.isfinite(truth).all()):
        raise NotFiniteError("predictions or labels hold values that are not finite")
    return guess, truth
