"""How often one person, or one address before login, may ask for what costs much."""

from __future__ import annotations

import logging
from time import time
from typing import Any

from django.conf import settings
from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

log = logging.getLogger(__name__)


def may_ask(*, name: str, who: str, most: int, seconds: int = 60) -> bool:
    """Whether this request is among the first ``most`` of its window, counted by one atomic step.

    A cache that is down lets requests pass: the site works on without its broker.
    """
    key = f"throttle:{name}:{who}:{int(time()) // seconds}"
    try:
        cache.add(key, 0, seconds * 2)
        return bool(cache.incr(key) <= most)
    except Exception as error:  # any fault of the cache means the same: it cannot count
        log.warning("could not count requests (%s)", error)
        return True


class WindowThrottle(BaseThrottle):
    """``most`` requests of one person in each window of ``seconds``. GET is never counted."""

    name = "window"
    most = 60
    seconds = 60

    def allow_request(self, request: Request, view: Any) -> bool:
        if request.method in {"GET", "HEAD", "OPTIONS"}:
            return True
        return may_ask(name=self.name, who=self._who(request), most=self.most, seconds=self.seconds)

    def wait(self) -> float:
        return self.seconds - time() % self.seconds

    def _who(self, request: Request) -> str:
        return f"user-{request.user.pk}" if request.user.is_authenticated else self.get_ident(request)


class ImportsThrottle(WindowThrottle):
    name, most = "imports", 120


class ScoresThrottle(WindowThrottle):
    name, most = "scores", settings.API_SCORES_A_MINUTE


class TrainingThrottle(WindowThrottle):
    name, most = "training", 20


class TokensThrottle(WindowThrottle):
    """Each try may cost a password check, which is slow on purpose."""

    name, most = "tokens", 10

    def _who(self, request: Request) -> str:
        return self.get_ident(request)
