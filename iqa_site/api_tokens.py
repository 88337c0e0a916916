"""Tokens for programs: kept hashed, shown once, with an end, and revoked one by one.

A token is made by a person, from a log-in or by name and password, and never by another token: a stolen
one cannot outlive its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from knox.models import AuthToken
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes, throttle_classes
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated, PermissionDenied, Throttled
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from scoring.access import person_of
from scoring.api.strict import Strict, body_of
from scoring.api.throttles import TokensThrottle
from scoring.errors import ConflictError, NotThereError
from scoring.events import event_note

MOST_TOKENS = 20  # of one person
USUAL_DAYS, MOST_DAYS = 90, 366


class TokenInput(Strict):
    """From a logged-in session nothing is needed; else name and password."""

    username = serializers.CharField(required=False, max_length=150)
    password = serializers.CharField(required=False, max_length=1000, trim_whitespace=False)
    days = serializers.IntegerField(
        min_value=1, max_value=MOST_DAYS, default=USUAL_DAYS, help_text="Until it ends."
    )


class TokenShape(serializers.Serializer[Any]):
    id = serializers.CharField(source="token_key", help_text="Its first characters; enough to revoke it.")
    created_at = serializers.DateTimeField(source="created")
    ends_at = serializers.DateTimeField(source="expiry", allow_null=True)


@dataclass(frozen=True, slots=True)
class Made:
    token: str
    token_key: str
    created: datetime
    expiry: datetime | None


class MadeShape(TokenShape):
    token = serializers.CharField(help_text="Shown only now. Send it as `Authorization: Token …`.")


@extend_schema(methods=["GET"], responses=TokenShape(many=True), tags=["tokens"])
@extend_schema(methods=["POST"], request=TokenInput, responses={201: MadeShape}, tags=["tokens"])
@api_view(["GET", "POST"])
@permission_classes([AllowAny])
@throttle_classes([TokensThrottle])
def tokens(request: Request) -> Response:
    """Your tokens that have not ended; or make one, from a log-in or by name and password."""
    if request.method == "GET":
        return Response(TokenShape(_live(_logged_in(request)), many=True).data)
    body = body_of(request, TokenInput)
    person = _by_password(request, body) if "username" in body else _by_session(request)
    return Response(MadeShape(_make(person, days=body["days"])).data, status=201)


@extend_schema(request=None, responses={204: None}, tags=["tokens"])
@api_view(["DELETE"])
def token(request: Request, key: str) -> Response:
    """Revoke a token of yours; it stops working at once."""
    person = person_of(request)
    gone, _kinds = AuthToken.objects.filter(user=person, token_key=key).delete()
    if not gone:
        raise NotThereError(_("You have no such token."))
    event_note(actor=person, verb="token.revoke", after={"id": key})
    return Response(status=204)


def _logged_in(request: Request) -> User:
    if not request.user.is_authenticated:
        raise NotAuthenticated
    return person_of(request)


def _by_session(request: Request) -> User:
    if isinstance(request.auth, AuthToken):
        raise PermissionDenied(_("A token cannot make tokens; log in, or send name and password."))
    return _logged_in(request)


def _by_password(request: Request, body: dict[str, Any]) -> User:
    """The person of a name and password; wrong ones count towards the same lock-out as the login page's."""
    asked = request._request
    person = authenticate(asked, username=body["username"], password=body.get("password", ""))
    if getattr(asked, "axes_locked_out", False):
        asked.axes_locked_out = False  # type: ignore[attr-defined]  # so that the answer stays ours, in JSON
        raise Throttled(detail=_("Too many wrong passwords; try again later."), code="locked_out")
    if not isinstance(person, User):
        raise AuthenticationFailed(_("This name and password do not go together."))
    return person


def _make(person: User, *, days: int) -> Made:
    if len(_live(person)) >= MOST_TOKENS:
        raise ConflictError(
            _("You have {most} tokens; revoke one first.").format(most=MOST_TOKENS), code="too_many_tokens"
        )
    row, secret = AuthToken.objects.create(user=person, expiry=timedelta(days=days))
    event_note(actor=person, verb="token.make", after={"id": row.token_key, "days": days})
    return Made(secret, row.token_key, row.created, row.expiry)


def _live(person: User) -> Sequence[AuthToken]:
    mine = AuthToken.objects.filter(user=person).filter(Q(expiry=None) | Q(expiry__gt=timezone.now()))
    return list(mine.order_by("-created"))
