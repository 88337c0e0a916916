"""Light, dark or as the system has it: one cookie, read by the server so that no page flashes."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

COOKIE = "vitrine-theme"
THEMES = ("auto", "light", "dark")
YEAR_S = 31_536_000


def theme_of(request: HttpRequest) -> str:
    """The theme of the reader's cookie; anything unknown is ``auto``."""
    chosen = request.COOKIES.get(COOKIE, "")
    return chosen if chosen in THEMES else THEMES[0]


def next_theme(theme: str) -> str:
    """What the switch sets when pressed."""
    return THEMES[(THEMES.index(theme) + 1) % len(THEMES)]


@login_not_required
@require_POST
def choose_theme(request: HttpRequest) -> HttpResponse:
    """Keep a theme and go back to the page; the way without JavaScript."""
    response = HttpResponseRedirect(way_back(request))
    chosen = request.POST.get("theme", "")
    if chosen in THEMES:
        # Not HttpOnly: static/js/theme.js writes the same cookie.
        response.set_cookie(COOKIE, chosen, max_age=YEAR_S, samesite="Lax", secure=settings.HTTPS)
    return response


def way_back(request: HttpRequest) -> str:
    """Where ``next`` or the referring page points, if that is this site; else the home page."""
    for address in (request.POST.get("next", ""), request.headers.get("Referer", "")):
        if url_has_allowed_host_and_scheme(
            address, allowed_hosts={request.get_host()}, require_https=request.is_secure()
        ):
            return address
    return "/"
