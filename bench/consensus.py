"""Claim: a label is never worse than the mean of its votes, nor than SUREAL, and its interval is honest.

python -m bench.consensus [SEEDS, default 100]

Votes are simulated in eight settings of images, annotators, votes per image and careless annotators: labels
and people differ as in KonIQ-10k (noise about 1.3 times the spread of labels), the careless press any key.
The figure is the rank correlation (SRCC) of label and truth, mean over seeds; margins are taken seed by seed.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from bench.claims import report
from labeling.core.consensus import Z95, solve

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
LABEL_STD, NOISE_STD, BIAS_STD, NOISE_SPREAD = 0.55, 0.7, 0.35, 0.3
COVERAGE_BAR = (0.93, 0.97)
SUREAL_ROUNDS, SUREAL_TOLERANCE = 1000, 1e-8


@dataclass(frozen=True, slots=True)
class Setting:
    """One way a shop may work; ``careless`` is the share of annotators who press any key."""

    images: int
    annotators: int
    votes: int
    careless: float

    def __str__(self) -> str:
        return f"{self.images}/{self.annotators}/{self.votes}, {self.careless:.0%} careless"


SETTINGS = tuple(
    Setting(images, annotators, votes, careless)
    for images, annotators, votes in ((200, 12, 3), (200, 12, 5), (400, 24, 5), (400, 24, 10))
    for careless in (0.0, 0.25)
)


@dataclass(frozen=True, slots=True)
class Margin:
    """By how much one SRCC is above another on the same votes: mean over seeds, and its 95 % t interval."""

    setting: Setting
    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, setting: Setting, by_seed: Array) -> Margin:
        mean = float(by_seed.mean())
        low, high = stats.t.interval(0.95, len(by_seed) - 1, mean, stats.sem(by_seed))
        return cls(setting, mean, float(low), float(high))

    def __str__(self) -> str:
        return f"{self.mean:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"


@dataclass(frozen=True, slots=True)
class Votes:
    """Simulated votes (V,) and the truth (N,) behind them."""

    truth: Array
    items: Codes
    raters: Codes
    ratings: Array


def votes_of(setting: Setting, rng: np.random.Generator) -> Votes:
    """Truth plus bias plus noise, rounded to 1-5; careless annotators give any grade alike."""
    truth = np.clip(rng.normal(3.0, LABEL_STD, setting.images), 1, 5)
    bias = rng.normal(0, BIAS_STD, setting.annotators)
    noise = NOISE_STD * np.exp(rng.normal(0, NOISE_SPREAD, setting.annotators))
    careless = np.arange(setting.annotators) < round(setting.careless * setting.annotators)
    items = np.repeat(np.arange(setting.images), setting.votes)
    panels = [rng.permutation(setting.annotators)[: setting.votes] for _ in range(setting.images)]
    raters = np.concatenate(panels)
    meant = truth[items] + bias[raters] + noise[raters] * rng.normal(size=len(items))
    pressed = rng.integers(1, 6, len(items))
    return Votes(truth, items, raters, np.where(careless[raters], pressed, np.clip(np.round(meant), 1, 5)))


def plain_mean(votes: Votes) -> Array:
    """MOS."""
    return np.bincount(votes.items, votes.ratings) / np.bincount(votes.items)


def sureal(votes: Votes) -> Array:
    """Bias and inconsistency by alternating projection, as in ITU-T P.910 Annex E (Li et al. 2020)."""
    count = np.bincount(votes.raters)
    label = plain_mean(votes)
    for _ in range(SUREAL_ROUNDS):
        bias = np.bincount(votes.raters, votes.ratings - label[votes.items]) / count
        fair = votes.ratings - bias[votes.raters]
        squares = np.bincount(votes.raters, (fair - label[votes.items]) ** 2) / count
        weight = 1.0 / np.maximum(squares, 1e-12)[votes.raters]
        new = np.bincount(votes.items, weight * fair) / np.bincount(votes.items, weight)
        moved, label = float(np.linalg.norm(new - label)), new
        if moved < SUREAL_TOLERANCE:
            break
    return label


def srcc(label: Array, truth: Array) -> float:
    return float(stats.spearmanr(label, truth).statistic)


def measure(setting: Setting, seeds: int) -> tuple[Array, Array, float, float]:
    """SRCC of MOS, SUREAL and ours by seed (3, seeds) and in the mean; coverage and half-width."""
    found, covered, wide = [], [], []
    for seed in range(seeds):
        votes = votes_of(setting, np.random.default_rng(seed))
        ours = solve(votes.items, votes.raters, votes.ratings)
        labels = (plain_mean(votes), sureal(votes), ours.mos)
        found.append([srcc(label, votes.truth) for label in labels])
        covered.append(np.mean(np.abs(ours.mos - votes.truth) < Z95 * ours.std_error))
        wide.append(np.mean(Z95 * ours.std_error))
    by_method = np.array(found).T
    return by_method, by_method.mean(axis=1), float(np.mean(covered)), float(np.mean(wide))


def main(seeds: int) -> None:
    over_mos, over_sureal, coverage = [], [], []
    for setting in SETTINGS:
        by_seed, (mos, known, ours), covered, wide = measure(setting, seeds)
        over_mos.append(Margin.of(setting, by_seed[2] - by_seed[0]))
        over_sureal.append(Margin.of(setting, by_seed[2] - by_seed[1]))
        coverage.append(covered)
        report(
            f"label of {setting} (images/annotators/votes)",
            float(ours),
            "SRCC",
            ">= MOS and SUREAL",
            min(over_mos[-1].low, over_sureal[-1].low) >= 0,
            f"MOS {mos:.3f}, ours {over_mos[-1]}; SUREAL {known:.3f}, ours {over_sureal[-1]}; above both "
            f"in {int((by_seed[2] >= by_seed[:2].max(axis=0)).sum())} of {seeds} seeds; label ±{wide:.2f}",
        )
    for name, margins in (("the plain mean", over_mos), ("SUREAL", over_sureal)):
        worst = min(margins, key=lambda margin: margin.low)
        claim = f"label less {name}, lower end of the 95 % interval, worst of eight settings"
        report(claim, worst.low, "SRCC", ">= 0", worst.low >= 0, f"{worst.setting}: {worst}; {seeds} seeds")
    report(
        "truth inside the 95 % interval, worst setting",
        _furthest(coverage),
        "",
        f"{COVERAGE_BAR[0]} to {COVERAGE_BAR[1]}",
        all(COVERAGE_BAR[0] <= share <= COVERAGE_BAR[1] for share in coverage),
    )


def _furthest(coverage: list[float]) -> float:
    return max(coverage, key=lambda share: abs(share - 0.95))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
