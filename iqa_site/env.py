"""Typed readers of the process environment: a wrong spelling fails at start, by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from django.core.exceptions import ImproperlyConfigured

Value = TypeVar("Value")
TRUE_WORDS = {"1", "true", "yes", "on"}
FALSE_WORDS = {"0", "false", "no", "off", ""}


def env_text(name: str, default: str = "") -> str:
    """Value of ``name``, or the content of the file that ``name_FILE`` points to (for secrets)."""
    path = os.environ.get(f"{name}_FILE")
    if path:
        return Path(path).read_text(encoding="utf-8").strip()
    return os.environ.get(name, default)


def env_flag(name: str, *, default: bool) -> bool:
    """A yes/no setting; any other word is refused."""
    word = os.environ.get(name)
    if word is None:
        return default
    if word.lower() in TRUE_WORDS:
        return True
    if word.lower() in FALSE_WORDS:
        return False
    raise ImproperlyConfigured(f"{name}={word!r} is neither true nor false")


def env_int(name: str, default: int) -> int:
    """A whole number; anything else is refused."""
    text = os.environ.get(name, "")
    if not text:
        return default
    try:
        return int(text)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}={text!r} is not a whole number") from error


def env_read(name: str, read: Callable[[str], Value]) -> Value:
    """What ``read`` makes of the words of a setting; its ValueError is told with the name."""
    try:
        return read(env_text(name))
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from error


def env_list(name: str, default: tuple[str, ...] = ()) -> list[str]:
    """Comma-separated words, blanks dropped."""
    text = os.environ.get(name)
    if text is None:
        return list(default)
    return [word.strip() for word in text.split(",") if word.strip()]
