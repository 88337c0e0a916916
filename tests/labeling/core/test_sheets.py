"""Which clear cases make a sheet."""

from __future__ import annotations

import numpy as np

from labeling.core.sheets import (
    CLEAR_STD,
    FEWEST_ON_A_SHEET,
    MOST_ON_A_SHEET,
    Sheet,
    sheet_of,
    votes_of_clear,
)


def sheet(score: list[float], std: float = 6.0, product: list[int] | None = None) -> Sheet | None:
    count = len(score)
    return sheet_of(
        np.array(score, dtype=np.float64),
        np.full(count, std),
        np.array(product or range(count)),
        np.linspace(1, 0, count),
    )


def test_clear_is_two_to_one_for_a_grade_that_says_the_same_as_the_vote() -> None:
    score = np.array([97.0, 82.0, 70.0, 61.0, 50.0, 30.0, 3.0, 14.0])
    assert votes_of_clear(score, np.full(8, 6.0)).tolist() == [5, 0, 4, 0, 3, 2, 1, 0]
    assert votes_of_clear(score, np.full(8, 12.0)).tolist() == [5, 0, 0, 0, 0, 0, 1, 0]


def test_two_to_one_is_reached_in_the_middle_of_a_grade_once_the_model_knows_to_ten_points() -> None:
    middle = np.array([70.0, 70.0, 75.0, 75.0])
    # P(60 <= x < 80) = 0.683, 0.659, 0.683, 0.625
    assert votes_of_clear(middle, np.array([10.0, 10.5, 8.5, 10.0])).tolist() == [4, 0, 4, 0]
    edge = np.array([CLEAR_STD - 0.05, CLEAR_STD + 0.05])
    assert votes_of_clear(middle[:2], edge).tolist() == [4, 0]


def test_a_sheet_is_the_grade_with_most_clear_cases() -> None:
    found = sheet([97.0] * 7 + [50.0] * 8 + [60.0] * 20)
    assert found is not None
    assert (found.vote, sorted(found.rows)) == (3, list(range(7, 15)))


def test_it_holds_no_more_than_a_sheet_takes_and_is_not_worth_it_below_six() -> None:
    full = sheet([97.0] * 40)
    assert full is not None
    assert len(full.rows) == MOST_ON_A_SHEET
    assert sheet([97.0] * (FEWEST_ON_A_SHEET - 1)) is None
    assert sheet([60.0] * 40) is None


def test_one_picture_a_product_in_the_order_of_the_draws() -> None:
    found = sheet([97.0] * 9, product=[1, 1, 2, 3, 4, 5, 6, 7, 7])
    assert found is not None
    assert found.rows == [8, 6, 5, 4, 3, 2, 1]
