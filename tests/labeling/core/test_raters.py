"""Dawid and Skene: the truth and the people are found together."""

from __future__ import annotations

import numpy as np
import pytest

from labeling.core.raters import Eye, dawid_skene, probability_of


def answers_of(
    rng: np.random.Generator, *, tasks: int = 300, prevalence: float = 0.3
) -> tuple[np.ndarray, ...]:
    """Five people on yes-or-no tasks: three good, one careless, one who says the opposite."""
    right = np.array([0.9, 0.85, 0.9, 0.5, 0.15])
    truth = (rng.random(tasks) < prevalence).astype(np.int64)
    task, rater = np.divmod(np.arange(tasks * 5), 5)
    answers = np.where(rng.random(tasks * 5) < right[rater], truth[task], 1 - truth[task])
    return truth, task, rater, answers


def test_the_truth_is_found_better_than_by_majority_and_people_by_their_skill() -> None:
    truth, tasks, raters, answers = answers_of(np.random.default_rng(0))
    found = dawid_skene(tasks, raters, answers, classes=2)
    majority = np.bincount(tasks, answers) / 5 > 0.5
    mistakes = (found.posterior.argmax(axis=1) != truth).sum()
    assert mistakes < (majority != truth).sum() / 2
    assert found.confusion[0, 1, 1] == pytest.approx(0.9, abs=0.05)
    assert found.confusion[3, 1, 1] == pytest.approx(0.5, abs=0.12)
    assert found.confusion[4, 1, 1] < 0.3
    assert found.prevalence[1] == pytest.approx(truth.mean(), abs=0.05)


def test_tables_and_posteriors_are_probabilities() -> None:
    _truth, tasks, raters, answers = answers_of(np.random.default_rng(1), tasks=20)
    found = dawid_skene(tasks, raters, answers, classes=2)
    assert found.posterior.sum(axis=1) == pytest.approx(np.ones(20))
    assert found.confusion.sum(axis=2) == pytest.approx(np.ones((5, 2)))
    assert found.confusion.min() > 0


def test_three_classes_and_missing_answers_are_fine() -> None:
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 3, 200)
    tasks = np.repeat(np.arange(200), 3)
    raters = np.concatenate([rng.permutation(6)[:3] for _ in range(200)])
    answers = np.where(rng.random(600) < 0.8, truth[tasks], rng.integers(0, 3, 600))
    found = dawid_skene(tasks, raters, answers, classes=3)
    assert (found.posterior.argmax(axis=1) == truth).mean() > 0.9


def test_a_person_of_two_answers_is_called_neither_perfect_nor_useless() -> None:
    found = dawid_skene(np.array([0, 1]), np.array([0, 0]), np.array([1, 0]), classes=2)
    assert 0.7 < found.confusion[0, 1, 1] < 0.95


def test_one_yes_is_likely_two_are_nearly_sure_and_a_tie_is_even() -> None:
    average = Eye()
    assert probability_of([(True, average)]) == pytest.approx(0.8)
    assert probability_of([(True, average), (True, average)]) == pytest.approx(16 / 17)
    assert probability_of([(True, average), (False, average)]) == pytest.approx(0.5)
    assert probability_of([(True, Eye(0.95, 0.05)), (False, average)]) > 0.8
    assert probability_of([], prevalence=0.1) == pytest.approx(0.1)


def test_nothing_is_refused() -> None:
    empty = np.array([], dtype=np.int64)
    with pytest.raises(ValueError, match="at least one"):
        dawid_skene(empty, empty, empty, classes=2)
