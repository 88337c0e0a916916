"""What every page shows around its content."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from labeling.permissions import pages_for


def navigation(request: HttpRequest) -> dict[str, Any]:
    """The pages this person may open, in menu order."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"nav_pages": []}
    return {"nav_pages": pages_for(user)}
