"""Choose a password. Whoever came in by a one-time link need not know an old one."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

CAME_BY_LINK = "came_by_link"  # session key set by iqa_site/login.py


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def choose_password(request: HttpRequest) -> HttpResponse:
    """Set a new password; the other sessions of the person end with the old one."""
    user = request.user
    assert isinstance(user, User)  # noqa: S101  (the middleware let nobody else in)
    kind = SetPasswordForm if request.session.get(CAME_BY_LINK) else PasswordChangeForm
    form = kind(user, request.POST or None)
    if not form.is_valid():
        status = 422 if request.method == "POST" else 200
        return render(request, "registration/password.html", {"form": form}, status=status)
    form.save()
    request.session.pop(CAME_BY_LINK, None)
    update_session_auth_hash(request, user)
    messages.success(request, _("From now on the new password counts."))
    return redirect("home")
