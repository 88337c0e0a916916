"""Which form of an answer a request asks for."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest


def wants_json(request: HttpRequest) -> bool:
    """Whether a script asks, that prefers JSON to a page."""
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


def asks_for(request: HttpRequest, region: str) -> bool:
    """Whether htmx asks for one region of the page alone, by the id it will replace."""
    htmx: Any = getattr(request, "htmx", None)
    return bool(htmx) and htmx.target == region
