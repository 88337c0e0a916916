"""What beat wakes exists, is quick on an empty house, and may run twice."""

from __future__ import annotations

import pytest
from celery import current_app

from iqa_site.celery import app
from iqa_site.schedule import BEAT_SCHEDULE

ENTRIES = sorted(BEAT_SCHEDULE)


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.django_db
def test_every_entry_names_a_task_that_runs_twice_and_answers_a_small_dict(entry: str) -> None:
    app.loader.import_default_modules()
    task = current_app.tasks[str(BEAT_SCHEDULE[entry]["task"])]
    for _ in range(2):
        told = task()
        assert isinstance(told, dict)
        assert all(isinstance(value, int) for value in told.values())


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_entry_goes_to_the_queue_of_sweepers(entry: str) -> None:
    assert str(BEAT_SCHEDULE[entry]["task"]).startswith("maintenance.")


def test_every_message_a_station_sends_has_its_task() -> None:
    app.loader.import_default_modules()
    for name in (
        "score.gold_renew",
        "score.chunks",
        "rescore.chunks",
        "ingest.run",
        "train.run",
        "maintenance.consensus_settle",
    ):
        assert name in current_app.tasks
