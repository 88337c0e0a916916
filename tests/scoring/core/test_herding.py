"""Herded pictures stand for their pool: as the paper's formula says, and better than chance."""

from __future__ import annotations

import numpy as np
import pytest

from scoring.core.acquire import BatchRules, Choice, Pool, Strategy, Taught, choose
from scoring.core.herding import NEAR, Herd
from scoring.core.landmarks import usual_distance

FREE = BatchRules(duplicate_cosine=2.0, floor=0.0, ceiling=1e9)


def rng_of(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def groups(sizes: list[int], *, seed: int = 0) -> np.ndarray:
    rng = rng_of(seed)
    centres = rng.normal(0, 10, (len(sizes), 6))
    return (np.repeat(centres, sizes, axis=0) + rng.normal(0, 1, (sum(sizes), 6))).astype(np.float32)


def herded(rows: np.ndarray, taught: np.ndarray, count: int) -> np.ndarray:
    return told_of(rows, taught, count, ["mugs"] * len(rows), FREE).rows


def told_of(
    rows: np.ndarray, taught: np.ndarray, count: int, categories: list[str], rules: BatchRules
) -> Choice:
    alike = np.eye(len(rows), dtype=np.float32)
    pool = Pool(rows, alike, np.ones(len(rows)), np.array(categories))
    known = Taught(taught, np.zeros((len(taught), len(rows)), dtype=np.float32))
    return choose(pool, count=count, strategy=Strategy.HERDING, rng=rng_of(), taught=known, rules=rules)


def kernel_of(rows: np.ndarray) -> np.ndarray:
    apart = ((rows[:, None].astype(float) - rows[None]) ** 2).sum(axis=2)
    return np.asarray(np.exp(-apart / (2 * (NEAR * usual_distance(rows, rng_of())) ** 2)))


def discrepancy(rows: np.ndarray, chosen: np.ndarray) -> float:
    """Squared maximum mean discrepancy between the pool and the chosen rows (Gretton et al. 2012)."""
    kernel = kernel_of(rows)
    within, across = kernel[np.ix_(chosen, chosen)].mean(), kernel[chosen].mean()
    return float(kernel.mean() - 2 * across + within)


def test_each_next_picture_is_the_one_that_the_paper_takes() -> None:
    """argmax over x of mean k(x, pool) - sum k(x, taken) / (t + 1), where labelled ones count as taken."""
    rows, taught = groups([40, 25, 10]), groups([5, 5, 5], seed=0)[:7]
    apart = ((rows[:, None].astype(float) - taught[None]) ** 2).sum(axis=2)
    length = NEAR * usual_distance(rows, rng_of())
    shown, kernel = np.exp(-apart / (2 * length**2)).sum(axis=1), kernel_of(rows)
    expected: list[int] = []
    for turn in range(12):
        worth = kernel.mean(axis=1) - (shown + kernel[:, expected].sum(axis=1)) / (len(taught) + turn + 1)
        worth[expected] = -np.inf
        expected.append(int(np.argmax(worth)))
    assert herded(rows, taught, 12).tolist() == expected


@pytest.mark.parametrize("count", [10, 30, 60])
def test_few_herded_pictures_show_the_pool_better_than_as_many_drawn(count: int) -> None:
    rows = groups([120, 60, 40, 20])
    drawn = [discrepancy(rows, rng_of(seed).choice(len(rows), count, replace=False)) for seed in range(20)]
    assert discrepancy(rows, herded(rows, rows[:0], count)) < 0.7 * min(drawn)


def test_every_kind_of_picture_is_asked_about_by_how_many_there_are() -> None:
    sizes = [120, 60, 40, 20]
    group = np.repeat(np.arange(4), sizes)
    chosen = herded(groups(sizes), groups(sizes)[:0], 24)
    assert np.bincount(group[chosen], minlength=4) == pytest.approx([12, 6, 4, 2], abs=2)


def test_what_has_labels_is_not_asked_about_again_while_other_kinds_have_none() -> None:
    rows = groups([60, 60])
    assert (herded(rows, rows[:30], 10) >= 60).all()


def test_each_chosen_picture_says_what_it_stood_for_by_the_kernel_it_was_chosen_by() -> None:
    rows, taught = groups([40, 20, 1]), groups([40, 20, 1], seed=1)[:0]
    categories = ["mugs"] * 30 + ["hats"] * 31
    told = told_of(rows, taught, 12, categories, FREE)
    kernel = kernel_of(rows)
    own = np.array(categories)
    for place, (row, standing) in enumerate(zip(told.rows, told.standings, strict=True)):
        assert standing.others == pytest.approx(kernel[row].sum() - 1, abs=1e-3)
        assert standing.akin == pytest.approx(kernel[row][own == own[row]].sum() - 1, abs=1e-3)
        assert standing.asked == pytest.approx(kernel[row][told.rows[:place]].sum(), abs=1e-3)
        assert not standing.is_turn
    known = told_of(rows, rows[:3], 1, categories, FREE).rows[0]
    seen = told_of(rows, rows[:3], 1, categories, FREE).standings[0]
    assert seen.asked == pytest.approx(kernel[known][:3].sum(), abs=1e-3)


def test_a_picture_that_comes_since_its_category_is_due_says_so() -> None:
    rows = groups([40, 2])
    rules = BatchRules(duplicate_cosine=2.0, quotas={"hats": 0.5, "mugs": 0.5})
    told = told_of(rows, rows[:0], 6, ["mugs"] * 40 + ["hats"] * 2, rules)
    turns = [bool(row >= 40) for row in told.rows]
    assert turns.count(True) == 2
    assert [one.is_turn for one in told.standings] == turns


def test_a_pool_of_one_picture_many_times_over_is_no_division_by_nothing() -> None:
    rows = np.ones((30, 4), dtype=np.float32)
    herd = Herd(rows, rows[:2], rng_of())
    assert np.isfinite(herd.worth).all()
    assert len(herded(rows, rows[:2], 5)) == 5
