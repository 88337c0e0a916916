"""Every row lock of the machine's room. Call inside a transaction; rows are taken in order of pk."""

from __future__ import annotations

from django.utils.translation import gettext

from scoring.errors import NotThereError
from scoring.models import ImportJob, Serving, TrainingRun


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


def training_run_lock(run_id: int) -> TrainingRun:
    """One training run, locked."""
    run = TrainingRun.objects.select_for_update(of=("self",)).filter(pk=run_id).first()
    if run is None:
        raise NotThereError(gettext("There is no such training run."))
    return run
