"""Intervals are said to be kept when they are, too narrow when they are, and few pictures prove nothing."""

from __future__ import annotations

import numpy as np
import pytest

from scoring.core.intervals import share_interval
from scoring.core.reliability import LEVELS, Answers, kept_by_group, kept_by_level, score_bins
from scoring.core.types import NotFiniteError

NINETY = 1.6449  # standard deviations on each side that hold 90 % of a normal


def answers(count: int, *, spread: float = 8.0, said: float = 8.0, off: float = 0.0) -> Answers:
    """People stray by ``spread`` around the prediction plus ``off``; the model claims ``said``."""
    rng = np.random.default_rng(5)
    predicted = rng.uniform(30, 70, count)
    people = predicted + off + rng.normal(0, spread, count)
    return Answers(predicted, predicted - NINETY * said, predicted + NINETY * said, people)


def test_honest_intervals_keep_what_each_level_promises() -> None:
    for one in kept_by_level(answers(2000)):
        assert one.kept.low <= one.promised <= one.kept.high
        assert one.kept.value == pytest.approx(one.promised, abs=0.03)


def test_intervals_half_as_wide_as_they_should_be_are_found_out() -> None:
    kept = {one.promised: one.kept for one in kept_by_level(answers(400, said=4.0))}
    assert tuple(kept) == LEVELS
    assert kept[0.9].high < 0.75


def test_each_side_of_a_lopsided_interval_is_judged_by_its_own_length() -> None:
    found = Answers(*(np.array(values, dtype=float) for values in ([50, 50], [49, 49], [90, 90], [80, 40])))
    assert [one.kept.value for one in kept_by_level(found) if one.promised == 0.9] == [0.5]


def test_an_interval_cut_off_at_the_end_of_the_scale_is_kept_by_what_lies_on_its_end() -> None:
    found = Answers(*(np.array(values, dtype=float) for values in ([100, 0], [90, 0], [100, 9], [100, 0])))
    assert all(one.kept.value == 1 for one in kept_by_level(found))


def test_a_group_that_is_promised_too_much_stands_out_and_nine_pictures_are_not_judged() -> None:
    good, bad = answers(40), answers(20, said=2.0)
    names = ("predicted", "low", "high", "people")
    both = Answers(*(np.r_[getattr(good, name), getattr(bad, name)] for name in names))
    found = kept_by_group(both, ["mugs"] * 40 + ["shoes"] * 11 + ["pens"] * 9)
    assert [(one.group, one.count) for one in found] == [("mugs", 40), ("shoes", 11)]
    assert found[0].kept.high >= 0.9 > found[1].kept.high


def test_bins_hold_every_picture_once_and_show_a_model_that_is_too_kind() -> None:
    bins = score_bins(answers(43, off=-10.0), rng=np.random.default_rng(1))
    assert sum(one.count for one in bins) == 43
    assert [one.predicted for one in bins] == sorted(one.predicted for one in bins)
    assert all(one.people.high < one.predicted for one in bins)
    assert len(score_bins(answers(7), rng=np.random.default_rng(1))) == 1


def test_nan_is_refused_by_name() -> None:
    with pytest.raises(NotFiniteError, match="people"):
        Answers(*([np.zeros(2)] * 3), np.array([1.0, np.nan]))


def test_two_of_two_are_not_a_certainty() -> None:
    told = share_interval(2, 2)
    assert (told.value, told.high) == (1.0, 1.0)
    assert told.low < 0.4
    with pytest.raises(ValueError, match="no share"):
        share_interval(0, 0)
