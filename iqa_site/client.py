"""From which address a request came, for counting wrong passwords."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The client's address; behind our own proxy, which VITRINE_HTTPS stands for, as that proxy saw it.

    Only the last word of X-Forwarded-For is the proxy's: everything before it the client may have made up.
    """
    seen = str(request.META.get("REMOTE_ADDR", ""))
    forwarded = str(request.META.get("HTTP_X_FORWARDED_FOR", ""))
    return forwarded.rsplit(",", 1)[-1].strip() or seen if settings.HTTPS else seen
