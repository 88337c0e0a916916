"""The one-time address that logs a person in, as ``vitrine run`` prints it."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.encoding import force_str
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from iqa_site.client import client_address
from iqa_site.password import CAME_BY_LINK
from iqa_site.refusals import refusal
from scoring.api.throttles import may_ask

TRIES_A_MINUTE = 60  # from one address, whatever the names: each costs a password check, slow on purpose


class LoginPage(LoginView):
    """The one page where a password is asked for; the admin's own leads here too."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not may_ask(name="login", who=client_address(request), most=TRIES_A_MINUTE):
            words = _("Too many tries from your network. Wait a minute.")
            return refusal(request, status=429, code="throttled", detail=words)
        return super().post(request, *args, **kwargs)


class OneTimeTokens(PasswordResetTokenGenerator):
    """Signed tokens that die at first use, since logging in changes ``last_login``."""

    key_salt = "iqa_site.login.OneTimeTokens"


one_time_tokens = OneTimeTokens()


def one_time_path(user: User) -> str:
    """Path that logs ``user`` in once."""
    uid = urlsafe_base64_encode(str(user.pk).encode())
    return reverse("login-by-token", args=[uid, one_time_tokens.make_token(user)])


@login_not_required
@never_cache
@require_http_methods(["GET", "POST"])
def login_by_token(request: HttpRequest, uid: str, token: str) -> HttpResponse:
    """Log in by a one-time address; a used or wrong one leads to the ordinary login page.

    ``?ask`` shows a button first: an address sent by chat or mail is opened by the programs that draw
    previews, and they must not use it up.
    """
    user = _user_of(uid)
    if user is None or not user.is_active or not one_time_tokens.check_token(user, token):
        if request.user.is_authenticated:
            return redirect("home")
        return render(request, "registration/used_link.html", status=403)
    if request.method == "GET" and "ask" in request.GET:
        return render(request, "registration/by_link.html", {"name": user.get_username()})
    login(request, user, backend="iqa_site.who.Passwords")
    request.session[CAME_BY_LINK] = True
    return redirect("home")


def _user_of(uid: str) -> User | None:
    try:
        pk = int(force_str(urlsafe_base64_decode(uid)))
    except (ValueError, OverflowError):
        return None
    return User.objects.filter(pk=pk).first()
