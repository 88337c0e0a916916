"""What curves of SRCC by labels claim: labels to enough, labels saved, never worse than chance."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from bench.claims import report

SHARES = (0.05, 0.08, 0.12, 0.16, 0.2, 0.25, 0.33, 0.5, 0.75, 1.0)  # of the pictures one may ask about
FIFTH, HALF, ALL = (SHARES.index(share) for share in (0.2, 0.5, 1.0))
ENOUGH, ENOUGH_BAR, SAVED_BAR = 0.95, 0.20, 0.25

Array = npt.NDArray[np.float64]


class Named(Protocol):
    """An arm, as far as a claim speaks of it."""

    @property
    def name(self) -> str: ...


Curves = dict[Any, Array]  # of each arm: SRCC (seeds, shares)


def interval(values: Array, statistic: Any = np.mean) -> tuple[float, float]:
    """95 % bootstrap interval over seeds, the first axis."""
    rng = np.random.default_rng(0)
    found = [statistic(values[rng.integers(0, len(values), len(values))]) for _ in range(2000)]
    return float(np.quantile(found, 0.025)), float(np.quantile(found, 0.975))


def share_reaching(curve: Array, goal: float) -> float:
    """Smallest share of the pool at which a curve has reached a goal, interpolated between shares; or 1."""
    grid = np.geomspace(SHARES[0], 1.0, 600)
    reached = np.interp(np.log(grid), np.log(SHARES), curve) >= goal
    return float(grid[int(np.argmax(reached))]) if reached.any() else 1.0


def saved(mine: Array, theirs: Array, at: int) -> float:
    """Share of the labels that others spent on what they reached at a budget, which mine did not need."""
    return 1.0 - share_reaching(mine, theirs[at]) / SHARES[at]


def report_enough(arm: Named, curves: Curves, plain: Named, *, ours: bool) -> None:
    """Labels to 95 % of what all labels teach: the plain ridge, and the arm itself, which asks more."""
    for whose, full in (("a plain ridge", curves[plain]), ("the arm itself", curves[arm])):
        if arm is plain and whose == "a plain ridge":
            continue
        both = np.stack([curves[arm], full], axis=1)
        low, high = interval(both, _enough)
        share = _enough(both)
        report(
            f"share of the labels to {ENOUGH:.0%} of the SRCC that {whose} has with all, {arm.name}",
            share,
            "share",
            f"<= {ENOUGH_BAR}" if ours else "",
            share <= ENOUGH_BAR if ours else None,
            f"95 % interval {low:.2f} to {high:.2f}",
        )


def _enough(both: Array) -> float:
    """Share at which the mean of the first curves reaches 95 % of the end of the mean of the second."""
    mine, full = both.mean(axis=0)
    return share_reaching(mine, ENOUGH * full[-1])


def report_saved(mine: Named, theirs: Named, curves: Curves, at: int) -> None:
    """Labels not needed to reach what the other has at a share of the pool."""
    values = np.array([saved(m, t, at) for m, t in zip(curves[mine], curves[theirs], strict=True)])
    low, high = interval(values, np.median)
    has_bar = at >= HALF
    report(
        f"labels saved to reach what {theirs.name} has with {SHARES[at]:.0%}, {mine.name}",
        float(np.median(values)),
        "share, median",
        f">= {SAVED_BAR}" if has_bar else "",
        float(np.median(values)) >= SAVED_BAR if has_bar else None,
        f"{len(values)} seeds, interval {low:.2f} to {high:.2f}",
    )


def report_never_worse(mine: Named, theirs: Named, curves: Curves, *, bar: bool) -> None:
    gains = curves[mine] - curves[theirs]
    worse = [share for k, share in enumerate(SHARES[:-1]) if interval(gains[:, k])[1] < 0]
    low, high = interval(gains[:, :-1].mean(axis=1))
    report(
        f"budgets at which it is significantly worse than {theirs.name}, {mine.name}",
        len(worse),
        f"of {len(SHARES) - 1}",
        "0" if bar else "",
        not worse if bar else None,
        f"mean gain {gains[:, :-1].mean():+.4f} SRCC, 95 % interval {low:+.4f} to {high:+.4f}",
    )


def report_base(curves: Curves, pairs: tuple[tuple[Named, Named], ...]) -> None:
    """Weights made without people against none: above until half the labels, never below after."""
    for mine, theirs in pairs:
        gains = curves[mine] - curves[theirs]
        above = [bool(gains[:, k].mean() > 0) for k in range(HALF + 1)]
        below = [
            share for k, share in enumerate(SHARES[HALF + 1 :], HALF + 1) if interval(gains[:, k])[1] < 0
        ]
        sure = sum(interval(gains[:, k])[0] > 0 for k in range(HALF + 1))
        report(
            f"budgets up to half at which base weights made without people are above none, {mine.name}",
            sum(above),
            f"of {HALF + 1}",
            "all, and never below after",
            all(above) and not below,
            f"{sure} of them significantly; mean gain {gains[:, : HALF + 1].mean():+.4f} SRCC",
        )
