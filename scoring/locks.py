"""Every row lock of the machine's room. Call inside a transaction; rows are taken in order of pk."""

from __future__ import annotations

from scoring.models import ImportJob, Serving, TrainingRun


def serving_lock() -> Serving:
    """The serving row, locked; promotions queue here."""
    return (
        Serving.objects.select_for_update(of=("self",))
        .select_related("champion", "displayed", "previous")
        .get(pk=1)
    )


def import_job_lock(job_id: int) -> ImportJob:
    """One import job, locked."""
    return ImportJob.objects.select_for_update().get(pk=job_id)


def training_run_lock(run_id: int) -> TrainingRun:
    """One training run, locked."""
    return TrainingRun.objects.select_for_update(of=("self",)).get(pk=run_id)
