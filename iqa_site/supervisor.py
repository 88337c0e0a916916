"""Keeps the processes of the house alive, and ends them together."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from iqa_site import processes

BACKOFF_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
STEADY_S = 60.0  # a child that lived this long starts again without delay for its past
ASK_S, INSIST_S = 4.0, 2.0


@dataclass
class Program:
    """One supervised process. ``start`` returns the new child; ``once`` programs are not restarted."""

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    log_name: str
    once: bool = False
    child: subprocess.Popen[bytes] | None = None
    failures: int = 0
    started_at: float = 0.0
    due_at: float | None = field(default=None)


class Supervisor:
    """Starts programs, starts them again with growing patience, says one line when one dies."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.programs: list[Program] = []
        self.hurry = False
        self._say = say

    def add(self, program: Program, *, now: float) -> None:
        """Supervise a program; it starts here unless its child already runs."""
        self.programs.append(program)
        if program.child is None:
            self._start(program, now)
        else:
            program.started_at = now

    def tick(self, now: float) -> None:
        """Look at every program once. ``now``: seconds of a monotonic clock."""
        for program in list(self.programs):
            if program.due_at is not None:
                if now >= program.due_at:
                    self._start(program, now)
            elif program.child is not None and program.child.poll() is not None:
                self._after_death(program, program.child.returncode, now)

    def _start(self, program: Program, now: float) -> None:
        program.due_at, program.started_at = None, now
        try:
            program.child = program.start()
        except (OSError, RuntimeError) as error:
            self._retry_later(program, f"did not start ({error})", now)

    def _after_death(self, program: Program, status: int, now: float) -> None:
        assert program.child is not None  # noqa: S101  (the caller has just polled it)
        processes.signal_group(program.child, signal.SIGKILL)  # what it left of its group
        if program.once:
            self.programs.remove(program)
            outcome = "finished" if status == 0 else f"failed, see {program.log_name}"
            self._say(f"{program.name} {outcome}")
            return
        if now - program.started_at >= STEADY_S:
            program.failures = 0
        self._retry_later(program, f"stopped ({_how_it_ended(status)})", now)

    def _retry_later(self, program: Program, what: str, now: float) -> None:
        wait_s = BACKOFF_S[min(program.failures, len(BACKOFF_S) - 1)]
        program.failures += 1
        program.due_at = now + wait_s
        self._say(f"{program.name} {what}; starting it again in {wait_s:.0f} s, see {program.log_name}")

    def stop(self) -> None:
        """End every program: ask, insist with SIGQUIT (a cold stop for Celery), kill. About 6 s at most."""
        children = [program.child for program in self.programs if program.child is not None]
        for number, seconds in ((signal.SIGTERM, ASK_S), (signal.SIGQUIT, INSIST_S)):
            for child in children:
                if child.poll() is None:
                    with suppress(ProcessLookupError):
                        child.send_signal(number)
            if self._all_ended(children, seconds):
                break
        for child in children:
            processes.signal_group(child, signal.SIGKILL)
            child.wait()
        self.programs.clear()

    def _all_ended(self, children: list[subprocess.Popen[bytes]], seconds: float) -> bool:
        until = time.monotonic() + seconds
        while any(child.poll() is None for child in children):
            if self.hurry or time.monotonic() > until:
                return False
            time.sleep(0.05)
        return True


def _how_it_ended(status: int) -> str:
    return f"exit {status}" if status >= 0 else f"signal {-status}"
