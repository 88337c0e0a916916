"""Pages of the people's room as scripts see them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

Post = Callable[..., Any]


@pytest.fixture
def post(db: None) -> Post:
    """``post(user, "next", count=2)`` asks /api/v1/label/next/ as this person: status and answer."""
    clients: dict[int, Client] = {}

    def send(user: User, name: str, **said: Any) -> tuple[int, Any]:
        client = clients.setdefault(user.pk, Client())
        client.force_login(user)
        answer = client.post(f"/api/v1/label/{name}/", said, content_type="application/json")
        return answer.status_code, answer.json()

    return send
