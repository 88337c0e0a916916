"""How views of one shape are put into batches."""

from __future__ import annotations

import pytest

from scoring.core.look import COUNTS_AT_ONCE, parted


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 20, 31, 33, 64, 127, 300])
def test_on_a_card_batches_have_few_sizes_and_nothing_is_left_out(count: int) -> None:
    parts = parted(range(count), most=500, device="cuda")
    assert {len(part) for part in parts} <= set(COUNTS_AT_ONCE)
    assert len({len(part) for part in parts}) == 1
    assert list(dict.fromkeys(n for part in parts for n in part)) == list(range(count))
    assert sum(len(part) for part in parts) < 2 * count


def test_no_batch_holds_more_than_it_may() -> None:
    assert {len(part) for part in parted(range(30), most=9, device="cuda")} == {8}
    assert {len(part) for part in parted(range(5), most=0, device="cuda")} == {1}
    assert [len(part) for part in parted(range(5), most=3, device="cpu")] == [3, 2]
