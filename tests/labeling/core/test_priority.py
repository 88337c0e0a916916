"""Begun first, then the batch with random pictures among it, then the rest; the same every time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from labeling.core.priority import (
    BEGUN,
    Waiting,
    draws_by_quota,
    draws_of,
    interleave,
    priorities,
    priorities_by_draw,
    random_rows,
    set_apart_rows,
)


def waiting_of(
    count: int,
    *,
    begun: tuple[int, ...] = (),
    at_random: tuple[int, ...] = (),
    held: tuple[int, ...] = (),
) -> Waiting:
    rows = np.arange(count)
    return Waiting(
        stds=np.linspace(5, 30, count),
        draws=draws_of(range(1, count + 1)),
        is_begun=np.isin(rows, begun),
        at_random=np.isin(rows, at_random),
        is_held=np.isin(rows, held),
        votes=np.zeros(count, dtype=np.int64),
    )


def mixed(waiting: Waiting, chosen: Sequence[int]) -> np.ndarray:
    """Priorities of the mixed order, a fifth at random."""
    rows = np.array(list(chosen), dtype=np.int64)
    return priorities(waiting, chosen=rows, drawn=random_rows(waiting, chosen=rows), random_share=0.2)


def test_draws_are_even_fixed_and_differ_between_neighbours() -> None:
    draws = draws_of(range(1, 10_001))
    assert draws[:3].tolist() == draws_of([1, 2, 3]).tolist()
    assert len(set(draws.tolist())) == 10_000
    assert np.histogram(draws, bins=10, range=(0, 1))[0].min() > 900
    assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 0.03


def test_three_layers_never_overlap() -> None:
    waiting = waiting_of(40, begun=(3,), at_random=(10, 11, 12))
    out = mixed(waiting, [0, 1, 2, 4])
    assert out[3] == BEGUN
    assert out[0] == 2.0
    assert 2.0 > out[1] > out[2] > out[4] > 1.0
    rest = [k for k in range(40) if out[k] <= 1.0]
    assert len(rest) == 40 - 1 - 4 - 1  # one begun, four chosen, one of five is random
    assert all(out[k] < 1.0 for k in rest)


def test_a_fifth_of_any_stretch_is_random_while_it_lasts() -> None:
    order = interleave(np.arange(80), np.arange(100, 200), share=0.2)
    assert len(order) == 100
    for start in range(0, 100, 10):
        assert int((order[start : start + 10] >= 100).sum()) == 2
    assert order[order < 100].tolist() == list(range(80))
    assert order[order >= 100].tolist() == list(range(100, 120))


def test_the_random_share_takes_what_the_model_is_judged_on_first() -> None:
    waiting = waiting_of(50, at_random=(20, 21, 22))
    out = mixed(waiting, range(16))
    drawn = [k for k in range(50) if out[k] > 1.0 and k >= 16]
    assert len(drawn) == 4
    assert {20, 21, 22} < set(drawn)


def test_the_rest_goes_by_uncertainty_but_what_judges_the_model_does_not() -> None:
    waiting = waiting_of(1000, at_random=tuple(range(800, 1000)))  # the model is least sure of these
    out = mixed(waiting, [])
    assert (np.diff(out[:800]) >= 0).all()
    assert out[800:].mean() == pytest.approx(out[:800].mean(), abs=0.01)
    assert np.corrcoef(out[800:], waiting.stds[800:])[0, 1] < 0.2


def test_random_order_is_the_draw_and_begun_items_come_first() -> None:
    waiting = waiting_of(20, begun=(5,))
    out = priorities_by_draw(waiting)
    assert out[5] == BEGUN
    assert np.argsort(np.delete(out, 5)).tolist() == np.argsort(np.delete(waiting.draws, 5)).tolist()


def test_an_empty_queue_has_no_priorities() -> None:
    empty = waiting_of(0)
    assert mixed(empty, []).tolist() == []


def test_rows_set_apart_are_those_and_no_others_in_order_of_their_draws() -> None:
    waiting = waiting_of(30, begun=(7,), at_random=(5, 7, 9, 11))
    assert set_apart_rows(waiting).tolist() == sorted([5, 9, 11], key=lambda row: waiting.draws[row])


def test_a_random_order_keeps_quotas_in_any_stretch_and_the_order_within_a_category() -> None:
    draws = draws_of(list(range(300)))
    categories = np.array(["mugs"] * 200 + ["shoes"] * 50 + ["hats"] * 50)
    told = draws_by_quota(draws, categories, {"shoes": 0.5, "hats": 0.2})
    order = np.argsort(-told)
    for stretch in (20, 40, 80):
        first = categories[order[:stretch]]
        assert abs((first == "shoes").mean() - 0.5) <= 0.06
        assert abs((first == "hats").mean() - 0.2) <= 0.06
    mugs = [row for row in order if categories[row] == "mugs"]
    assert mugs == sorted(mugs, key=lambda row: -draws[row])
    assert told.min() > 0
    assert told.max() < 1
    whole = np.argsort(-draws_by_quota(draws, categories, {"shoes": 0.5, "hats": 0.5}))
    assert set(categories[whole[:100]]) == {"shoes", "hats"}
