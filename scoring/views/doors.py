"""Who a page is for. Stations ask again: a door only saves the work behind it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from scoring.access import require_reached
from scoring.errors import NotAllowedError

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def person_of(request: HttpRequest) -> User:
    """The person who asks; NotAllowedError for somebody without a name."""
    if not isinstance(request.user, User):
        raise NotAllowedError("Log in first.")
    return request.user


def admins_only(view: View[P]) -> View[P]:
    """Open the view to people whose highest role is admin."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        require_reached(person_of(request), "admin")
        return view(request, *args, **kwargs)

    return guarded
