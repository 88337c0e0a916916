"""The web's line to PostgreSQL, and whom a session belongs to, cost little and believe nothing stale."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from iqa_site.postgres import base
from tests.conftest import Cast


@pytest.fixture
def asked_each_request(transactional_db: None) -> Iterator[None]:
    """As between two requests: the line is to be looked at before its next use."""
    connection.ensure_connection()
    connection.health_check_enabled, connection.health_check_done = True, False
    yield
    connection.health_check_enabled = False


def counted(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Answers of Django's own check, each of which costs a question."""
    answers: list[bool] = []
    own = base.base.DatabaseWrapper.is_usable

    def is_usable(self: Any) -> bool:
        answers.append(own(self))
        return answers[-1]

    monkeypatch.setattr(base.base.DatabaseWrapper, "is_usable", is_usable)
    return answers


@pytest.mark.usefixtures("asked_each_request")
def test_a_line_in_use_is_not_asked_whether_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    connection.is_usable()
    answers = counted(monkeypatch)
    assert connection.is_usable()
    assert answers == []


@pytest.mark.usefixtures("asked_each_request")
def test_a_line_that_rested_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    connection.is_usable()
    connection._heard_at -= base.ASKED_AFTER_S + 1  # type: ignore[attr-defined]
    answers = counted(monkeypatch)
    assert connection.is_usable()
    assert answers == [True]


@pytest.mark.usefixtures("asked_each_request")
def test_a_line_the_server_closed_is_noticed_without_a_question_lost() -> None:
    connection.is_usable()
    server: Any = connection.connection
    before = server.info.backend_pid
    known = connection.get_connection_params()
    settings = {name: known.get(name) for name in ("dbname", "user", "password", "host", "port")}
    with psycopg.connect(**settings, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [before])
    connection.health_check_done = False
    assert User.objects.count() == 0
    server = connection.connection
    assert server.info.backend_pid != before


def test_who_may_not_come_in_any_more_is_out_at_the_next_request(cast: Cast, client: Client) -> None:
    client.force_login(cast.ann)
    assert client.get("/").status_code == 200
    User.objects.filter(pk=cast.ann.pk).update(is_active=False)
    assert client.get("/").status_code == 302


def test_the_person_of_a_session_costs_one_statement(cast: Cast, client: Client) -> None:
    client.force_login(cast.ann)
    client.get("/")
    with CaptureQueriesContext(connection) as asked:
        client.get("/")
    assert sum("auth_user u" in query["sql"] for query in asked) == 1


def test_the_cache_keeps_its_client() -> None:
    assert cache._cache.get_client() is cache._cache.get_client()  # type: ignore[attr-defined]
