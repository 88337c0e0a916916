"""The gate every picture passes: hostile bytes in, a clean picture or a reason out.

Decoding happens in a child that holds nothing of worth: a fresh ``python -m scoring.gate_child``, never
a fork of a threaded process, without our environment, which cannot open a file or a socket, under
limits of memory, processor time and wall time. It stays warm and reads one picture after another;
it is replaced when it dies, runs out of time, or has read enough.

No orphans: the child's only tie to the world is one socket, and it ends when the other end closes,
which the kernel does even for a parent killed with SIGKILL. (PR_SET_PDEATHSIG is not used: it fires
when the *thread* that started the child ends, which web servers' threads do.)

Each process has its own children: after a fork the copies are let go (see ``_forget_after_fork``).
"""

from __future__ import annotations

import atexit
import hashlib
import os
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import Any

from scoring.core.reencode import REASONS, Limits, Refusal
from scoring.gate_link import Child, ChildLost, GateBrokenError, code_of_end

__all__ = ["REASONS", "AdmittedPicture", "Gate", "GateBrokenError", "Limits", "Refusal", "admit"]

WALL_LIMIT_S = 5.0
PICTURES_PER_CHILD = 2000
CHILDREN = 4


@dataclass(frozen=True, slots=True)
class AdmittedPicture:
    """A picture let in.

    ``digest``: SHA-256, in hex, of the bytes that came in. ``width``, ``height``: pixels of the source,
    upright. ``jpeg_quality``: 1-100 from the source's tables, None for other formats. ``stored``: the
    clean picture, at most 24 megapixels, in ``stored_format`` (jpeg, png). ``thumbnail``: WEBP, at
    most 320 pixels a side.
    """

    digest: str
    source_format: str
    width: int
    height: int
    animated: bool
    jpeg_quality: float | None
    stored_format: str
    stored: bytes
    thumbnail: bytes


class Gate:
    """Up to ``size`` warm children, one picture each at a time; more callers wait their turn.

    Safe for threads and across forks. Close it, or use it in a ``with``.
    """

    def __init__(
        self, *, limits: Limits | None = None, size: int = 1, wall_limit_s: float = WALL_LIMIT_S
    ) -> None:
        self._limits, self._size, self._wall_limit_s = limits or Limits(), size, wall_limit_s
        self._start_anew()
        _gates.add(self)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(self._size)
        self._children: set[Child] = set()
        self._idle: list[Child] = []

    def __enter__(self) -> Gate:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def child_pids(self) -> list[int]:
        """Process ids of the children now alive."""
        with self._lock:
            return sorted(child.pid for child in self._children)

    def warm(self) -> None:
        """Start a child ahead of the first picture."""
        self._give_back(self._take())

    def close(self) -> None:
        """End the idle children; a later picture starts new ones."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._children.difference_update(idle)
        for child in idle:
            child.stop()

    def admit(self, data: bytes) -> AdmittedPicture:
        """The clean picture in ``data``, decoded within the wall limit. Raises Refusal."""
        if len(data) > self._limits.byte_cap:
            raise Refusal("too_large")
        if not data:
            raise Refusal("empty_file")
        with self._turns:
            head, body = self._asked(data)
        return _admitted(data, head, body)

    def _asked(self, data: bytes) -> tuple[dict[str, Any], bytes]:
        """The answer of a child; a child that was killed from outside gets one successor."""
        for attempt in range(2):
            child = self._take()
            try:
                answer = child.ask(data, self._wall_limit_s)
            except TimeoutError:
                child.kill()
                self._retire(child)
                raise Refusal("timeout") from None
            except ChildLost as fault:
                self._retire(child)
                code = code_of_end(fault.status)
                if code or attempt:
                    raise Refusal(code or "unreadable") from fault
                continue
            except BaseException:
                self._retire(child)
                raise
            self._give_back(child, worn=answer[0].get("refused") == "memory")
            return answer
        raise Refusal("unreadable")

    def _take(self) -> Child:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        child = Child(self._limits, self._wall_limit_s)
        with self._lock:
            self._children.add(child)
        return child

    def _give_back(self, child: Child, *, worn: bool = False) -> None:
        if worn or child.pictures >= PICTURES_PER_CHILD:
            self._retire(child)
            return
        with self._lock:
            self._idle.append(child)

    def _retire(self, child: Child) -> None:
        with self._lock:
            self._children.discard(child)
        child.stop()

    def _forget(self) -> None:
        for child in self._children:
            child.forget()
        self._start_anew()


_gates: weakref.WeakSet[Gate] = weakref.WeakSet()


def _forget_after_fork() -> None:
    """A forked worker shares no child with its parent, and holds none of their sockets open."""
    for gate in list(_gates):
        gate._forget()


os.register_at_fork(after_in_child=_forget_after_fork)


def _admitted(data: bytes, head: Mapping[str, Any], body: bytes) -> AdmittedPicture:
    """The picture in a child's answer, which is checked since a child may have been taken over."""
    code = head.get("refused")
    if code is not None:
        raise Refusal(code if code in REASONS else "unreadable")
    try:
        stored_bytes, quality = int(head["stored_bytes"]), head["jpeg_quality"]
        return AdmittedPicture(
            digest=hashlib.sha256(data).hexdigest(),
            source_format=str(head["source_format"])[:8],
            width=int(head["width"]),
            height=int(head["height"]),
            animated=bool(head["animated"]),
            jpeg_quality=None if quality is None else float(quality),
            stored_format="png" if head["stored_format"] == "png" else "jpeg",
            stored=body[:stored_bytes],
            thumbnail=body[stored_bytes:],
        )
    except (KeyError, TypeError, ValueError) as fault:
        raise Refusal("unreadable") from fault


@lru_cache(maxsize=1)
def _shared_gate() -> Gate:
    gate = Gate(size=min(CHILDREN, os.cpu_count() or 1))
    atexit.register(gate.close)
    return gate


def admit(data: bytes) -> AdmittedPicture:
    """The clean picture in ``data``, through the gate this process shares. Raises Refusal.

    Takes 5 s at most, and gives Refusal for everything that is not a plain picture.
    """
    return _shared_gate().admit(data)
