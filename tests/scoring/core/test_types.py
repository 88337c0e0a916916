"""Scales and grades at their borders."""

from __future__ import annotations

import pytest

from scoring.core.splits import CALIBRATION, HOLDOUT, TRAIN, grouped_folds, split_of
from scoring.core.types import Grade, NotFiniteError, grade_of, nearest_vote, score_from_vote, vote_from_score


@pytest.mark.parametrize(
    ("score", "grade"),
    [
        (100, "excellent"),
        (80, "excellent"),
        (79.99, "good"),
        (60, "good"),
        (40, "fair"),
        (20, "poor"),
        (0, "bad"),
    ],
)
def test_grades_begin_where_they_say(score: float, grade: str) -> None:
    assert grade_of(score) == Grade(grade)


def test_nan_has_no_grade() -> None:
    with pytest.raises(NotFiniteError, match="overall_score"):
        grade_of(float("nan"))


def test_votes_and_scores_turn_into_each_other() -> None:
    assert [score_from_vote(v) for v in (1, 2, 3, 4, 5)] == [0, 25, 50, 75, 100]
    assert all(vote_from_score(score_from_vote(v)) == v for v in (1, 2.5, 5))
    assert [nearest_vote(s) for s in (0, 12.4, 12.5, 50, 87.5, 100)] == [1, 1, 2, 3, 5, 5]


def test_a_group_keeps_its_split_for_ever_and_shares_are_kept() -> None:
    names = [f"seller {n}/product {n % 7}" for n in range(3000)]
    drawn = [split_of(name, seed=5) for name in names]
    assert drawn == [split_of(name, seed=5) for name in names]
    assert drawn.count(HOLDOUT) / 3000 == pytest.approx(0.2, abs=0.02)
    assert drawn.count(CALIBRATION) / 3000 == pytest.approx(0.15, abs=0.02)
    assert TRAIN in drawn


def test_folds_keep_groups_together_and_are_of_like_size() -> None:
    import numpy as np

    groups = [f"g{n // 3}" for n in range(60)]
    folds = grouped_folds(groups, folds=5, rng=np.random.default_rng(0))
    assert all(
        len({int(f) for f, g in zip(folds, groups, strict=True) if g == name}) == 1 for name in set(groups)
    )
    assert set(np.bincount(folds)) == {12}
