"""Reading ahead: what comes next is made in threads while one works with what came."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def read_ahead(
    read: Callable[[Item], Made], items: Iterable[Item], *, threads: int = 1
) -> Iterator[tuple[Item, Made]]:
    """Each item with what ``read`` makes of it, in order; as many of the next are made as there are threads.

    What ``read`` raises is raised where its item would come.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix="ahead") as readers:
        waiting: deque[tuple[Item, Future[Made]]] = deque()
        for item in items:
            waiting.append((item, readers.submit(read, item)))
            if len(waiting) > threads:
                yield _done(waiting.popleft())
        while waiting:
            yield _done(waiting.popleft())


def _done(waiting: tuple[Item, Future[Made]]) -> tuple[Item, Made]:
    item, made = waiting
    return item, made.result()
