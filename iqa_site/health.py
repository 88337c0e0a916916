"""Answers for probes: alive, and ready to serve."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe


@login_not_required
@require_safe
def livez(request: HttpRequest) -> HttpResponse:
    """The process answers; touches neither database nor disk."""
    return HttpResponse("ok", content_type="text/plain")


@login_not_required
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """The database answers. A broker that is down degrades the service but does not unready it."""
    connection.ensure_connection()
    try:
        cache.set("readyz", 1, 5)
        broker = "ok"
    except Exception:  # any broker fault means the same here: degraded
        broker = "down"
    return JsonResponse({"database": "ok", "broker": broker})
