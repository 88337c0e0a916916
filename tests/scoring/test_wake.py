"""A worker is knocked for once, however many have something for it, and never one time too few."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.db import transaction

from scoring.wake import heard, knock

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_cache")]
TASK = "maintenance.something"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    monkeypatch.setattr("celery.app.base.Celery.send_task", lambda _app, name, **_options: names.append(name))
    return names


def test_many_knocks_are_one_message_until_it_is_heard(sent: list[str]) -> None:
    for _ in range(5):
        knock(TASK)
    assert sent == [TASK]
    heard(TASK)
    knock(TASK)
    assert sent == [TASK, TASK]


def test_a_knock_comes_after_the_commit_and_not_for_what_was_taken_back(sent: list[str]) -> None:
    with transaction.atomic():
        knock(TASK)
        assert sent == []
    assert sent == [TASK]
    heard(TASK)
    with transaction.atomic():
        knock(TASK)
        transaction.set_rollback(True)
    assert sent == [TASK]


def test_tasks_are_knocked_for_one_by_one(sent: list[str]) -> None:
    knock(TASK)
    knock("maintenance.other")
    assert sent == [TASK, "maintenance.other"]


def test_a_sign_whose_message_was_lost_goes_down_by_itself(sent: list[str]) -> None:
    knock(TASK)
    cache.touch("knocked:maintenance.something", 0)
    knock(TASK)
    assert sent == [TASK, TASK]


def test_without_a_broker_nobody_is_held_up(sent: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_said: Any, **_options: Any) -> None:
        raise ConnectionError("away")

    monkeypatch.setattr("scoring.wake.cache.add", away)
    monkeypatch.setattr("scoring.wake.cache.delete", away)
    knock(TASK)
    heard(TASK)
    assert sent == []
