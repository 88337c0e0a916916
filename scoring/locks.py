"""Every row lock of the machine's room. Call inside a transaction; rows are taken in order of pk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.utils.translation import gettext

from scoring.errors import NotThereError
from scoring.models import ImportJob, Serving, TrainingRun

READING = 4711  # which of our advisory locks it is


def serving_lock() -> Serving:
    """The serving row, locked; promotions queue here.

    Locked bare and joined afterwards: a row that changed while it was waited for would be joined to the
    models it named before, match none of them and look as if it did not exist.
    """
    Serving.objects.select_for_update().get(pk=1)
    return Serving.objects.select_related("champion", "displayed", "previous", "shadow").get(pk=1)


def import_job_lock(job_id: int) -> ImportJob:
    """One import job, locked."""
    job = ImportJob.objects.select_for_update().filter(pk=job_id).first()
    if job is None:
        raise NotThereError(gettext("There is no such import."))
    return job


@contextmanager
def import_reading(job_id: int) -> Iterator[bool]:
    """Whether nobody else reads the source of this import; the database lets go when the reader dies."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [READING, job_id % 2**31])
        is_ours = bool(cursor.fetchone()[0])
    try:
        yield is_ours
    finally:
        if is_ours:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [READING, job_id % 2**31])


def training_run_lock(run_id: int) -> TrainingRun:
    """One training run, locked."""
    run = TrainingRun.objects.select_for_update(of=("self",)).filter(pk=run_id).first()
    if run is None:
        raise NotThereError(gettext("There is no such training run."))
    return run
