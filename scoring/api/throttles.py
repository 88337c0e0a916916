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


class WindowThrottle(BaseThrottle):
    """``most`` requests in each window of ``seconds``, counted by one atomic step in the cache.

    GET is never counted. A cache that is down lets requests pass: the site works on without its broker.
    """

    name = "window"
    most = 60
    seconds = 60

    def allow_request(self, request: Request, view: Any) -> bool:
        if request.method in {"GET", "HEAD", "OPTIONS"}:
            return True
        key = f"throttle:{self.name}:{self._who(request)}:{int(time()) // self.seconds}"
        try:
            cache.add(key, 0, self.seconds * 2)
            return cache.incr(key) <= self.most
        except Exception as error:  # any fault of the cache means the same: it cannot count
            log.warning("could not count requests (%s)", error)
            return True

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
