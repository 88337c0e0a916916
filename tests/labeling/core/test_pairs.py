"""Which two pictures are worth comparing."""

from __future__ import annotations

import numpy as np
import pytest

from labeling.core.pairs import Candidates, doubt_of, pairs_of, worth_of


def pictures(score: list[float], std: list[float] | float = 8.0, **codes: list[int]) -> Candidates:
    count = len(score)
    return Candidates(
        score=np.array(score, dtype=np.float64),
        std=np.broadcast_to(np.array(std, dtype=np.float64), count).copy(),
        product=np.array(codes.get("product", list(range(count)))),
        category=np.array(codes.get("category", [0] * count)),
    )


def asked_of(candidates: Candidates, *, count: int = 1, asked: set[tuple[int, int]] = frozenset()) -> list:  # type: ignore[assignment,type-arg]
    return pairs_of(candidates, count=count, asked=asked, rng=np.random.default_rng(1))


def test_doubt_is_a_coin_at_a_limit_and_gone_in_the_middle_of_a_grade() -> None:
    doubt = doubt_of(np.array([60.0, 70.0, 70.0, 97.0]), np.array([5.0, 5.0, 20.0, 5.0]))
    assert doubt[0] == pytest.approx(0.5)
    assert doubt[1] < 0.03 < doubt[2]
    assert doubt[3] < 0.001


def test_two_pictures_at_a_limit_come_before_two_inside_a_grade() -> None:
    (pair,) = asked_of(pictures([70, 71, 59.5, 60.5], 4.0))
    assert set(pair) == {2, 3}


def test_pictures_that_plainly_differ_are_no_question() -> None:
    worth = worth_of(pictures([20, 60, 60.5], 4.0))
    assert worth[1, 2] > 10 * worth[0, 1]


def test_two_pictures_of_one_product_are_never_compared() -> None:
    assert asked_of(pictures([60, 60], product=[7, 7])) == []


def test_a_mug_is_rather_compared_with_a_mug() -> None:
    (pair,) = asked_of(pictures([60, 60, 60], category=[1, 2, 1]))
    assert set(pair) == {0, 2}


def test_a_pair_is_asked_once_whichever_way_round() -> None:
    two = pictures([60, 60])
    assert asked_of(two) != []
    assert asked_of(two, asked={(1, 0)}) == []
    assert asked_of(two, asked={(0, 1)}) == []


def test_no_picture_comes_twice_in_one_handful() -> None:
    found = asked_of(pictures([60.0] * 9), count=10)
    assert len(found) == 4
    assert len({row for pair in found for row in pair}) == 8


def test_what_is_sure_is_left_alone() -> None:
    assert asked_of(pictures([70, 70, 70.5], 2.0)) == []


def test_left_and_right_fall_by_chance() -> None:
    two = pictures([60, 60])
    sides = [pairs_of(two, count=1, asked=(), rng=np.random.default_rng(seed))[0][0] for seed in range(60)]
    assert 15 < sum(sides) < 45
