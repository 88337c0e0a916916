"""Nothing anybody may put into an address, a query, a form or a body breaks a page or the API."""

from __future__ import annotations

import json
from functools import cache
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import transaction
from django.urls import reverse

from scoring import device
from tests.house.doors import ADMIN, DOORS, World, address_of, client_of

pytestmark = pytest.mark.django_db

# Names that pages and the API know, names of columns nobody may ask for, and plain rubbish.
WORDS = """
    page cursor limit count order sort q words category seller product_id product defect state reason role
    min_score max_score low high grade project item item_ids image kind model dataset run user username
    decision fixed_rating version key assignment annotation rating accept dimensions holding next form
    label files urls rows path source name note days lang language theme project_id a__b__c password
    product__seller rater__password__startswith id__in is_superuser csrfmiddlewaretoken"""
NAMES = tuple(WORDS.split())
VALUES = (
    "",
    "\x00",
    "-1",
    "nan",
    "9" * 30,
    "9" * 5000,
    "'\"><script>alert(1)</script>{{7*7}}../../../etc/passwd",
    "\u202e\ufeff\U0010ffff" + "x" * 20_000,
)
BODIES: tuple[Any, ...] = (
    None,
    [],
    [[[]]],
    "text",
    7,
    True,
    {"": ""},
    *(dict.fromkeys(NAMES, value) for value in (None, [], {}, [None], {"a": {"b": 1}}, -1, 10**30, True)),
)
HUGE = 10**30


@pytest.mark.parametrize("method", ["get", "post"])
def test_no_query_and_no_form_breaks_an_address(world: World, method: str) -> None:
    device.warm_up()
    broken = []
    for name in DOORS.keys() - {"api-schema"}:  # reads none of it and takes long
        address = address_of(name, world.mine)
        for value in VALUES:
            answer = _known_fields(world, method, address, value)
            if answer.status_code == 405:
                break
            if answer.status_code >= 500:
                broken.append(f"{method} {address} {value[:20]!r}: {answer.status_code}")
    assert not broken


def _known_fields(world: World, method: str, address: str, value: str) -> Any:
    """The answer to every name holding ``value``; the API's, which knows its names, to those it knows."""
    sent = dict.fromkeys(NAMES, value)
    while True:
        with transaction.atomic():
            client = client_of(world, ADMIN)
            answer: Any = (
                client.get(address, QUERY_STRING=_query(tuple(sent), value))
                if method == "get"
                else client.post(address, sent)
            )
            transaction.set_rollback(True)
        if answer.status_code != 400 or "json" not in answer.headers["Content-Type"]:
            return answer
        unknown = answer.json().get("fields_refused", {}).keys() & sent.keys()
        if "There is no such field." not in str(answer.json()) or not unknown:
            return answer
        sent = {name: kept for name, kept in sent.items() if name not in unknown}


@cache
def _query(names: tuple[str, ...], value: str) -> str:
    """Encoded once: a megabyte takes longer to write than an address takes to refuse it."""
    return urlencode(dict.fromkeys(names, value))


def test_no_body_breaks_the_api(world: World) -> None:
    broken = []
    for name in [name for name in DOORS if name.startswith("api-") and name != "api-schema"]:
        address = address_of(name, world.mine)
        for body in BODIES:
            client = client_of(world, ADMIN)
            with transaction.atomic():
                answer = client.post(address, json.dumps(body), content_type="application/json")
                transaction.set_rollback(True)
            is_told = answer.status_code < 400 or {"code", "detail"} <= set(json.loads(answer.content))
            if answer.status_code >= 500 or not is_told:
                broken.append(f"{address} {str(body)[:40]}: {answer.status_code}")
    assert not broken


def test_an_object_with_an_absurd_number_is_not_there(world: World) -> None:
    broken = []
    for name, door in DOORS.items():
        numbers = {part: HUGE for part, thing in door.path.items() if isinstance(world.mine[thing], int)}
        if not numbers:
            continue
        rest = {part: world.mine[thing] for part, thing in door.path.items() if part not in numbers}
        address = reverse(name, kwargs={**rest, **numbers})
        for method in ("get", "post"):
            status = getattr(client_of(world, ADMIN), method)(address).status_code
            if status not in {400, 404, 405, 415, 422}:
                broken.append(f"{method} {address}: {status}")
    assert not broken
