"""System checks at start: what would hurt later is said now."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core import checks

from scoring import ocr

KNOWN_BAD_KEYS = {"secret", "changeme", "change-me", "dummy"}
SHORTEST_KEY = 40


@checks.register()
def secret_key_is_a_secret(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """A short or well-known key lets anybody forge sessions (CVE-2023-43791 of a peer)."""
    key = settings.SECRET_KEY
    if len(key) < SHORTEST_KEY or key.lower() in KNOWN_BAD_KEYS:
        return [checks.Error("VITRINE_SECRET_KEY is too short or well known.", id="vitrine.E001")]
    return []


@checks.register()
def reader_is_installed(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Asked for text to be read, with nothing to read it."""
    if settings.VITRINE_OCR and not ocr.is_installed():
        words = "VITRINE_OCR is on, but the reader is missing: pip install 'vitrine[ocr]'."
        return [checks.Error(words, id="vitrine.E002")]
    return []


@checks.register()
def hosts_are_named(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """A wildcard host makes password-reset and login links forgeable."""
    if "*" in settings.ALLOWED_HOSTS:
        return [checks.Warning("VITRINE_ALLOWED_HOSTS is '*': name the hosts.", id="vitrine.W001")]
    return []
