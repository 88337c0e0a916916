"""Which of two pictures is better: Bradley–Terry with "can't say", fused with the ratings on their scale.

Model (Rao and Kupper 1967, as an ordered logit): with d the grades by which the left picture is better and
g / step how sharply a person sees them, P(left) = s(g d / step - tie), P(right) = s(-g d / step - tie), the
rest is "can't say"; s is the logistic function. The ratings give each picture a normal belief; comparisons
are added to it by Newton's method on the joint, log-concave posterior (maximum a posteriori, with Laplace's
variances). So both speak of grades 1-5, that is of 0-100, and a picture is drawn by its opponent only as far
as the opponent itself is known.

While fitting, all pictures share a prior, which keeps an opponent that was rated high by luck from carrying
others along. It is divided out at the end: where nobody compared, the label is the ratings' to the digit.
N pictures, C comparisons, R people; grades on the ACR scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labeling.core.consensus import Prior

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

LEFT, CANNOT_SAY, RIGHT = 1, 0, -1
ROUNDS, TOLERANCE = 60, 1e-7
STEPS = np.geomspace(0.12, 12.0, 17)  # grades; what a step may be. At the end answers tell next to nothing
TIES = np.linspace(0.05, 2.0, 11)
GAINS = np.linspace(0.0, 1.6, 17)
GAIN_STD = 0.35  # how far a person's eye for pairs may lie from their eye for ratings
LEAST_EVIDENCE = 1.0  # nats; below it the answers might as well be random keys, and move nothing
LOG_STEP_STD, TIE_STD = 0.4, 0.6  # how far a project's scale may lie from the usual one
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
LEAST_CHANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Scale:
    """How comparisons speak of grades. ``step``: so many grades apart, the better picture wins 73 % of the
    decided comparisons; ``tie``: how readily people say that they can't (0 never)."""

    step: float = 0.35
    tie: float = 0.6


@dataclass(frozen=True, slots=True)
class Choices:
    """Comparisons (C,): codes 0..N-1 of both pictures, the answer (LEFT, CANNOT_SAY or RIGHT), and ``gain``,
    how well the person sees differences (1 as usual, 0 does not look)."""

    left: Codes
    right: Codes
    answer: Codes
    gain: Array

    def __post_init__(self) -> None:
        if not len(self.left) == len(self.right) == len(self.answer) == len(self.gain):
            raise ValueError("equally many pictures, answers and gains are needed")
        if (self.left == self.right).any():
            raise ValueError("a picture cannot be compared with itself")
        if not np.isin(self.answer, (LEFT, CANNOT_SAY, RIGHT)).all() or not np.isfinite(self.gain).all():
            raise ValueError("an answer is left, can't say or right, and a gain is a number")


@dataclass(frozen=True, slots=True)
class Belief:
    """What is known of N pictures: ``mean`` (N,) in grades and its ``var`` (N,); infinite: nothing."""

    mean: Array
    var: Array


def fuse(rated: Belief, choices: Choices, *, scale: Scale, prior: Prior) -> Belief:
    """Ratings and comparisons together. What nobody compared stays as it was."""
    if not len(choices.left):
        return rated
    before = _with_prior(rated, prior)
    after = fit(before, choices, scale=scale)
    known = 1.0 / after.var - 1.0 / prior.std**2
    touched = np.zeros(len(rated.mean), dtype=bool)
    touched[choices.left] = touched[choices.right] = True
    touched &= known > 1e-9
    mean, var = rated.mean.copy(), rated.var.copy()
    var[touched] = 1.0 / known[touched]
    mean[touched] = var[touched] * (after.mean / after.var - prior.mos / prior.std**2)[touched]
    return Belief(mean, var)


def fit(prior: Belief, choices: Choices, *, scale: Scale) -> Belief:
    """Posterior of N pictures from normal priors and comparisons: its mode, and Laplace's variances.

    With ``mean`` 0, equal ``var``, ``step`` 1 and ``tie`` 0 this is Bradley–Terry with a quadratic penalty.
    """
    quality, slope = prior.mean.copy(), choices.gain / scale.step
    loss = _loss(quality, prior, choices, slope, scale.tie)
    hessian = np.diag(1.0 / prior.var)
    for _ in range(ROUNDS):
        pull, hessian = _derivatives(quality, prior, choices, slope, scale.tie)
        move = np.linalg.solve(hessian, pull)
        length = 1.0
        while length > 1e-6:
            tried = quality - length * move
            new = _loss(tried, prior, choices, slope, scale.tie)
            if new <= loss + 1e-12:
                break
            length /= 2.0
        quality, loss = tried, new
        if np.abs(length * move).max() < TOLERANCE:
            break
    _pull, hessian = _derivatives(quality, prior, choices, slope, scale.tie)
    return Belief(quality, np.diag(np.linalg.inv(hessian)).copy())


def scale_of(
    rated: Belief, choices: Choices, raters: Codes, usual_gain: Array, *, prior: Prior
) -> tuple[Scale, Array]:
    """The scale of a project's comparisons, and how well each person sees differences (R,).

    ``choices.gain`` is not looked at: ``usual_gain`` (R,) says what the ratings make of the people. Both
    are fitted to how likely the answers are given the ratings alone, averaged over what these leave open.
    Where the answers are hardly likelier than random keys nobody is taken to see anything (gain 0).
    """
    known = _with_prior(rated, prior)
    middle = known.mean[choices.left] - known.mean[choices.right]
    spread = np.sqrt(known.var[choices.left] + known.var[choices.right])
    apart = middle[:, None] + spread[:, None] * NODES
    scale = _scale_best(apart, choices.answer, usual_gain[raters])
    gains = _gains(apart, choices.answer, raters, usual_gain, scale)
    scale = _scale_best(apart, choices.answer, gains[raters])
    if _evidence(apart, choices.answer, gains[raters], scale) < LEAST_EVIDENCE:
        gains = np.zeros_like(usual_gain)
    return scale, gains


