"""By which token the API knows who asks."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed


class KnoxTokens(TokenAuthentication):  # type: ignore[misc]  # it has no types
    """Tokens as knox keeps them, hashed; a token that is no text is a wrong token, not a fault of ours."""

    def authenticate_credentials(self, token: bytes) -> Any:
        if not token.isascii():
            raise AuthenticationFailed(_("Invalid token."))
        return super().authenticate_credentials(token)
