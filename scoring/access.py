"""Who somebody is, asked through a name in the settings: this room never imports the upper one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils.module_loading import import_string
from django.utils.translation import gettext
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from scoring.errors import NotAllowedError

RANK = {"annotator": 1, "reviewer": 2, "admin": 3}


def role_reached(user: User, least: str) -> bool:
    """Whether the person's highest role reaches ``least`` (annotator, reviewer, admin)."""
    highest: Callable[[User], str | None] = import_string(settings.VITRINE_SITE_ROLE)
    role = highest(user)
    return role is not None and RANK[str(role)] >= RANK[least]


def require_reached(user: User | None, least: str) -> None:
    """Refuse a person below ``least``; None is the system itself and may."""
    if user is not None and not role_reached(user, least):
        raise NotAllowedError(f"This needs the role {least}.")


class _Reached(BasePermission):
    least = "annotator"

    def has_permission(self, request: Request, view: Any) -> bool:
        user = request.user
        return isinstance(user, User) and user.is_active and role_reached(user, self.least)


class IsAnnotator(_Reached):
    """Anybody with a role."""


class IsAdmin(_Reached):
    """Admins."""

    least = "admin"


def person_of(request: HttpRequest | Request) -> User:
    """Who asks, behind a permission class that has let nobody in without a login."""
    if not isinstance(request.user, User):
        raise NotAllowedError(gettext("Log in first."))
    return request.user
