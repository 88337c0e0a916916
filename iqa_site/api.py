"""How the API says no: every refusal of a station becomes one JSON shape."""

from __future__ import annotations

from typing import Any

from rest_framework.response import Response
from rest_framework.views import exception_handler

from scoring.errors import StationError


def refusals_as_json(exc: Exception, context: dict[str, Any]) -> Response | None:
    """``{"code", "detail"}`` with the status the error class names; others as DRF does."""
    if isinstance(exc, StationError):
        return Response({"code": exc.code, "detail": str(exc)}, status=exc.status)
    return exception_handler(exc, context)
