"""Intervals hold what they promise, within a category too where it has the labels for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scoring.core.calibrate import category_factors, conformal_factor, covered_share
from scoring.core.checkpoint import read_tensors, write_tensors
from scoring.core.head import Head, fit_head, head_from_tensors, head_to_tensors
from scoring.core.predict import score_table
from scoring.core.types import NotFiniteError


def rows(count: int, *, seed: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Guesses all alike, truths that scatter four times as much for shoes as for mugs."""
    rng = np.random.default_rng(seed)
    names = ["shoes" if k % 2 else "mugs" for k in range(count)]
    spread = np.array([12.0 if name == "shoes" else 3.0 for name in names])
    return np.full(count, 50.0), 50 + spread * rng.normal(size=count), names


def head() -> Head:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(60, 4)).astype(np.float32)
    return fit_head(vectors=vectors, overall=rng.uniform(30, 70, 60), feature_version="v")


def test_a_category_with_enough_labels_gets_the_cover_that_was_promised() -> None:
    guess, truth, names = rows(2000, seed=1)
    factors = category_factors(guess, truth, np.ones(2000), names)
    assert factors["shoes"] > 3 * factors["mugs"]
    new_guess, new_truth, new_names = rows(4000, seed=2)
    for name, factor in factors.items():
        mine = np.array(new_names) == name
        assert covered_share(new_guess[mine], new_truth[mine], np.full(mine.sum(), factor)) == pytest.approx(
            0.9, abs=0.025
        )
    common = conformal_factor(guess, truth, np.ones(2000))
    shoes = np.array(new_names) == "shoes"
    assert covered_share(new_guess[shoes], new_truth[shoes], np.full(shoes.sum(), common)) < 0.85


def test_few_labels_and_no_name_share_the_common_factor() -> None:
    guess, truth, names = rows(98, seed=1)
    assert category_factors(guess, truth, np.ones(98), names) == {}
    assert category_factors(guess, truth, np.ones(98), [""] * 98) == {}


def test_what_is_not_finite_is_refused() -> None:
    guess, truth, names = rows(200, seed=1)
    truth[3] = np.nan
    with pytest.raises(NotFiniteError):
        category_factors(guess, truth, np.ones(200), names)


def test_a_head_keeps_its_factors_and_scores_by_them(tmp_path: Path) -> None:
    known = replace(head(), interval_factor=1.5, category_factors={"shoes": 3.0, "眼镜": 1.0})
    digest = write_tensors(tmp_path, head_to_tensors(known), {})
    again = head_from_tensors(read_tensors(tmp_path, digest), feature_version="v")
    assert dict(again.category_factors) == {"shoes": 3.0, "眼镜": 1.0}
    table = score_table(again, np.zeros((3, 4), dtype=np.float32), ["shoes", "hats", "眼镜"])
    widths = table[:, 3] - table[:, 0]
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.01)
    assert widths[1] == pytest.approx(1.5 * widths[2], abs=0.01)


def test_a_head_from_before_has_none(tmp_path: Path) -> None:
    digest = write_tensors(tmp_path, head_to_tensors(head()), {})
    assert head_from_tensors(read_tensors(tmp_path, digest), feature_version="v").category_factors == {}
