"""Whose address counts: the proxy's word behind a proxy, the connection's without one."""

from __future__ import annotations

import pytest
from django.conf import LazySettings
from django.core.cache.backends.locmem import LocMemCache
from django.test import Client, RequestFactory

from iqa_site.client import client_address
from scoring.api import throttles
from tests.conftest import Cast

MADE_UP = "10.0.0.9, 198.51.100.7"


@pytest.mark.parametrize(
    ("https", "forwarded", "counts"),
    [
        (False, MADE_UP, "203.0.113.5"),
        (True, MADE_UP, "198.51.100.7"),
        (True, "", "203.0.113.5"),
        (True, " , ", "203.0.113.5"),
    ],
)
def test_a_header_of_the_client_s_own_never_counts(
    settings: LazySettings, https: bool, forwarded: str, counts: str
) -> None:
    settings.HTTPS = https
    request = RequestFactory().get("/", REMOTE_ADDR="203.0.113.5", HTTP_X_FORWARDED_FOR=forwarded)
    assert client_address(request) == counts


@pytest.mark.django_db
def test_wrong_passwords_lock_one_name_at_one_address_and_nobody_else(
    cast: Cast, settings: LazySettings
) -> None:
    settings.AXES_ENABLED, settings.AXES_FAILURE_LIMIT, settings.HTTPS = True, 3, True

    def tried(name: str, word: str, address: str) -> int:
        told = {"username": name, "password": word}
        # each try pretends to come from elsewhere; the proxy adds what it saw
        seen = f"10.0.0.{len(word)}, {address}"
        return Client().post("/login/", told, secure=True, HTTP_X_FORWARDED_FOR=seen).status_code

    for word in ("a", "bb", "ccc"):
        tried("ann", word, "198.51.100.7")
    assert tried("ann", "ann", "198.51.100.7") == 429
    assert tried("ann", "ann", "198.51.100.8") == 302  # her own machine still opens to her
    assert tried("ben", "ben", "198.51.100.7") == 302


@pytest.mark.django_db
def test_one_address_does_not_try_names_without_end(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iqa_site.login.TRIES_A_MINUTE", 3)
    monkeypatch.setattr(throttles, "cache", LocMemCache("one address", {}))
    monkeypatch.setattr(throttles, "time", lambda: 1_000_000.0)
    answers = [Client().post("/login/", {"username": f"n{n}", "password": "no"}) for n in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert Client().get("/login/").status_code == 200


def test_the_admin_has_no_door_of_its_own(client: Client, db: None) -> None:
    answer = client.get("/admin/login/?next=/admin/")
    assert (answer.status_code, answer["Location"]) == (302, "/login/?next=/admin/")
