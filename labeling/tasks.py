"""Tasks of the people's room: an id in, a station call, a small dict out."""

from __future__ import annotations

from celery import shared_task

from labeling import consensus, ordering, queue, train


@shared_task(name="maintenance.queue_sweep")
def sweep_queue() -> dict[str, int]:
    return queue.queue_sweep()


@shared_task(name="maintenance.queue_reorder")
def reorder_queues() -> dict[str, int]:
    return ordering.queues_renew()


@shared_task(name="maintenance.retrain_by_rule")
def retrain_by_rule() -> dict[str, int]:
    return train.retrain_by_rule()


@shared_task(name="maintenance.consensus_settle")
def settle_item(item_id: int) -> dict[str, int]:
    return {"item": item_id, "settled": int(consensus.consensus_settle(item_id=item_id) is not None)}


@shared_task(name="maintenance.consensus_settle_due")
def settle_due() -> dict[str, int]:
    return {"settled": consensus.consensus_settle_due()}
