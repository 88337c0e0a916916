"""Several votes become one label: who is generous, who is careless, and what the picture is worth.

Model: vote = m + bias + gain · (label - m) + noise, with m the middle of all labels. It extends the bias
and inconsistency of ITU-T P.910 (Li et al. 2020, "SUREAL", arXiv 2004.02067) by a gain, as in z-scored
MOS: somebody who presses keys at random has gain 0 and tells nothing. Maximum likelihood fails with few
votes, since whoever happens to sit close to the labels he helped to make takes all the weight. So biases
shrink to 0, gains to 1 and noises to the panel's, each by as much as the votes themselves ask for, and the
uncertainty of a label counts towards the noise of who voted on it (expectation maximisation).

The label itself is not shrunk: it is the weighted mean of the votes, freed of bias and gain. Only where
all voters together know less than half of what one average person does is it drawn to the middle.
All grades are on the ACR scale 1-5; N items, R people, V votes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

Z95 = 1.959964
LOWEST, HIGHEST = 1.0, 5.0
NOISE_PSEUDO_VOTES = 5.0  # so many votes of an average person are added to everybody's
PANEL_PSEUDO_VOTES = 20.0
LEAST_NOISE_VAR = 1.0 / 12.0  # a vote is a whole number, however sure the person is
LEAST_LABEL_VAR = 0.05
BIAS_VAR_RANGE = (0.02, 1.0)
GAIN_VAR_RANGE = (0.02, 0.25)
LEAST_INFORMATION = 0.5  # of one vote of an average person
ROUNDS = 80
TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Prior:
    """What is assumed of a picture and of a person nobody knows yet, in grades.

    ``mos`` and ``std``: where labels lie; ``noise_std`` and ``bias_std``: how people differ from them
    and from each other; ``shift_std``: how far all people together may be off, being few.
    """

    mos: float = 3.0
    std: float = 1.0
    noise_std: float = 0.7
    bias_std: float = 0.35
    shift_std: float = 0.0


@dataclass(frozen=True, slots=True)
class Rater:
    """One person. ``bias`` above 0 is generous; ``gain`` 1 follows the pictures, 0 does not look at them;
    ``noise_std`` and ``bias_std`` (how well the bias is known) are in grades, lower is better."""

    bias: float
    gain: float
    noise_std: float
    bias_std: float
    vote_count: int = 0

    @property
    def information(self) -> float:
        """What one vote tells of a label: 1 / variance in grades."""
        return self.gain**2 / self.noise_std**2


@dataclass(frozen=True, slots=True)
class Label:
    """MOS 1-5 with its standard error and 95 % interval."""

    mos: float
    std_error: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True, slots=True)
class Solution:
    """Labels (N,) and their standard errors (N,), what is known of each person, and the prior they give."""

    mos: Array
    std_error: Array
    raters: tuple[Rater, ...]
    prior: Prior


@dataclass(slots=True)
class _State:
    """The unknowns during a solve: middle and spread of the labels, and bias, gain, noise (R,)."""

    middle: float
    label_var: float
    bias: Array
    gain: Array
    noise_var: Array
    usual_noise_var: float
    bias_error: Array
    bias_var: float = 0.25
    gain_var: float = 0.16


def unknown_rater(prior: Prior) -> Rater:
    """Somebody who has not voted yet, or not since the last solve."""
    return Rater(bias=0.0, gain=1.0, noise_std=prior.noise_std, bias_std=prior.bias_std)


def label_of(votes: Sequence[tuple[float, Rater]], *, prior: Prior) -> Label:
    """The label of one item from its votes and what is known of those who gave them.

    Of people nobody knows it is the mean of the votes. No votes are refused with ValueError.
    """
    if not votes:
        raise ValueError("a label needs a vote")
    rating = np.array([vote for vote, _ in votes], dtype=np.float64)
    bias, gain, noise, doubt = (
        np.array([getattr(rater, name) for _, rater in votes])
        for name in ("bias", "gain", "noise_std", "bias_std")
    )
    pull = gain / noise**2
    known = float(pull @ gain)
    weight = pull / max(known, LEAST_INFORMATION / prior.noise_std**2)
    drawn = 1.0 - float(weight @ gain)
    variance = float(weight**2 @ (noise**2 + doubt**2)) + (drawn * prior.std) ** 2 + prior.shift_std**2
    return interval_of(prior.mos + float(weight @ (rating - prior.mos - bias)), float(np.sqrt(variance)))


def interval_of(mos: float, std_error: float) -> Label:
    """A label kept inside the scale, with its 95 % interval."""
    mos = min(HIGHEST, max(LOWEST, mos))
    half = Z95 * std_error
    return Label(mos, std_error, max(LOWEST, mos - half), min(HIGHEST, mos + half))


def solve(items: Codes, raters: Codes, ratings: npt.ArrayLike) -> Solution:
    """Labels and people from all votes of a project.

    ``items`` (V,) holds codes 0..N-1 and ``raters`` (V,) codes 0..R-1, every code used at least once;
    ``ratings`` (V,) are grades. No votes are refused with ValueError.
    """
    rating = np.asarray(ratings, dtype=np.float64)
    if not len(rating) or not len(rating) == len(items) == len(raters):
        raise ValueError("equally many items, raters and ratings are needed, at least one")
    if not np.isfinite(rating).all():
        raise ValueError("a rating is not a number")
    state = _start(items, raters, rating)
    before = np.full(int(items.max()) + 1, np.inf)
    for _ in range(ROUNDS):
        offset, variance = _labels(state, items, raters, rating)
        if np.abs(offset - before).max() < TOLERANCE:
            break
        before = offset
        _people(state, items, raters, rating, offset, variance)
    return _read_out(state, items, raters, rating)


def _start(items: Codes, raters: Codes, rating: Array) -> _State:
    """Everybody alike, labels at the plain mean of their votes."""
    counts = np.bincount(items)
    means = np.bincount(items, rating) / counts
    assumed, freedom = Prior().noise_std ** 2, len(rating) - len(counts)
    squares = float(np.sum((rating - means[items]) ** 2))
    noise = (PANEL_PSEUDO_VOTES * assumed + squares) / (PANEL_PSEUDO_VOTES + freedom)
    people = int(raters.max()) + 1
    return _State(
        middle=float(rating.mean()),
        label_var=max(LEAST_LABEL_VAR, float(means.var() - noise * np.mean(1.0 / counts))),
        bias=np.zeros(people),
        gain=np.ones(people),
        noise_var=np.full(people, noise),
        usual_noise_var=noise,
        bias_error=np.full(people, Prior().bias_std ** 2),
    )


def _labels(state: _State, items: Codes, raters: Codes, rating: Array) -> tuple[Array, Array]:
    """E step: offset of each label from the middle (N,) and its variance (N,), given the people."""
    known = np.bincount(items, (state.gain**2 / state.noise_var)[raters])
    fair = rating - state.middle - state.bias[raters]
    variance = 1.0 / (known + 1.0 / state.label_var)
    offset = variance * np.bincount(items, (state.gain / state.noise_var)[raters] * fair)
    shift = float(offset.mean())
    state.middle += shift
    offset = offset - shift
    state.label_var = max(LEAST_LABEL_VAR, float(np.mean(offset**2 + variance)))
    return np.asarray(offset, dtype=np.float64), np.asarray(variance, dtype=np.float64)


def _people(
    state: _State, items: Codes, raters: Codes, rating: Array, offset: Array, variance: Array
) -> None:
    """M step: bias and gain by a shrunk regression of each person's votes on the labels, then the noise."""
    label, doubt, vote = offset[items], variance[items], rating - state.middle
    people = len(state.bias)
    count = np.bincount(raters, minlength=people).astype(np.float64)
    shrink_bias, shrink_gain = state.noise_var / state.bias_var, state.noise_var / state.gain_var
    a: Array = count + shrink_bias
    b = np.bincount(raters, label, people)
    c = np.bincount(raters, label**2 + doubt, people) + shrink_gain
    right = np.bincount(raters, vote, people)
    right_gain = np.bincount(raters, vote * label, people) + shrink_gain
    area = a * c - b**2
    state.bias = (c * right - b * right_gain) / area
    state.gain = np.maximum(0.0, (a * right_gain - b * right) / area)
    state.bias_error, gain_error = state.noise_var * c / area, state.noise_var * a / area
    state.bias_var = _within(float(np.mean(state.bias**2 + state.bias_error)), BIAS_VAR_RANGE)
    state.gain_var = _within(float(np.mean((state.gain - 1.0) ** 2 + gain_error)), GAIN_VAR_RANGE)
    rest = vote - state.bias[raters] - state.gain[raters] * label
    squares = np.bincount(raters, rest**2 + state.gain[raters] ** 2 * doubt, people)
    pseudo = NOISE_PSEUDO_VOTES * state.usual_noise_var
    state.noise_var = np.maximum(LEAST_NOISE_VAR, (pseudo + squares) / (NOISE_PSEUDO_VOTES + count))
    state.usual_noise_var = float(np.exp(np.average(np.log(state.noise_var), weights=count)))


