"""Units are drawn, not pictures; the draw is fair however they come, and of the size that is wanted."""

from __future__ import annotations

import numpy as np
import pytest

from labeling.core.holdout import Unit, draw_units, is_seller_whole, pictures_wanted


def test_a_share_of_all_is_wanted_up_to_the_most_and_never_less_than_nothing() -> None:
    assert pictures_wanted(share=0.2, most=300, pictures=100, held=5) == 15
    assert pictures_wanted(share=0.2, most=300, pictures=10_000, held=290) == 10
    assert pictures_wanted(share=0.2, most=300, pictures=10_000, held=310) == 0


def test_single_pictures_are_drawn_to_the_number_wanted() -> None:
    units = [Unit(f"p{n}", 1) for n in range(200)]
    assert len(draw_units(units, wanted=40, rng=np.random.default_rng(1))) == 40


def test_every_unit_is_as_likely_as_another() -> None:
    units = [Unit(f"p{n}", 1) for n in range(10)]
    counts = dict.fromkeys((unit.key for unit in units), 0)
    for seed in range(400):
        for key in draw_units(units, wanted=2, rng=np.random.default_rng(seed)):
            counts[key] += 1
    assert min(counts.values()) > 50
    assert max(counts.values()) < 115


def test_large_units_give_the_right_size_on_the_average() -> None:
    units = [Unit(f"s{n}", size) for n, size in enumerate((30, 30, 20, 10, 10))]
    size = {unit.key: unit.pictures for unit in units}
    drawn = [
        sum(size[key] for key in draw_units(units, wanted=20, rng=np.random.default_rng(seed)))
        for seed in range(500)
    ]
    assert np.mean(drawn) == pytest.approx(20, abs=1.5)
    assert max(drawn) < 20 + 30


def test_pictures_that_come_one_by_one_are_drawn_as_fairly() -> None:
    held = 0
    for number in range(1, 501):
        wanted = pictures_wanted(share=0.2, most=300, pictures=number, held=held)
        held += len(draw_units([Unit("p", 1)], wanted=wanted, rng=np.random.default_rng(number)))
    assert held == pytest.approx(100, abs=5)


def test_a_seller_is_whole_only_among_many_and_when_it_does_not_own_the_catalogue() -> None:
    assert is_seller_whole(seller="acme", sellers=12, share=0.1)
    assert not is_seller_whole(seller="", sellers=12, share=0.1)
    assert not is_seller_whole(seller="acme", sellers=3, share=0.1)
    assert not is_seller_whole(seller="acme", sellers=12, share=0.6)
