"""How gunicorn serves the site at home and in the container (``--config=python:iqa_site.web_server``)."""

from __future__ import annotations

import gc
import os
from typing import Any

from iqa_site.web_worker import BOARD, FairThreads

worker_class = FairThreads
# Each worker is one processor's worth of Python. One more than a small machine has processors: where one dies
# the others take its browsers while the next is made.
workers = int(os.environ.get("VITRINE_WEB_WORKERS") or 3)
threads = int(os.environ.get("VITRINE_WEB_THREADS") or 3)
preload_app = True
control_socket_disable = True
timeout = 120
keepalive = 20  # seconds: longer than people look at a picture, so that the next answer needs no new line


def when_ready(server: Any) -> None:
    """Everything read so far is kept for good: workers share its memory and never search it for waste."""
    gc.collect()
    gc.freeze()


def child_exit(server: Any, worker: FairThreads) -> None:
    """In the parent, when it has noticed that a worker is gone."""
    BOARD.leave(worker.place)
