"""Statements run so often that PostgreSQL keeps them planned: past Django's cursor, which never prepares,
and without building the SQL anew for each call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Model


def rows_of(statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Rows of a prepared statement, in whatever transaction is open."""
    line = connections[DEFAULT_DB_ALIAS]
    line.close_if_health_check_failed()
    line.ensure_connection()
    server: Any = line.connection
    with line.wrap_database_errors, psycopg.Cursor(server) as cursor:
        server.prepare_threshold = 0  # Django's own cursors never prepare, whatever stands here
        if line.queries_logged:  # so that whoever counts statements counts these too
            line.queries_log.append({"sql": statement, "time": ""})
        return cursor.execute(statement, dict(values), prepare=True).fetchall()


def columns_of(model: type[Model], alias: str) -> str:
    """All columns of a table, to select as ``alias``, in the order in which ``parts_of`` takes them."""
    return ", ".join(f'{alias}."{field.column}"' for field in model._meta.concrete_fields)


def parts_of(row: Sequence[Any], *models: type[Model]) -> list[Any]:
    """One instance of each model from a row that holds their columns one after the other.

    Only for tables without JSON, which comes as text here.
    """
    parts, start = [], 0
    for model in models:
        names = [str(field.attname) for field in model._meta.concrete_fields]
        parts.append(model.from_db("default", names, row[start : start + len(names)]))
        start += len(names)
    return parts
