"""Whether htmx asks for a region of a page or a browser for all of it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest


def wants_fragment(request: HttpRequest) -> bool:
    """True for htmx, except when it restores a page it no longer has: that needs the whole one."""
    htmx: Any = getattr(request, "htmx", None)
    return bool(htmx) and not htmx.history_restore_request
