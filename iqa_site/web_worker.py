"""The web worker: gunicorn's threads, with the open lines of all browsers shared evenly among the workers.

A browser keeps its line open and so stays with whom it met first. When a worker dies its browsers come back
at once, to those who are there, and the newcomer that takes its place would never get one: after a few
deaths one worker serves everybody, on one processor. So each worker tells the others, in a few bytes of
shared memory, how many lines it holds; one that holds more than its share ends a line with its next answer
(``Connection: close``), and lets the others greet newcomers first.

Two more things a thread is not spent on here: waiting for the first word of a line that a browser opened in
advance, and waiting for a browser to close a line after its last answer.
"""

from __future__ import annotations

import mmap
import selectors
import socket
import threading
import time
from collections import deque
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

PLACES = 256  # workers at once
SLACK = 2  # lines above the share that are not worth a new one
HEAD_START_S = 0.004  # how long a newcomer may wait for a worker with fewer lines
STILL_THERE_S = 0.05  # how long after it a newcomer counts as the one that waited
SEEN_OFF_S = 2.0  # how long a browser has to close a line after the last answer
WARM_S = 3.0  # a worker whose database or broker does not answer in this time starts without


class Board:
    """Lines held by each living worker, seen by all of them; the parent gives out its places."""

    def __init__(self) -> None:
        self._cells = memoryview(mmap.mmap(-1, PLACES * 4)).cast("i")

    def take(self) -> int:
        """A free place; from now on it stands for a living worker without lines."""
        place = next(place for place, cell in enumerate(self._cells) if not cell)
        self._cells[place] = 1
        return place

    def leave(self, place: int) -> None:
        """The worker is gone, however it went."""
        self._cells[place] = 0

    def tell(self, place: int, lines: int) -> None:
        """So many lines are open there now."""
        self._cells[place] = lines + 1

    def lines(self) -> list[int]:
        """Of every living worker."""
        return [cell - 1 for cell in self._cells if cell]


BOARD = Board()


class Line(TConn):  # type: ignore[misc]  # gunicorn has no types, so its classes are Any
    """One open connection; whoever closes it politely does not wait for the other side."""

    def __init__(self, worker: FairThreads, client: socket.socket, address: Any, server: Any) -> None:
        super().__init__(worker.cfg, client, address, server)
        self.worker = worker

    def close(self, graceful: bool = False) -> None:
        """End it; ``graceful``: the last answer is still under way."""
        if graceful:
            self.worker.see_off(self.sock)
        else:
            super().close()


class FairThreads(ThreadWorker):  # type: ignore[misc]  # as above
    """Threads that answer, in a worker that takes its share of the lines and no more."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.place = BOARD.take()  # in the parent, before the fork
        self._leaving: deque[tuple[socket.socket, float]] = deque()
        self._resume_at = 0.0  # monotonic: when to greet again after having stood back

    def run(self) -> None:
        """Serve, once every thread has its lines to database and broker: others answer meanwhile."""
        together = threading.Barrier(self.cfg.threads + 1)
        for _ in range(self.cfg.threads):
            self.tpool.submit(_get_ready, together)
        with suppress(threading.BrokenBarrierError):
            together.wait(WARM_S)
        super().run()

    # --- newcomers --------------------------------------------------------------------------------
    def accept(self, listener: socket.socket) -> None:
        """Greet a newcomer; a thread is spent on it when it says something."""
        if self._stands_back():
            return
        try:
            client, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):  # another worker greeted it, or it went
            return
        self.nr_conns += 1
        line = Line(self, client, address, listener.getsockname())
        line.set_timeout()
        self.pending_conns.append(line)
        self.poller.register(client, selectors.EVENT_READ, partial(self.on_pending_socket_readable, line))

    def _stands_back(self) -> bool:
        """Whether others, who hold fewer lines, get a head start; not twice for one newcomer."""
        now = time.monotonic()
        stood_back, self._resume_at = now < self._resume_at + STILL_THERE_S, 0.0
        if stood_back or self.nr_conns <= min(BOARD.lines(), default=0):
            return False
        self._resume_at = now + HEAD_START_S
        super().set_accept_enabled(False)
        return True

    def set_accept_enabled(self, enabled: bool) -> None:
        """As ever, but not while standing back."""
        if not enabled or time.monotonic() >= self._resume_at:
            super().set_accept_enabled(enabled)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """As ever; the others are told how many lines are held."""
        BOARD.tell(self.place, self.nr_conns)
        head_start = self._resume_at - time.monotonic()
        if head_start > 0:
            timeout = min(timeout, head_start)
        super().wait_for_and_dispatch_events(timeout)
        self._forget_who_stays()

    # --- those who leave --------------------------------------------------------------------------
    def handle_request(self, req: Any, conn: Any) -> Any:
        """Answer, and end the line with it where this worker holds more than its share."""
        held = BOARD.lines()
        if self.nr_conns > sum(held) / max(1, len(held)) + SLACK:
            req.force_close()
        return super().handle_request(req, conn)

    def see_off(self, client: socket.socket) -> None:
        """No more is said; the line closes when the other side has heard it, or after a while."""
        try:
            client.shutdown(socket.SHUT_WR)
            client.setblocking(False)
            self.poller.register(client, selectors.EVENT_READ, self._hear_out)
        except (OSError, ValueError, KeyError):  # it is closed already
            client.close()
        else:
            self._leaving.append((client, time.monotonic() + SEEN_OFF_S))

    def _hear_out(self, client: socket.socket) -> None:
        try:
            if client.recv(65536):
                return
        except BlockingIOError:
            return
        except OSError:  # it broke off
            pass
        self._let_go(client)

    def _forget_who_stays(self) -> None:
        while self._leaving and (self._leaving[0][0].fileno() < 0 or self._leaving[0][1] < time.monotonic()):
            client, _until = self._leaving.popleft()
            if client.fileno() >= 0:
                self._let_go(client)

    def _let_go(self, client: socket.socket) -> None:
        with suppress(KeyError, ValueError, OSError):
            self.poller.unregister(client)
        client.close()


def _get_ready(together: threading.Barrier) -> None:
    """In each thread: open its lines to database, cache and broker, so that nobody's request does."""
    for meet in (_meet_the_database, _meet_the_broker):
        with suppress(Exception):  # it is away: the requests will say so
            meet()
    with suppress(threading.BrokenBarrierError):
        together.wait(WARM_S)


def _meet_the_database() -> None:
    from django.db import connection

    connection.ensure_connection()


def _meet_the_broker() -> None:
    from celery import current_app
    from django.core.cache import cache

    cache.get("ready")
    with current_app.producer_or_acquire():
        _ = current_app.backend  # each thread makes its own, at its first message
