"""Tasks of the people's room: an id in, a station call, a small dict out."""

from __future__ import annotations

from celery import shared_task

from labeling import consensus, export, gold, learning, ordering, outside, queue, train
from labeling.annotate import SETTLE
from labeling.models import Project
from scoring.wake import heard


@shared_task(name="maintenance.queue_sweep")
def sweep_queue() -> dict[str, int]:
    return queue.queue_sweep()


@shared_task(name="maintenance.queue_reorder")
def reorder_queues() -> dict[str, int]:
    return ordering.queues_renew()


@shared_task(name="export.run", acks_late=False, soft_time_limit=3600, time_limit=3660)
def run_export(job_id: int) -> dict[str, str]:
    return {"state": export.export_execute(job_id=job_id)}


@shared_task(name="maintenance.export_sweep")
def sweep_exports() -> dict[str, int]:
    return export.export_sweep()


@shared_task(name="maintenance.gold_due")
def wake_for_gold() -> dict[str, int]:
    return gold.gold_due()


@shared_task(name="score.gold_renew", soft_time_limit=240, time_limit=300)
def renew_gold() -> dict[str, int]:
    return gold.gold_renew()


@shared_task(name="maintenance.outside_votes")
def count_outside_votes() -> dict[str, int]:
    return {"votes": outside.outside_votes_count()}


@shared_task(name="maintenance.retrain_by_rule")
def retrain_by_rule() -> dict[str, int]:
    return train.retrain_by_rule()


@shared_task(name=SETTLE)
def settle_new() -> dict[str, int]:
    heard(SETTLE)
    return {"settled": consensus.consensus_settle_new()}


@shared_task(name="maintenance.consensus_settle_due")
def settle_due() -> dict[str, int]:
    return {"settled": consensus.consensus_settle_due()}


@shared_task(name="maintenance.learning_measure", soft_time_limit=280, time_limit=300)
def measure_learning(project_id: int) -> dict[str, int]:
    measured = learning.learning_measure(project=Project.objects.get(pk=project_id))
    return {"labels": measured.labels if measured else 0}
