"""Who sees a defect that is there, and who sees some that are not: Dawid and Skene's EM.

Each rater has a confusion table, each task (a picture and a defect) a probability of every answer; both
are fitted together (Dawid and Skene 1979). Tables start and stay near "usually right" by pseudo-counts, so
that a rater with three answers is not called perfect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
RIGHT_PSEUDO, WRONG_PSEUDO = 4.0, 1.0
ROUNDS = 100
TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class Skills:
    """``posterior`` (T, K) of the answers of each task; ``confusion`` (R, K, K): true, said; rows sum to 1.

    ``prevalence`` (K,) is how often each answer is the true one.
    """

    posterior: Array
    confusion: Array
    prevalence: Array


@dataclass(frozen=True, slots=True)
class Eye:
    """One person on yes-or-no questions, 0-1: ``hit_rate`` says yes when it is there, ``false_alarm_rate``
    when it is not."""

    hit_rate: float = 0.8
    false_alarm_rate: float = 0.2


def dawid_skene(tasks: Codes, raters: Codes, answers: Codes, *, classes: int) -> Skills:
    """Fit from answers (V,) with codes 0..classes-1 by raters (V,) on tasks (V,), every code in use."""
    if not len(tasks) or not len(tasks) == len(raters) == len(answers):
        raise ValueError("equally many tasks, raters and answers are needed, at least one")
    given = np.zeros((int(tasks.max()) + 1, classes))
    np.add.at(given, (tasks, answers), 1.0)
    posterior = given / given.sum(axis=1, keepdims=True)  # majority vote to begin with
    for _ in range(ROUNDS):
        confusion, prevalence = _skills(posterior, tasks, raters, answers)
        before, posterior = posterior, _posterior(confusion, prevalence, tasks, raters, answers)
        if np.abs(posterior - before).max() < TOLERANCE:
            break
    return Skills(posterior, confusion, prevalence)


def _skills(posterior: Array, tasks: Codes, raters: Codes, answers: Codes) -> tuple[Array, Array]:
    """M step."""
    classes = posterior.shape[1]
    confusion = np.full((int(raters.max()) + 1, classes, classes), WRONG_PSEUDO / max(1, classes - 1))
    confusion[:, np.arange(classes), np.arange(classes)] = RIGHT_PSEUDO
    np.add.at(confusion.transpose(0, 2, 1), (raters, answers), posterior[tasks])
    prevalence = posterior.sum(axis=0) + 1.0
    return confusion / confusion.sum(axis=2, keepdims=True), prevalence / prevalence.sum()


def _posterior(confusion: Array, prevalence: Array, tasks: Codes, raters: Codes, answers: Codes) -> Array:
    """E step, in logarithms."""
    logs = np.tile(np.log(prevalence), (int(tasks.max()) + 1, 1))
    np.add.at(logs, tasks, np.log(confusion[raters, :, answers]))
    odds = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True), dtype=np.float64)


def probability_of(answers: Sequence[tuple[bool, Eye]], *, prevalence: float = 0.5) -> float:
    """Probability 0-1 that a defect is there, from who said yes and who said no."""
    odds = prevalence / (1.0 - prevalence)
    for said_yes, eye in answers:
        hit, alarm = eye.hit_rate, eye.false_alarm_rate
        odds *= hit / alarm if said_yes else (1.0 - hit) / (1.0 - alarm)
    return odds / (1.0 + odds)
