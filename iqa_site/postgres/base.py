"""The engine itself; Django looks for it under this name."""

from __future__ import annotations

import select
import time
from typing import Any

from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus

ASKED_AFTER_S = 5.0


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that is asked whether it lives only after a rest.

    A server that stops or is killed closes its end, which the socket tells without a question; only a line
    that rested may have died unheard, and is asked. Django asks before every request.
    """

    _heard_at = 0.0  # monotonic, seconds

    def is_usable(self) -> bool:
        """Whether the next statement will be heard, as far as can be known."""
        rested = time.monotonic() - self._heard_at > ASKED_AFTER_S
        if (rested or not _is_quiet(self.connection)) and not super().is_usable():
            return False
        self._heard_at = time.monotonic()
        return True


def _is_quiet(connection: Any) -> bool:
    """Open, idle, and with nothing to read: a goodbye or a closed end would be something to read."""
    if connection is None or connection.closed:
        return False
    if connection.info.transaction_status != TransactionStatus.IDLE:
        return False
    line = select.poll()
    line.register(connection.fileno(), select.POLLIN)
    return not line.poll(0)
