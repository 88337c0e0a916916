"""How a page says no: every refusal becomes a page, a notice for htmx, or JSON, with the right status.

Stations raise (scoring/errors.py) and views let it rise. Somebody who asked for JSON gets the same shape
as from the API; htmx gets one notice, put beside the page instead of into it; a browser gets a page that
says what happened and where to go on.
"""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render, resolve_url
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django_htmx.http import HttpResponseClientRedirect

from scoring.errors import StationError

API = "/api/"
TITLES: dict[int, Callable[[], str]] = {
    400: lambda: _("That request could not be understood"),
    403: lambda: _("This is not yours to open"),
    404: lambda: _("There is nothing here"),
    409: lambda: _("That is not possible now"),
    413: lambda: _("That is too much at once"),
    422: lambda: _("That cannot be used"),
    429: lambda: _("Too many tries"),
}
WAYS_ON: dict[int, Callable[[], str]] = {
    400: lambda: _("Go back, load the page again and repeat what you did."),
    403: lambda: _("An admin of the project can give you the role it needs."),
    404: lambda: _("The address may be mistyped, or the thing was removed or belongs to another project."),
    409: lambda: _("Load the page again to see how things stand now."),
    413: lambda: _("Go back and send less; nothing was kept."),
    422: lambda: _("Go back and correct it; nothing was changed."),
    429: lambda: _("An admin can let you in at once with a login link."),
}


class StationRefusals:
    """Middleware: a StationError that rose out of a view becomes an answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer for a station that refused; let everything else rise."""
        if isinstance(exception, StationError):
            return refusal(request, status=exception.status, code=exception.code, detail=str(exception))
        return None


class LoginFirst(LoginRequiredMiddleware):
    """Every page asks who you are unless it says otherwise; programs hear 401 instead of a login page."""

    def handle_no_permission(  # type: ignore[override]  # a program is not redirected
        self, request: HttpRequest, view_func: Callable[..., HttpResponseBase]
    ) -> HttpResponseBase:
        """Redirect a browser, move the whole page for htmx, refuse a program."""
        if wants_json(request):
            return JsonResponse({"code": "not_logged_in", "detail": _("Log in first.")}, status=401)
        response = super().handle_no_permission(request, view_func)
        if getattr(request, "htmx", None):
            return HttpResponseClientRedirect(resolve_url(self.get_login_url(view_func)))
        return response


def refusal(request: HttpRequest, *, status: int, code: str, detail: str) -> HttpResponse:
    """The refusal in the form the reader understands."""
    if wants_json(request):
        return JsonResponse({"code": code, "detail": detail}, status=status)
    if getattr(request, "htmx", None):
        response = render(
            request, "components/notice.html", {"level": "error", "text": detail}, status=status
        )
        response["HX-Retarget"], response["HX-Reswap"] = "#notices", "beforeend"
        return response
    context = {"status": status, "title": _title(status), "detail": detail, "way_on": _way_on(status)}
    return render(request, "errors/page.html", context, status=status)


def wants_json(request: HttpRequest) -> bool:
    """Whether a program asks: below the API, or a reader that prefers JSON to a page."""
    if request.path.startswith(API):
        return True
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler400."""
    return refusal(request, status=400, code="bad_request", detail=_way_on(400))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler403."""
    return refusal(request, status=403, code="not_allowed", detail=_way_on(403))


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler404."""
    return refusal(request, status=404, code="not_found", detail=_way_on(404))


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500: needs neither database nor session, since one of them may be what failed."""
    detail = _("Something broke on our side. Nothing you saved is lost; try again in a moment.")
    if wants_json(request):
        return JsonResponse({"code": "server_error", "detail": detail}, status=500)
    return HttpResponse(render_to_string("errors/server.html", {"detail": detail}), status=500)


def locked_out(request: HttpRequest, response: HttpResponse | None, credentials: object) -> HttpResponse:
    """django-axes counted too many wrong passwords for a name from one place."""
    detail = _("Too many wrong passwords. Try again in a quarter of an hour.")
    return refusal(request, status=429, code="locked_out", detail=detail)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The form's token is missing or old, mostly after a log-in in another tab."""
    detail = _(
        "The page was open too long or you logged in elsewhere. Load it again and repeat what you did."
    )
    return refusal(request, status=403, code="csrf", detail=detail)


def _title(status: int) -> str:
    return TITLES[status]() if status in TITLES else TITLES[400]()


def _way_on(status: int) -> str:
    return WAYS_ON[status]() if status in WAYS_ON else WAYS_ON[400]()
