"""Every address of the house, asked by everybody: the table says who is let in, and is complete.

A new address fails the first test until it stands in the table (doors.py) with the least role that may
use it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import get_resolver

from labeling.models import Assignment, Item, Membership
from scoring import device
from scoring.models import ModelVersion, TrainingRun
from tests.house.doors import (
    ADMIN,
    ANSWERS,
    BODIES,
    DOORS,
    LADDER,
    NOBODY,
    OF_A_PROJECT,
    REFUSALS,
    World,
    address_of,
    addresses,
    ask,
    client_of,
    filled,
    is_sent_to_login,
    ours,
)

pytestmark = pytest.mark.django_db


def test_every_address_stands_in_the_table() -> None:
    assert set(ours()) == set(DOORS)


def test_no_address_has_two_names_or_none() -> None:
    known = [pair for pair in addresses(get_resolver().url_patterns) if not pair[1].startswith("admin/")]
    assert len({name for name, _ in known}) == len({route for _, route in known}) == len(known)
    assert all(name for name, _ in known)


def test_each_door_opens_from_its_least_role_upwards_and_to_nobody_below(world: World) -> None:
    device.warm_up()
    wrong = [
        f"{role} {method.upper()} {address} {sent}: {answer.status_code}"
        for name in DOORS
        for role, method, address, sent in _tries(name, world)
        for answer in [ask(world, role, method, address, sent)]
        if not _is_right(name, role, answer, shapeless=name in BODIES and not sent)
    ]
    assert not wrong


def _tries(name: str, world: World) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    address, body = address_of(name, world.mine), filled(BODIES.get(name, {}), world.mine)
    for role in LADDER:
        yield role, "get", address, {}
        yield role, "post", address, {}
        if body:
            yield role, "post", address, body


def _is_right(name: str, role: str, answer: Any, *, shapeless: bool) -> bool:
    """``shapeless``: a body without its parts may be told so before anybody asks who sent it."""
    if LADDER.index(role) >= DOORS[name].opens_from:
        return answer.status_code in ANSWERS | DOORS[name].also and not is_sent_to_login(answer)
    if role == NOBODY:
        return is_sent_to_login(answer)
    return answer.status_code in REFUSALS or (shapeless and answer.status_code in {400, 422})


def test_an_object_of_another_project_is_not_there_even_for_admins(world: World) -> None:
    wrong = []
    for name in [name for name, each in DOORS.items() if OF_A_PROJECT & set(each.path.values())]:
        address, body = address_of(name, world.foreign), filled(BODIES.get(name, {}), world.foreign)
        for role in LADDER[1:]:
            for method, sent in (("get", {}), ("post", body)):
                status = ask(world, role, method, address, sent).status_code
                if status not in REFUSALS:
                    wrong.append(f"{role} {method.upper()} {address}: {status}")
    assert not wrong


def test_naming_an_object_of_another_project_changes_nothing(world: World) -> None:
    before, wrong = _foreign_state(world), []
    for name in [name for name in BODIES if not DOORS[name].path]:
        body, address = filled(BODIES[name], world.foreign), address_of(name, world.mine)
        kind = {"content_type": "application/json"} if address.startswith("/api/") else {}
        for role in LADDER[1:]:
            status = client_of(world, role).post(address, body, **kind).status_code
            if status >= 500 or _foreign_state(world) != before:
                wrong.append(f"{role} {address}: {status}")
    assert not wrong


def _foreign_state(world: World) -> Any:
    project = world.foreign["project"]
    return (
        list(Item.objects.filter(project_id=project).values()),
        list(Assignment.objects.filter(project_id=project).values()),
        list(Membership.objects.filter(project_id=project).values()),
        TrainingRun.objects.count(),
        ModelVersion.objects.count(),
    )


def test_no_role_of_ours_opens_the_django_admin(world: World) -> None:
    """It belongs to staff accounts alone, whatever role a project gives."""
    routes = [route for _, route in addresses(get_resolver().url_patterns) if route.startswith("admin/")]
    paths = {"/" + _concrete(route) for route in routes}
    assert len(paths) > 100
    for role in (NOBODY, ADMIN):
        for path in sorted(paths - {"/admin/login/", "/admin/logout/"}):
            for method in ("get", "post"):
                answer = ask(world, role, method, path)
                assert is_sent_to_login(answer) or answer.status_code in REFUSALS, (role, path)


def _concrete(route: str) -> str:
    for part in ("<path:object_id>", "<path:content_type_id>", "<id>"):
        route = route.replace(part, "1")
    return route.replace("^(?P<app_label>scoring|labeling|auth|knox)/$", "scoring/").replace(
        "(?P<url>.*)$", "nothing/"
    )


def test_no_post_of_a_browser_goes_through_without_the_page_s_token(world: World) -> None:
    wrong = []
    for name in DOORS.keys() - {"livez", "readyz"}:
        client = client_of(world, ADMIN, enforce_csrf_checks=True)
        status = client.post(address_of(name, world.mine)).status_code
        if status not in {403, 405}:
            wrong.append(f"{name}: {status}")
    assert not wrong
