"""Waiting for a process for as long as it lives and gets on.

How many seconds a start takes says nothing on a machine that is busy with something else. What uses the
processor or writes its log gets on, however slowly; what does neither for minutes is stuck.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

LOOK_EVERY_S = 2.0
TELL_FIRST_S, TELL_AGAIN_S = 15.0, 60.0
QUIET_S = 300.0  # without a sign of life, after which a living process counts as stuck
LEAST_CPU_S = 0.2  # what a server that only waits does not use in that time


class End(Enum):
    """How a wait ended."""

    READY = "ready"
    GONE = "gone"
    STUCK = "stuck"


@dataclass(frozen=True, slots=True)
class Signs:
    """Signs of life: which process, seconds of processor it and its children used, bytes in its log."""

    pid: int | None
    cpu_s: float
    log_bytes: int

    def tell_of_work_since(self, earlier: Signs) -> bool:
        """Whether something was done in between."""
        return (
            self.pid != earlier.pid
            or self.log_bytes != earlier.log_bytes
            or abs(self.cpu_s - earlier.cpu_s) >= LEAST_CPU_S  # less: a child that ended took its own along
        )


def signs_of(pid: int | None, log: Path) -> Signs:
    """Signs of life of a process and all below it; of none only those of the log."""
    size = 0
    with suppress(OSError):
        size = log.stat().st_size
    return Signs(pid, _cpu_of_family(pid) if pid is not None else 0.0, size)


def _cpu_of_family(pid: int) -> float:
    import psutil  # only a start that takes its time leads here

    used = 0.0
    with suppress(psutil.Error):
        head = psutil.Process(pid)
        for process in (head, *head.children(recursive=True)):
            with suppress(psutil.Error):
                times = process.cpu_times()
                used += times.user + times.system
    return used


class Patience:
    """Runs out after ``quiet_s`` without a sign of life; says meanwhile what is waited for. Times in seconds
    of a monotonic clock."""

    def __init__(
        self, what: str, log: Path, tell: Callable[[str], None], *, began: float, quiet_s: float = QUIET_S
    ) -> None:
        self._what, self._log, self._tell, self._quiet_s = what, log, tell, quiet_s
        self._began = self._moved_at = began
        self._tell_at = began + TELL_FIRST_S
        self._signs: Signs | None = None

    def runs_out(self, signs: Signs, *, now: float) -> bool:
        """Look at the signs once; True when there was none for too long."""
        if self._signs is None or signs.tell_of_work_since(self._signs):
            self._signs, self._moved_at = signs, now
        quiet_s = now - self._moved_at
        if now >= self._tell_at:
            self._tell_at = now + TELL_AGAIN_S
            state = "it is at work" if quiet_s < TELL_FIRST_S else f"nothing moved for {quiet_s:.0f} s"
            self._tell(
                f"Still waiting for {self._what}, {now - self._began:.0f} s by now; {state}, see {self._log}"
            )
        return quiet_s >= self._quiet_s


def wait_for(
    ready: Callable[[], bool],
    *,
    gone: Callable[[], bool],
    signs: Callable[[], Signs],
    patience: Patience,
    step_s: float = 0.02,
) -> End:
    """Poll until ``ready``, ``gone``, or patience runs out."""
    look_at = time.monotonic() + LOOK_EVERY_S
    while not ready():
        if gone():
            return End.GONE
        now = time.monotonic()
        if now >= look_at:
            look_at = now + LOOK_EVERY_S
            if patience.runs_out(signs(), now=now):
                return End.STUCK
        time.sleep(step_s)
    return End.READY