def usual_gain_of(gain: Array, noise_std: Array, usual_noise_std: float) -> Array:
    """How well people see differences, told from how they rate: 1 is an average person, 0 presses any key."""
    return np.clip(gain * usual_noise_std / noise_std, GAINS[0], GAINS[-1])


def chances(apart: Array, *, scale: Scale) -> tuple[Array, Array, Array]:
    """Probability of left, can't say and right, of an average person, ``apart`` grades."""
    left, right = _logistic(apart / scale.step - scale.tie), _logistic(-apart / scale.step - scale.tie)
    return left, 1.0 - left - right, right


def _with_prior(rated: Belief, prior: Prior) -> Belief:
    known = 1.0 / rated.var + 1.0 / prior.std**2
    told = np.where(np.isfinite(rated.var), rated.mean / rated.var, 0.0)
    return Belief((told + prior.mos / prior.std**2) / known, 1.0 / known)


def _loss(quality: Array, prior: Belief, choices: Choices, slope: Array, tie: float) -> float:
    x = slope * (quality[choices.left] - quality[choices.right])
    likely = np.log(np.maximum(LEAST_CHANCE, _chance(x, choices.answer, tie)))
    return float(0.5 * np.sum((quality - prior.mean) ** 2 / prior.var) - likely.sum())


def _derivatives(
    quality: Array, prior: Belief, choices: Choices, slope: Array, tie: float
) -> tuple[Array, Array]:
    """Gradient (N,) and Hessian (N, N) of the loss."""
    x = slope * (quality[choices.left] - quality[choices.right])
    up, down = _logistic(x + tie), _logistic(x - tie)
    is_left, is_right = choices.answer == LEFT, choices.answer == RIGHT
    pull = np.where(is_left, 1.0 - down, np.where(is_right, -up, 1.0 - up - down)) * slope
    bend = (np.where(is_right, 0.0, down * (1.0 - down)) + np.where(is_left, 0.0, up * (1.0 - up))) * slope**2
    count = len(quality)
    gradient = (quality - prior.mean) / prior.var
    np.subtract.at(gradient, choices.left, pull)
    np.add.at(gradient, choices.right, pull)
    hessian = np.zeros((count, count))
    np.subtract.at(hessian, (choices.left, choices.right), bend)
    hessian = hessian + hessian.T
    hessian[np.diag_indices(count)] = 1.0 / prior.var - hessian.sum(axis=1)
    return gradient, hessian


def _scale_best(apart: Array, answer: Codes, gain: Array) -> Scale:
    """The step and tie under which the answers are likeliest; with few answers close to the usual ones."""
    usual, best = Scale(), (np.inf, Scale())
    for step in STEPS:
        for tie in TIES:
            likely = _log_chance(apart * (gain / step)[:, None], answer, float(tie)).sum()
            off = (np.log(step / usual.step) / LOG_STEP_STD, (tie - usual.tie) / TIE_STD)
            loss = 0.5 * (off[0] ** 2 + off[1] ** 2) - likely
            if loss < best[0]:
                best = (float(loss), Scale(float(step), float(tie)))
    return best[1]


def _evidence(apart: Array, answer: Codes, gain: Array, scale: Scale) -> float:
    """How much likelier the answers are than if nobody looked, in nats."""
    looked = _log_chance(apart * (gain / scale.step)[:, None], answer, scale.tie).sum()
    nobody = max(_log_chance(np.zeros_like(apart), answer, float(tie)).sum() for tie in TIES)
    return float(looked - nobody)


def _gains(apart: Array, answer: Codes, raters: Codes, usual_gain: Array, scale: Scale) -> Array:
    """Posterior mean of each person's gain (R,): their answers, and what their ratings say of them."""
    people = len(usual_gain)
    table = np.empty((people, len(GAINS)))
    for column, gain in enumerate(GAINS):
        likely = _log_chance(apart * (gain / scale.step), answer, scale.tie)
        table[:, column] = np.bincount(raters, likely, people)
    table -= 0.5 * ((GAINS - usual_gain[:, None]) / GAIN_STD) ** 2
    weight = np.exp(table - table.max(axis=1, keepdims=True))
    return np.asarray(weight @ GAINS / weight.sum(axis=1), dtype=np.float64)


def _log_chance(x: Array, answer: Codes, tie: float) -> Array:
    """Log probability of each answer (C,), averaged over the nodes of ``x`` (C, K)."""
    mean = _chance(x, answer[:, None], tie) @ WEIGHTS
    return np.asarray(np.log(np.maximum(LEAST_CHANCE, mean)), dtype=np.float64)


def _chance(x: Array, answer: Codes, tie: float) -> Array:
    left, right = _logistic(x - tie), _logistic(-x - tie)
    return np.where(answer == LEFT, left, np.where(answer == RIGHT, right, 1.0 - left - right))


def _logistic(x: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(x, -500.0, 500.0))), dtype=np.float64)
