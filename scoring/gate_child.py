"""The gate's child: reads pictures from its socket, decodes them with its hands tied, writes them back.

On the wire: eight bytes of length and the bytes, to the child; two lengths, a JSON head and a body
(stored picture, then thumbnail) back. One byte says that the child is ready.
"""

from __future__ import annotations

import io
import json
import math
import os
import resource
import select
import signal
import socket
import struct
import sys
import time
import warnings
from typing import Any

from PIL import Image

from scoring.core.reencode import Limits, Refusal, reencode

LENGTH = struct.Struct(">Q")
MEMORY_LIMIT = 1536 * 2**20
PARENT_CHECK_S = 30.0
CHUNK = 2**20


def receive(connection: socket.socket, count: int, deadline: float | None = None) -> bytes:
    """Exactly ``count`` bytes. Raises EOFError at the end, TimeoutError at the deadline (monotonic, s)."""
    parts = bytearray()
    while len(parts) < count:
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            connection.settimeout(left)
        part = connection.recv(min(CHUNK, count - len(parts)))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)


def main(settings: str) -> None:
    """Serve until the other end closes. ``settings`` is the JSON of limits, wall limit and parent."""
    options = json.loads(settings)
    wall_limit_s, parent = float(options.pop("wall_limit_s")), int(options.pop("parent"))
    limits = Limits(**options)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = socket.socket(fileno=0)
    _warm_up()
    _tie_hands()
    connection.sendall(b"R")
    while _next_is_waiting(connection, parent):
        try:
            _serve_one(connection, limits, wall_limit_s)
        except (EOFError, ConnectionError):
            return


def _next_is_waiting(connection: socket.socket, parent: int) -> bool:
    """Wait for a picture; False once the parent is gone though somebody still holds its socket."""
    while not select.select([connection], [], [], PARENT_CHECK_S)[0]:
        if os.getppid() != parent:
            return False
    return True


def _warm_up() -> None:
    """Decode one picture of every format, so that nothing has to be imported with tied hands."""
    warnings.simplefilter("ignore")
    Image.init()
    for name in ("JPEG", "PNG", "GIF", "WEBP", "AVIF"):
        sample = io.BytesIO()
        Image.new("RGB", (16, 16), "grey").save(sample, name)
        reencode(sample.getvalue(), Limits())


def _tie_hands() -> None:
    """Bound the memory, write no file, leave no core, and open nothing any more."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def _limit_time(wall_limit_s: float) -> None:
    """Grant this picture its own seconds; the kernel kills the child that overdraws them.

    RLIMIT_CPU counts from the child's start in whole seconds, so the soft limit is moved on from
    what has been used. The alarm is for the child whose parent died in the middle.
    """
    used = time.process_time()
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used + wall_limit_s) + 1, hard))
    signal.setitimer(signal.ITIMER_REAL, wall_limit_s + 1.0)


def _serve_one(connection: socket.socket, limits: Limits, wall_limit_s: float) -> None:
    (count,) = LENGTH.unpack(receive(connection, LENGTH.size))
    _limit_time(wall_limit_s)
    data = receive(connection, min(count, limits.byte_cap + 1))
    head: dict[str, Any]
    try:
        head, body = _answer(data, limits)
    except Refusal as refusal:
        head, body = {"refused": refusal.code}, b""
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    written = json.dumps(head).encode()
    connection.sendall(LENGTH.pack(len(written)) + LENGTH.pack(len(body)) + written)
    connection.sendall(body)


def _answer(data: bytes, limits: Limits) -> tuple[dict[str, Any], bytes]:
    clean = reencode(data, limits)
    head = {
        "source_format": clean.source_format,
        "width": clean.width,
        "height": clean.height,
        "animated": clean.animated,
        "jpeg_quality": clean.jpeg_quality,
        "stored_format": clean.stored_format,
        "stored_bytes": len(clean.stored),
    }
    return head, clean.stored + clean.thumbnail


if __name__ == "__main__":
    main(sys.argv[1])
