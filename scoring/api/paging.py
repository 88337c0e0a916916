"""Lists come in pages by cursor: as quick at the end of ten million rows as at the start."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from drf_spectacular.utils import inline_serializer
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from scoring.api.strict import Strict

USUAL, MOST = 50, 200
M = TypeVar("M", bound=Model)


class PageQuery(Strict):
    """What every list takes."""

    limit = serializers.IntegerField(
        min_value=1, max_value=MOST, default=USUAL, help_text=f"Results in one page, at most {MOST}."
    )
    cursor = serializers.CharField(
        required=False, max_length=200, help_text="From `next` or `previous` of a page."
    )


class _Pages(CursorPagination):
    page_size, max_page_size = USUAL, MOST
    page_size_query_param = "limit"

    def __init__(self, ordering: str, kind: type[int] | type[float]) -> None:
        self.ordering = (ordering,) if ordering.lstrip("-") == "id" else (ordering, "-id")
        self.kind = kind

    def decode_cursor(self, request: Request) -> Cursor | None:
        """A cursor somebody made up is no such page, whatever it holds."""
        cursor = super().decode_cursor(request)
        position = None if cursor is None else cursor.position
        if position is not None and not _is_a(self.kind, str(position)):
            raise NotFound(self.invalid_cursor_message)
        return cursor


def page(
    request: Request,
    rows: QuerySet[M],
    *,
    ordering: str = "-id",
    kind: type[int] | type[float] = int,
    told: Callable[[Sequence[M]], Any],
) -> Response:
    """One page of ``rows`` by a column of ``kind``; ``told`` makes the answer of the rows of this page."""
    pages = _Pages(ordering, kind)
    chosen = pages.paginate_queryset(rows, request) or []
    return pages.get_paginated_response(told(chosen))


def page_of(shape: type[serializers.Serializer[Any]]) -> Any:
    """The schema of one page of ``shape``."""
    name = shape.__name__.removesuffix("Shape")
    return inline_serializer(
        f"{name}Page",
        {
            "next": serializers.URLField(allow_null=True, help_text="Address of the next page."),
            "previous": serializers.URLField(allow_null=True, help_text="Address of the page before."),
            "results": shape(many=True),
        },
    )


def _is_a(kind: type[int] | type[float], text: str) -> bool:
    try:
        return math.isfinite(kind(text))
    except (ValueError, OverflowError):
        return False
