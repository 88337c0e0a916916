"""The parent's end of the gate: starts a child, asks it, and tells how it ended."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scoring.core.reencode import Limits
from scoring.gate_child import LENGTH, receive

START_LIMIT_S = 30.0
STOP_LIMIT_S = 0.5
REPLY_HEAD_CAP = 64 * 2**10
REPLY_CAP = 512 * 2**20
_PASSED_ON = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "SYSTEMROOT")


class GateBrokenError(RuntimeError):
    """The gate's child does not start: the installation is at fault, not the picture."""


class ChildLost(Exception):  # noqa: N818
    """The child ended before it answered; ``status`` is its return code, negative for a signal."""

    def __init__(self, status: int | None) -> None:
        super().__init__(f"the gate's child ended with {status}")
        self.status = status


class Child:
    """One warm child and our end of its socket."""

    def __init__(self, limits: Limits, wall_limit_s: float) -> None:
        ours, theirs = socket.socketpair()
        settings = json.dumps(asdict(limits) | {"wall_limit_s": wall_limit_s, "parent": os.getpid()})
        with theirs:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(
                [sys.executable, "-m", "scoring.gate_child", settings],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=Path(__file__).resolve().parents[1],
                env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            )
        self._socket = ours
        self._ready = False
        self.pictures = 0

    @property
    def pid(self) -> int:
        return int(self._process.pid)

    def ask(self, data: bytes, wall_limit_s: float) -> tuple[dict[str, Any], bytes]:
        """The child's answer: a head and the bytes behind it. Raises ChildLost, TimeoutError."""
        self._await_ready()
        try:
            deadline = time.monotonic() + wall_limit_s
            self._socket.settimeout(wall_limit_s)
            self._socket.sendall(LENGTH.pack(len(data)))
            self._socket.sendall(data)
            return self._answer(deadline)
        except (EOFError, ConnectionError, ValueError) as fault:
            raise ChildLost(self.stop()) from fault

    def _await_ready(self) -> None:
        """Wait until a new child has its imports done, which is not the picture's time."""
        if self._ready:
            return
        try:
            receive(self._socket, 1, time.monotonic() + START_LIMIT_S)
        except (EOFError, OSError) as fault:
            raise GateBrokenError("the gate's child (scoring.gate_child) does not start") from fault
        self._ready = True

    def _answer(self, deadline: float) -> tuple[dict[str, Any], bytes]:
        (head_bytes,) = LENGTH.unpack(receive(self._socket, LENGTH.size, deadline))
        (body_bytes,) = LENGTH.unpack(receive(self._socket, LENGTH.size, deadline))
        if head_bytes > REPLY_HEAD_CAP or body_bytes > REPLY_CAP:
            raise ValueError("the gate's child answered too much")
        head = json.loads(receive(self._socket, head_bytes, deadline))
        if not isinstance(head, dict):
            raise ValueError("the gate's child answered out of order")
        self.pictures += 1
        return head, receive(self._socket, body_bytes, deadline)

    def stop(self) -> int | None:
        """End the child. The status it ended with, if it had ended by itself."""
        self._socket.close()
        with suppress(subprocess.TimeoutExpired):
            return int(self._process.wait(timeout=STOP_LIMIT_S))
        self._process.kill()
        self._process.wait()
        return None

    def kill(self) -> None:
        """End a child that is stuck."""
        self._process.kill()

    def forget(self) -> None:
        """Let go of a child that belongs to the process we were forked from."""
        self._socket.close()
        self._process.returncode = 0


def code_of_end(status: int | None) -> str:
    """Code for a child that ended on a picture; "" where the picture is not to blame (killed, asked to)."""
    ends = {-signal.SIGXCPU: "timeout", -signal.SIGALRM: "timeout", None: "", 0: ""}
    blameless = {-signal.SIGKILL: "", -signal.SIGTERM: ""}
    return (ends | blameless).get(status, "unreadable")
