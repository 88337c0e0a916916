"""Which pictures a shadow scores, and what is said of how two models differ."""

from __future__ import annotations

import numpy as np
import pytest

from scoring.core.shadow import compare, grade_steps, is_shadowed

ONE = np.ones(200)


def test_a_share_of_pictures_is_drawn_the_same_way_by_everybody_and_anew_for_each_model() -> None:
    drawn = {pk for pk in range(5000) if is_shadowed(pk, model_id=3, share=0.1)}
    assert len(drawn) == pytest.approx(500, abs=60)
    assert drawn == {pk for pk in range(5000) if is_shadowed(pk, model_id=3, share=0.1)}
    assert drawn < {pk for pk in range(5000) if is_shadowed(pk, model_id=3, share=0.5)}
    other = {pk for pk in range(5000) if is_shadowed(pk, model_id=4, share=0.1)}
    assert len(drawn & other) < 120
    assert all(is_shadowed(pk, model_id=3, share=1.0) for pk in range(100))


def test_two_that_say_the_same_agree_fully() -> None:
    scores = np.linspace(1, 99, 200)
    told = compare(scores, scores, ONE, ONE, rng=np.random.default_rng(0))
    assert told is not None
    assert told.same_grade.value == 1.0
    assert told.rank is not None
    assert told.rank.value == pytest.approx(1.0)
    assert (told.shift, told.moved) == (0.0, {})


def test_a_shift_moves_grades_and_keeps_the_order() -> None:
    scores = np.linspace(5, 75, 200)
    told = compare(scores + 20, scores, 2 * ONE, ONE, rng=np.random.default_rng(0))
    assert told is not None
    assert told.rank is not None
    assert told.rank.value == pytest.approx(1.0)
    assert told.shift == pytest.approx(20)
    assert told.moved == {1: 200}
    assert told.same_grade.value == 0.0
    assert (told.shadow_s, told.champion_s) == ((2.0, 2.0), (1.0, 1.0))


def test_the_furthest_apart_come_first_and_steps_have_a_sign() -> None:
    champion, shadow = np.array([50.0, 90.0, 10.0]), np.array([55.0, 30.0, 25.0])
    told = compare(shadow, champion, ONE[:3], ONE[:3], rng=np.random.default_rng(0))
    assert told is not None
    assert told.furthest.tolist() == [1, 2, 0]
    assert told.rank is None  # three pictures have no order worth a figure
    assert grade_steps(shadow, champion).tolist() == [0, -3, 1]


def test_without_pictures_there_is_nothing_to_say() -> None:
    nothing = np.zeros(0)
    assert compare(nothing, nothing, nothing, nothing, rng=np.random.default_rng(0)) is None
