"""Statements run so often that PostgreSQL keeps them planned: past Django's cursor, which never prepares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from django.db import connection


def rows_of(statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Rows of a prepared statement, in whatever transaction is open."""
    connection.ensure_connection()
    server: Any = connection.connection
    with connection.wrap_database_errors, psycopg.Cursor(server) as cursor:
        server.prepare_threshold = 0  # Django's own cursors never prepare, whatever stands here
        return cursor.execute(statement, dict(values), prepare=True).fetchall()
