"""What stands in the cache is JSON: somebody who writes to the broker cannot run code in the site."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
import redis
from django.conf import settings
from django.core.cache import cache

from iqa_site.cache import JsonSerializer


@pytest.mark.parametrize(
    "value", [0, 7, -1, "7", "text", 1.5, True, False, None, [1, "a"], {"a": {"b": [None]}}, "名"]
)
def test_what_goes_in_comes_out(value: Any) -> None:
    kept = JsonSerializer()
    stored = kept.dumps(value)
    back = kept.loads(stored if isinstance(stored, bytes) else str(stored).encode())
    assert back == value
    assert type(back) is type(value)


def test_a_pickle_put_into_the_broker_is_not_opened() -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (print, ("the trap was sprung",))

    key = cache.make_key("trap")
    server = redis.Redis.from_url(settings.REDIS_URL)
    server.set(key, pickle.dumps(Trap()), ex=60)
    with pytest.raises((json.JSONDecodeError, UnicodeDecodeError)):
        cache.get("trap")
    server.delete(key)


def test_counts_are_counted_by_the_broker() -> None:
    cache.delete("count")
    cache.add("count", 0, 60)
    assert [cache.incr("count"), cache.incr("count")] == [1, 2]
