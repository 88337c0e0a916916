"""Waking workers after the commit. The row is the job: a wake-up that is lost costs a sweep, never a job."""

from __future__ import annotations

import logging
from typing import Any

from celery import current_app
from django.core.cache import cache
from django.db import transaction

log = logging.getLogger(__name__)
KNOCK_S = 5


def wake(task: str, *args: Any) -> None:
    """Send ``task`` when the transaction commits; a broker that is down is logged, not raised."""

    def send() -> None:
        try:
            current_app.send_task(task, args=args, retry=False)
        except Exception as error:  # any broker fault means the same: the sweeper will wake them
            log.warning("could not wake %s (%s); the sweeper will", task, error)

    transaction.on_commit(send, robust=True)


def knock(task: str) -> None:
    """``wake`` for a task that takes all there is: while one knock waits to be heard, others are spared.

    Who knocks has committed; who hears takes the sign down before it looks. So nothing that is there at a
    spared knock is overlooked. A knock whose message was lost is spared for ``KNOCK_S`` at most.
    """

    def send() -> None:
        try:
            if cache.add(_sign(task), 1, KNOCK_S):
                current_app.send_task(task, retry=False)
        except Exception as error:  # as above
            log.warning("could not knock for %s (%s); the sweeper will wake them", task, error)

    transaction.on_commit(send, robust=True)


def heard(task: str) -> None:
    """What such a task says before it looks: whoever comes from now on must knock again."""
    try:
        cache.delete(_sign(task))
    except Exception as error:  # it goes down by itself
        log.warning("the sign of %s stays up (%s)", task, error)


def _sign(task: str) -> str:
    return f"knocked:{task}"


def queue_length(queue: str) -> int | None:
    """Messages waiting in a queue, None when the broker does not answer."""
    try:
        with current_app.connection_for_read() as connection:
            channel: Any = connection.default_channel
            return int(channel.client.llen(queue))
    except Exception:  # the sweeper then sends nothing this time
        return None
