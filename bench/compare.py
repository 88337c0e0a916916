"""Claim: comparisons make labels better, never worse, and their intervals stay honest.

python -m bench.compare [SEEDS, default 12]

Votes are simulated as in bench/consensus.py. Then the same people compare pairs that are chosen near the
limits of grades from the labels so far, one comparison for each picture on average, in rounds. A person sees
either picture with half the noise of a rating, says "can't say" below a quarter of a grade, and the careless
press any key. Last, everybody presses any key at pairs. Three figures
against the ratings alone: rank correlation (SRCC) over all pictures, pictures on
the right side of their nearest limit, and truth inside the 95 % interval.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.claims import report
from bench.consensus import COVERAGE_BAR, SETTINGS, Setting, Votes, srcc, votes_of
from labeling.core.consensus import Z95, Solution, solve
from labeling.core.pairs import LIMITS, Candidates, pairs_of
from labeling.core.pairwise import Belief, Choices, Scale, fuse, scale_of, usual_gain_of
from scoring.core.types import score_from_vote, vote_from_score

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
ROUNDS, NOISE_SHARE, BLIND_GRADES = 4, 0.5, 0.25
EDGES = np.array([vote_from_score(limit) for limit in LIMITS])


@dataclass(frozen=True, slots=True)
class People:
    """How the simulated people compare: noise in grades (R,), and who presses any key."""

    noise: Array
    is_careless: npt.NDArray[np.bool_]

    def say(self, raters: Codes, apart: Array, rng: np.random.Generator) -> Codes:
        seen = apart + self.noise[raters] * np.sqrt(2.0) * rng.normal(size=len(apart))
        meant = np.where(np.abs(seen) < BLIND_GRADES, 0, np.sign(seen))
        return np.where(self.is_careless[raters], rng.integers(-1, 2, len(apart)), meant).astype(np.int64)


@dataclass(slots=True)
class Asked:
    """Comparisons so far, one row each: left, right, answer, rater."""

    rows: npt.NDArray[np.int64]

    def add(self, left: Codes, right: Codes, answer: Codes, raters: Codes) -> None:
        self.rows = np.vstack([self.rows, np.column_stack([left, right, answer, raters])])

    @property
    def pairs(self) -> set[tuple[int, int]]:
        return {(int(left), int(right)) for left, right in self.rows[:, :2]}


def labels_with(solution: Solution, asked: Asked) -> Belief:
    """Labels from ratings and comparisons, as labeling/panel.py makes them."""
    shift = solution.prior.shift_std**2
    rated = Belief(solution.mos, solution.std_error**2 - shift)
    left, right, answer, raters = asked.rows.T
    usual = usual_gain_of(
        np.array([rater.gain for rater in solution.raters]),
        np.array([rater.noise_std for rater in solution.raters]),
        solution.prior.noise_std,
    )
    choices = Choices(left, right, answer, np.ones(len(left)))
    scale, gains = (
        scale_of(rated, choices, raters, usual, prior=solution.prior) if len(left) else (Scale(), usual)
    )
    choices = Choices(left, right, answer, gains[raters])
    fused = fuse(rated, choices, scale=scale, prior=solution.prior)
    return Belief(np.clip(fused.mean, 1.0, 5.0), fused.var + shift)


def simulate(
    setting: Setting, seed: int, *, careless_at_pairs: float | None = None
) -> tuple[Votes, Belief, Belief]:
    """The truth, the labels of the ratings alone, and those with comparisons.

    ``careless_at_pairs``: share of people who press any key at pairs, where it differs from the ratings.
    """
    rng = np.random.default_rng([seed, 7])
    votes = votes_of(setting, np.random.default_rng(seed))
    solution = solve(votes.items, votes.raters, votes.ratings)
    share = setting.careless if careless_at_pairs is None else careless_at_pairs
    careless = np.arange(setting.annotators) < round(share * setting.annotators)
    people = People(np.exp(rng.normal(0, 0.3, setting.annotators)) * 0.7 * NOISE_SHARE, careless)
    asked = Asked(np.zeros((0, 4), dtype=np.int64))
    for _ in range(ROUNDS):
        known = labels_with(solution, asked)
        pictures = Candidates(
            score=np.array([score_from_vote(mos) for mos in known.mean]),
            std=25.0 * np.sqrt(known.var),
            product=np.arange(setting.images),
            category=np.zeros(setting.images, dtype=np.int64),
        )
        pairs = pairs_of(pictures, count=setting.images // ROUNDS, asked=asked.pairs, rng=rng)
        if not pairs:
            break
        left, right = np.array(pairs).T
        raters = rng.integers(0, setting.annotators, len(left))
        asked.add(left, right, people.say(raters, votes.truth[left] - votes.truth[right], rng), raters)
    before = Belief(solution.mos, solution.std_error**2)
    return votes, before, labels_with(solution, asked)


def figures(truth: Array, label: Belief) -> tuple[float, float, float, float]:
    """SRCC, share on the right side of all limits, coverage, mean half-width of the interval."""
    same_grade = np.searchsorted(EDGES, truth) == np.searchsorted(EDGES, label.mean)
    half = Z95 * np.sqrt(label.var)
    inside = np.abs(label.mean - truth) < half
    return srcc(label.mean, truth), float(same_grade.mean()), float(inside.mean()), float(half.mean())


def _random_keys(seeds: int) -> tuple[float, str, str, bool, str]:
    """What the worst case costs: comparisons that know nothing."""
    losses = []
    for setting in (SETTINGS[0], SETTINGS[1]):
        found = [simulate(setting, seed, careless_at_pairs=1.0) for seed in range(seeds)]
        losses.append(
            np.mean(
                [
                    srcc(before.mean, votes.truth) - srcc(after.mean, votes.truth)
                    for votes, before, after in found
                ]
            )
        )
    worst = float(max(losses))
    return (
        worst,
        "SRCC",
        "<= 0.02",
        worst <= 0.02,
        "comparisons are left out where they look like random keys",
    )


def main(seeds: int) -> None:
    gains, right, coverage = [], [], []
    for setting in SETTINGS:
        found = []
        for seed in range(seeds):
            votes, before, after = simulate(setting, seed)
            found.append([figures(votes.truth, before), figures(votes.truth, after)])
        (plain, grades, _, wide), (fused, fused_grades, covered, narrow) = np.mean(found, axis=0)
        gains.append(fused - plain)
        right.append(fused_grades - grades)
        coverage.append(covered)
        wins = int(np.sum([after[0] >= before[0] for before, after in found]))
        report(
            f"label with comparisons, {setting} (images/annotators/votes)",
            float(fused),
            "SRCC",
            ">= ratings alone",
            bool(fused >= plain),
            f"ratings alone {plain:.3f}; in the right grade {fused_grades:.1%}, before {grades:.1%}; "
            f"interval ±{narrow:.2f}, before ±{wide:.2f}, truth inside {covered:.1%}; "
            f"better in {wins} of {seeds} seeds",
        )
    for name, unit, margins in (
        ("gain by comparisons, worst setting", "SRCC", gains),
        ("pictures moved into the right grade, worst setting", "share", right),
    ):
        worst = float(min(margins))
        report(name, worst, unit, ">= 0", worst >= 0)
    report("loss where everybody presses any key at pairs, worst of two settings", *_random_keys(seeds))
    off = max(coverage, key=lambda share: abs(share - 0.95))
    report(
        "truth inside the 95 % interval, worst setting",
        float(off),
        "",
        f"{COVERAGE_BAR[0]} to {COVERAGE_BAR[1]}",
        bool(all(COVERAGE_BAR[0] <= share <= COVERAGE_BAR[1] for share in coverage)),
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 12)
