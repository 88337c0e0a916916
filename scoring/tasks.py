"""Tasks of the machine's room: an id in, a station call, a small dict out."""

from __future__ import annotations

from celery import shared_task

from scoring import audit, ingest, instant, rescore, score, shadow, spool, train


@shared_task(name="ingest.run", soft_time_limit=240, time_limit=300)
def run_import(job_id: int) -> dict[str, int]:
    return ingest.import_run(job_id=job_id)


@shared_task(name="score.chunks")
def run_score_chunks() -> dict[str, int]:
    return {"scored": score.score_chunks()}


@shared_task(name="score.shadow")
def run_shadow() -> dict[str, int]:
    return {"scored": shadow.shadow_catch_up()}


@shared_task(name="score.make_ready")
def make_models_ready() -> None:
    instant.models_make_ready()


@shared_task(name="rescore.chunks")
def run_rescore_chunks() -> dict[str, int]:
    return {"scored": rescore.rescore_chunks()}


@shared_task(name="train.run", acks_late=False, soft_time_limit=86_400, time_limit=90_000)
def run_training(run_id: int) -> dict[str, str]:
    return {"state": train.training_execute(run_id=run_id)}


@shared_task(name="maintenance.score_sweep")
def sweep_scoring() -> dict[str, int]:
    return score.score_sweep() | {"settled": int(rescore.rescore_settle())}


@shared_task(name="maintenance.ingest_sweep")
def sweep_imports() -> dict[str, int]:
    return ingest.ingest_sweep()


@shared_task(name="maintenance.spool_sweep")
def sweep_spool() -> dict[str, int]:
    return spool.spool_sweep()


@shared_task(name="maintenance.drift_watch")
def watch_drift() -> dict[str, int]:
    return {"changed": len(audit.drift_watch())}


@shared_task(name="maintenance.train_sweep")
def sweep_training() -> dict[str, int]:
    return train.training_sweep()
