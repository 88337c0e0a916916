"""Programs that ask the API: one per person of the cast, each with a token of their own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.cache.backends.locmem import LocMemCache
from knox.models import AuthToken
from rest_framework.test import APIClient

from scoring.api import throttles

Program = Callable[[User], APIClient]


@pytest.fixture(autouse=True)
def _own_counts(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Requests are counted for one test alone: test processes share the broker."""
    cache = LocMemCache(request.node.nodeid, {})
    cache.clear()
    monkeypatch.setattr(throttles, "cache", cache)
    monkeypatch.setattr(throttles, "time", lambda: 1_000_000.0)  # no test runs over the end of a minute


@pytest.fixture
def program() -> Program:
    """A client that sends a token of the person given."""

    def client_of(person: User) -> APIClient:
        _, secret = AuthToken.objects.create(user=person, expiry=timedelta(hours=1))
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Token {secret}")
        return client

    return client_of
