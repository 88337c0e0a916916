"""What the cache keeps is JSON: whoever can write to the broker can lie to the site, not run code in it."""

from __future__ import annotations

import json
from typing import Any

from django.core.cache.backends.redis import RedisCache, RedisCacheClient


class JsonSerializer:
    """In place of Django's own, which pickles. Whole numbers stay bare, so that Redis can count them."""

    def dumps(self, value: Any) -> int | bytes:
        return value if type(value) is int else json.dumps(value).encode()

    def loads(self, data: bytes) -> Any:
        try:
            return int(data)
        except ValueError:
            return json.loads(data)


class KeptClient(RedisCacheClient):
    """One client for each pool of lines; Django's own makes one for every question."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._clients: dict[int, Any] = {}

    def get_client(self, key: Any = None, *, write: bool = False) -> Any:
        """The client that reads, or writes."""
        index: int = self._get_connection_pool_index(write)  # type: ignore[attr-defined]  # its own
        if index not in self._clients:
            self._clients[index] = super().get_client(key, write=write)
        return self._clients[index]


class KeptRedisCache(RedisCache):
    """Django's cache with such clients."""

    def __init__(self, server: Any, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = KeptClient
