"""Shares and their intervals."""

from __future__ import annotations

import numpy as np
import pytest

from labeling.core.rates import is_surely_below, mean_of, noise_of, wilson


def test_wilson_s_interval_is_the_published_one() -> None:
    """Newcombe 1998, table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29."""
    for hits, count, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        told = wilson(hits, count)
        assert told is not None
        assert (told.low, told.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))
        assert told.value == pytest.approx(hits / count)


def test_nothing_is_said_of_nothing() -> None:
    assert wilson(0, 0) is None
    assert mean_of([1.0]) is None
    assert noise_of([1.0]) is None
    with pytest.raises(ValueError, match="no share"):
        wilson(3, 2)


def test_only_what_is_surely_below_is_below() -> None:
    assert not is_surely_below(0, 3, least=0.9, fewest=8)
    assert is_surely_below(2, 8, least=0.6, fewest=8)
    assert not is_surely_below(4, 8, least=0.6, fewest=8)  # unlucky is not careless
    assert not is_surely_below(0, 50, least=0.0, fewest=8)


def test_a_mean_has_student_s_interval() -> None:
    told = mean_of([1.0, 2.0, 3.0])
    assert told is not None
    assert (told.value, told.low, told.high) == pytest.approx((2.0, -0.484, 4.484), abs=1e-3)


def test_the_noise_of_one_answer_is_found_again_from_repeats() -> None:
    rng = np.random.default_rng(3)
    first, second = rng.normal(0, 0.7, (2, 4000))
    told = noise_of(list(first - second))
    assert told is not None
    assert told.value == pytest.approx(0.7, abs=0.02)
    assert told.low < 0.7 < told.high
    assert told.high - told.low < 0.05
