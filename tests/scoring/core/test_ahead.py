"""What comes next is made while one works, in order, and nothing more than that."""

from __future__ import annotations

import threading

import pytest

from scoring.core.ahead import read_ahead


@pytest.mark.parametrize("threads", [1, 3])
def test_items_come_in_order_and_no_more_is_made_ahead_than_there_are_threads(threads: int) -> None:
    begun: list[int] = []

    def read(item: int) -> int:
        begun.append(item)
        return 10 * item

    for number, (item, made) in enumerate(read_ahead(read, iter(range(8)), threads=threads)):
        assert (item, made) == (number, 10 * number)
        assert len(begun) <= number + 1 + threads
    assert sorted(begun) == list(range(8))


def test_the_next_is_made_while_one_is_worked_with() -> None:
    second = threading.Event()
    ahead = read_ahead(lambda item: item and second.set(), [0, 1])
    next(ahead)
    assert second.wait(5)


def test_what_cannot_be_made_is_raised_in_its_place() -> None:
    ahead = read_ahead(lambda item: 1 // item, [2, 1, 0, 3])
    assert [next(ahead)[1], next(ahead)[1]] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(ahead)
