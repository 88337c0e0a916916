"""Agreement of people, against the worked examples of those who invented it."""

from __future__ import annotations

import numpy as np
import pytest

from labeling.core.agreement import Level, alpha, alpha_interval, icc_interval, icc_one_way, icc_two_way

MISSING = 0
KRIPPENDORFF_2011 = (  # four observers, twelve units
    (1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3),
    (0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0),
)
SHROUT_FLEISS_1979 = ((9, 2, 5, 8), (6, 1, 3, 2), (8, 4, 6, 8), (7, 1, 2, 6), (10, 5, 6, 9), (6, 2, 4, 7))


def votes_of(observers: tuple[tuple[int, ...], ...]) -> tuple[np.ndarray, np.ndarray]:
    table = np.array(observers)
    people, items = np.nonzero(table != MISSING)
    return items, table[people, items]


@pytest.mark.parametrize(
    ("level", "published"), [(Level.NOMINAL, 0.743), (Level.ORDINAL, 0.815), (Level.INTERVAL, 0.849)]
)
def test_alpha_is_that_of_krippendorff_s_own_example(level: Level, published: float) -> None:
    items, ratings = votes_of(KRIPPENDORFF_2011)
    assert alpha(items, ratings, level) == pytest.approx(published, abs=0.0005)


def test_alpha_of_two_observers_with_two_values_is_the_textbook_s() -> None:
    first, second = (0, 1, 0, 0, 0, 0, 0, 0, 1, 0), (1, 1, 1, 0, 0, 1, 0, 0, 0, 0)
    items = np.tile(np.arange(10), 2)
    assert alpha(items, (*first, *second), Level.NOMINAL) == pytest.approx(0.095, abs=0.0005)


def test_full_agreement_is_one_and_nothing_to_compare_is_no_number() -> None:
    items = np.array([0, 0, 1, 1])
    assert alpha(items, [1, 1, 5, 5]) == 1.0
    assert np.isnan(alpha(np.array([0, 1, 2]), [1, 2, 3]))
    assert np.isnan(alpha(items, [4, 4, 4, 4]))


def test_alpha_does_not_care_about_the_order_of_votes_nor_about_lone_ones() -> None:
    items, ratings = votes_of(KRIPPENDORFF_2011)
    order = np.random.default_rng(0).permutation(len(items))
    assert alpha(items[order], ratings[order]) == pytest.approx(alpha(items, ratings))
    lone = np.concatenate([items, [12, 13]]), np.concatenate([ratings, [5, 1]])
    assert alpha(*lone) == pytest.approx(alpha(items, ratings))


def test_the_interval_holds_the_figure_and_narrows_with_more_items() -> None:
    rng = np.random.default_rng(1)

    def width(count: int) -> float:
        truth = rng.normal(3, 1, count)
        items = np.repeat(np.arange(count), 3)
        ratings = np.clip(np.round(truth[items] + rng.normal(0, 0.7, len(items))), 1, 5)
        found = alpha_interval(items, ratings, rng=rng, resamples=300)
        assert found.low < found.value < found.high
        return found.high - found.low

    assert width(640) < width(40) / 2


def test_intraclass_correlations_are_those_of_shrout_and_fleiss() -> None:
    table = np.array(SHROUT_FLEISS_1979)
    items = np.repeat(np.arange(6), 4)
    one_way = icc_one_way(items, table.ravel())
    assert one_way.single == pytest.approx(0.17, abs=0.005)
    assert one_way.average == pytest.approx(0.44, abs=0.005)
    assert one_way.votes_each == 4.0
    two_way = icc_two_way(table)
    assert two_way.single == pytest.approx(0.29, abs=0.005)
    assert two_way.average == pytest.approx(0.62, abs=0.005)


def test_unequal_votes_count_by_their_weighted_mean() -> None:
    items = np.array([0, 0, 0, 1, 1, 2])
    found = icc_one_way(items, [5, 4, 5, 1, 2, 3])
    assert found.votes_each == pytest.approx((6 - 14 / 6) / 2)
    assert 0.5 < found.single < 1


@pytest.mark.parametrize("ratings", [[], [1.0, float("nan")]])
def test_what_is_no_number_is_refused(ratings: list[float]) -> None:
    with pytest.raises(ValueError, match="numbers"):
        alpha(np.arange(len(ratings)), ratings)
    with pytest.raises(ValueError, match="two"):
        icc_one_way(np.array([0, 1]), [1, 2])
    with pytest.raises(ValueError, match="two"):
        icc_two_way([[1, 2, 3]])


def test_the_intervals_of_icc_hold_the_figure_and_what_the_votes_were_drawn_with() -> None:
    rng = np.random.default_rng(5)
    truth = rng.normal(3, 1, 300)
    items = np.repeat(np.arange(300), 3)
    ratings = truth[items] + rng.normal(0, 1, 900)  # half of a vote's variance is the item's
    single, average = icc_interval(items, ratings, rng=rng, resamples=200)
    told = icc_one_way(items, ratings)
    assert (single.value, average.value) == pytest.approx((told.single, told.average))
    assert single.low < 0.5 < single.high
    assert average.low < 0.75 < average.high
    assert single.high - single.low < 0.2