def _within(value: float, bounds: tuple[float, float]) -> float:
    return min(bounds[1], max(bounds[0], value))


def _read_out(state: _State, items: Codes, raters: Codes, rating: Array) -> Solution:
    """The labels as label_of gives them, for all items at once."""
    count = np.bincount(raters)
    doubt = state.bias_error
    pull = (state.gain / state.noise_var)[raters]
    known = np.bincount(items, pull * state.gain[raters])
    enough = np.maximum(known, LEAST_INFORMATION / state.usual_noise_var)
    weight = pull / enough[items]
    fair = rating - state.middle - state.bias[raters]
    shift_var = float(np.var(state.bias)) / len(count)
    variance = (
        np.bincount(items, weight**2 * (state.noise_var + doubt)[raters])
        + (1.0 - known / enough) ** 2 * state.label_var
        + shift_var
    )
    return Solution(
        mos=np.clip(state.middle + np.bincount(items, weight * fair), LOWEST, HIGHEST),
        std_error=np.sqrt(variance),
        raters=_raters(state, count),
        prior=Prior(
            mos=state.middle,
            std=float(np.sqrt(state.label_var)),
            noise_std=float(np.sqrt(state.usual_noise_var)),
            bias_std=float(np.sqrt(state.bias_var)),
            shift_std=float(np.sqrt(shift_var)),
        ),
    )


def _raters(state: _State, count: Codes) -> tuple[Rater, ...]:
    columns = (state.bias, state.gain, np.sqrt(state.noise_var), np.sqrt(state.bias_error), count)
    return tuple(
        Rater(bias=bias, gain=gain, noise_std=noise, bias_std=doubt, vote_count=int(votes))
        for bias, gain, noise, doubt, votes in np.column_stack(columns).tolist()
    )
