"""Waking workers after the commit. The row is the job: a wake-up that is lost costs a sweep, never a job."""

from __future__ import annotations

import logging
from typing import Any

from celery import current_app
from django.db import transaction

log = logging.getLogger(__name__)


def wake(task: str, *args: Any) -> None:
    """Send ``task`` when the transaction commits; a broker that is down is logged, not raised."""

    def send() -> None:
        try:
            current_app.send_task(task, args=args, retry=False)
        except Exception as error:  # any broker fault means the same: the sweeper will wake them
            log.warning("could not wake %s (%s); the sweeper will", task, error)

    transaction.on_commit(send, robust=True)


def queue_length(queue: str) -> int | None:
    """Messages waiting in a queue, None when the broker does not answer."""
    try:
        with current_app.connection_for_read() as connection:
            channel: Any = connection.default_channel
            return int(channel.client.llen(queue))
    except Exception:  # the sweeper then sends nothing this time
        return None
