"""Every address of the house, asked by everybody: the table below says who is let in, and is complete.

A new address fails the first test until it stands in the table with the least role that may use it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse

from labeling.lease import lease_next
from labeling.models import Assignment, Item, Membership, Project
from scoring.dataset import FrozenRow, dataset_store
from scoring.models import DatasetVersion, Image, ImportJob, ModelVersion, TrainingRun
from scoring.registry import base_model_ensure
from tests.conftest import Cast
from tests.factories import image_make, item_make, score_make

pytestmark = pytest.mark.django_db

NOBODY, STRANGER, ANNOTATOR, REVIEWER, ADMIN = "nobody", "stranger", "annotator", "reviewer", "admin"
LADDER = (NOBODY, STRANGER, ANNOTATOR, REVIEWER, ADMIN)
ANSWERS = {200, 204, 302, 304, 400, 405, 409, 415, 422}  # what somebody who is let in may hear
REFUSALS = {403, 404, 405}


@dataclass(frozen=True)
class Door:
    """The least role an address lets in, the objects its path names, and what it may answer besides."""

    least: str
    path: Mapping[str, str] = field(default_factory=dict)
    also: frozenset[int] = frozenset()

    @property
    def opens_from(self) -> int:
        return LADDER.index(self.least)


def door(least: str, *also: int, **path: str) -> Door:
    return Door(least, path, frozenset(also))


# name of the address -> who, and which object of the world stands for which part of its path
DOORS: dict[str, Door] = {
    "livez": door(NOBODY),
    "readyz": door(NOBODY),
    "login": door(NOBODY),
    "password": door(STRANGER),
    "login-by-token": door(NOBODY, 403, uid="word", token="word"),
    "logout": door(STRANGER),
    "set_language": door(NOBODY),
    "theme": door(NOBODY),
    # pages of the people's room
    "home": door(STRANGER),
    "project-choose": door(STRANGER, 404),
    "label": door(ANNOTATOR),
    "review": door(REVIEWER),
    "review-decide": door(REVIEWER, item_id="item"),
    "review-decide-many": door(REVIEWER),
    "catalogue": door(ANNOTATOR),
    "image": door(ANNOTATOR, image_id="image"),
    "people": door(ADMIN),
    "person-add": door(ADMIN),
    "person-role": door(ADMIN, user_id="member"),
    "person-pause": door(ADMIN, user_id="member"),
    "person-resume": door(ADMIN, user_id="member"),
    "person-link": door(ADMIN, user_id="member"),
    "data": door(ADMIN),
    "dataset-freeze": door(ADMIN),
    "models": door(ADMIN),
    "retrain": door(ADMIN),
    # pages of the machine's room
    "picture": door(ANNOTATOR, image_id="image"),
    "thumbnail": door(ANNOTATOR, image_id="image"),
    "import-start": door(ADMIN),
    "import": door(ADMIN, job_id="job"),
    "import-add": door(ADMIN, job_id="job"),
    "import-cancel": door(ADMIN, job_id="job"),
    "import-resume": door(ADMIN, job_id="job"),
    "import-refused": door(ADMIN, job_id="job"),
    "dataset-export": door(ADMIN, dataset_id="dataset", fmt="form"),
    "model": door(ADMIN, model_id="model"),
    "model-promote": door(ADMIN, model_id="model"),
    "model-roll-back": door(ADMIN),
    "run": door(ADMIN, run_id="run"),
    "run-cancel": door(ADMIN, run_id="run"),
    # the API
    "api-schema": door(STRANGER),
    "api-tokens": door(STRANGER, 201),
    "api-token": door(STRANGER, 404, key="word"),
    "api-label-next": door(ANNOTATOR),
    "api-label-submit": door(ANNOTATOR),
    "api-label-undo": door(ANNOTATOR, 404),  # nobody's vote and slot but one's own
    "api-label-skip": door(ANNOTATOR, 404),
    "api-label-extend": door(STRANGER),  # of the leases named only one's own are touched
    "api-label-release": door(STRANGER),
    "api-projects": door(ANNOTATOR),
    "api-project-votes": door(ADMIN, pk="project"),
    "api-training-runs": door(ADMIN),
    "api-training-run": door(ADMIN, pk="run"),
    "api-training-run-cancel": door(ADMIN, pk="run"),
    "api-imports": door(ADMIN),
    "api-import": door(ADMIN, pk="job"),
    "api-import-rows": door(ADMIN, pk="job"),
    "api-import-files": door(ADMIN, pk="job"),
    "api-import-cancel": door(ADMIN, pk="job"),
    "api-import-resume": door(ADMIN, pk="job"),
    "api-images": door(ANNOTATOR),
    "api-image": door(ANNOTATOR, pk="image"),
    "api-image-picture": door(ANNOTATOR, pk="image"),
    "api-scores": door(ANNOTATOR),
    "api-exports": door(ADMIN),
    "api-export": door(ADMIN, pk="dataset"),
    "api-export-file": door(ADMIN, pk="dataset", form="form"),
    "api-models": door(ADMIN),
    "api-serving": door(ADMIN),
    "api-roll-back": door(ADMIN),
    "api-model": door(ADMIN, pk="model"),
    "api-promote": door(ADMIN, pk="model"),
}

# Objects that belong to a project: its members alone may know of them.
OF_A_PROJECT = {"item", "member", "project"}

# What a person may send to name an object of a project; {word} stands for that object's id.
BODIES: dict[str, dict[str, Any]] = {
    "project-choose": {"project": "{project}"},
    "review-decide": {"decision": "approve", "key": "{key}"},
    "review-decide-many": {"item": ["{item}"], "item_ids": ["{item}"], "decision": "approve", "key": "{key}"},
    "person-role": {"role": "reviewer"},
    "person-pause": {"reason": "a rest"},
    "api-label-submit": {"assignment": "{slot}", "rating": 3, "key": "{key}"},
    "api-label-skip": {"assignment": "{slot}"},
    "api-label-undo": {"annotation": "{slot}", "key": "{key}"},
    "api-label-release": {"assignments": ["{slot}"]},
    "api-label-extend": {"assignments": ["{slot}"]},
    "api-training-runs": {"project": "{project}"},
}


@dataclass(frozen=True)
class World:
    """One object of each kind, in the cast's project and in one they know nothing of."""

    sessions: Mapping[str, str]  # of every role but nobody
    mine: Mapping[str, Any]
    foreign: Mapping[str, Any]


@pytest.fixture
def world(cast: Cast) -> World:
    foreign = Project.objects.create(name="Elsewhere")
    eve = User.objects.create_user("eve")
    Membership.objects.create(project=foreign, user=eve, role="admin")
    image = image_make(stored=True)
    score_make(image)
    shared: dict[str, Any] = {
        "image": image.pk,
        "job": ImportJob.objects.create(kind="upload", created_by=cast.ada).pk,
        "model": base_model_ensure().pk,
        "dataset": _dataset(image).pk,
        "form": "csv",
        "key": str(uuid4()),
        "word": "word",
    }
    shared["run"] = TrainingRun.objects.create(trigger="button", dataset_id=shared["dataset"]).pk
    people = {STRANGER: cast.mallory, ANNOTATOR: cast.ann, REVIEWER: cast.rui, ADMIN: cast.ada}
    mine = _of_project(cast.project, cast.ann, cast.ben, image)
    sessions = {role: session_of(person) for role, person in people.items()}
    return World(sessions, {**shared, **mine}, {**shared, **_of_project(foreign, eve, eve, image)})


def _dataset(image: Image) -> DatasetVersion:
    row = FrozenRow(image.pk, "g", "mugs", 50.0, 5.0, 0.04, 2)
    return dataset_store(name="v1", rows=[row], split_seed=0, note="", created_by=None)


def _of_project(project: Project, labeler: User, member: User, image: Image) -> dict[str, Any]:
    item = item_make(project, image=image)
    Item.objects.filter(pk=item.pk).update(state="flagged")
    (slot,) = lease_next(user=labeler, project=project)
    return {"project": project.pk, "item": item.pk, "slot": slot.pk, "member": member.pk}


def session_of(person: User) -> str:
    client = Client()
    client.force_login(person)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def addresses(patterns: list[Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Name and route of every address below ``patterns``."""
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield pattern.name or "", route
        else:
            yield from addresses(pattern.url_patterns, route)


def ours() -> dict[str, str]:
    """Every address that is not the Django admin's, by name."""
    known = list(addresses(get_resolver().url_patterns))
    return {name: route for name, route in known if not route.startswith("admin/")}


def address_of(name: str, objects: Mapping[str, Any]) -> str:
    return reverse(name, kwargs={part: objects[thing] for part, thing in DOORS[name].path.items()})


def client_of(world: World, role: str, **options: Any) -> Client:
    client = Client(raise_request_exception=False, **options)
    if role != NOBODY:
        client.cookies[settings.SESSION_COOKIE_NAME] = world.sessions[role]
    return client


def ask(world: World, role: str, method: str, address: str, body: Mapping[str, Any] | None = None) -> Any:
    """The answer to one request whose effects are taken back."""
    kind = {"content_type": "application/json"} if address.startswith("/api/") and method == "post" else {}
    with transaction.atomic():
        answer = getattr(client_of(world, role), method)(address, dict(body or {}), **kind)
        transaction.set_rollback(True)
    return answer


def is_sent_to_login(answer: Any) -> bool:
    return answer.status_code == 401 or (
        answer.status_code == 302 and answer["Location"].startswith(("/login/?", "/admin/login/"))
    )


def test_every_address_stands_in_the_table() -> None:
    assert set(ours()) == set(DOORS)


def test_no_address_has_two_names_or_none() -> None:
    known = [pair for pair in addresses(get_resolver().url_patterns) if not pair[1].startswith("admin/")]
    assert len({name for name, _ in known}) == len({route for _, route in known}) == len(known)
    assert all(name for name, _ in known)


def test_each_door_opens_from_its_least_role_upwards_and_to_nobody_below(world: World) -> None:
    wrong = [
        f"{role} {method.upper()} {address} {sent}: {answer.status_code}"
        for name in DOORS
        for role, method, address, sent in _tries(name, world)
        for answer in [ask(world, role, method, address, sent)]
        if not _is_right(name, role, answer, shapeless=name in BODIES and not sent)
    ]
    assert not wrong


def _tries(name: str, world: World) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    address, body = address_of(name, world.mine), _filled(BODIES.get(name, {}), world.mine)
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
        address, body = address_of(name, world.foreign), _filled(BODIES.get(name, {}), world.foreign)
        for role in LADDER[1:]:
            for method, sent in (("get", {}), ("post", body)):
                status = ask(world, role, method, address, sent).status_code
                if status not in REFUSALS:
                    wrong.append(f"{role} {method.upper()} {address}: {status}")
    assert not wrong


def test_naming_an_object_of_another_project_changes_nothing(world: World) -> None:
    before, wrong = _foreign_state(world), []
    for name in [name for name in BODIES if not DOORS[name].path]:
        body, address = _filled(BODIES[name], world.foreign), address_of(name, world.mine)
        kind = {"content_type": "application/json"} if address.startswith("/api/") else {}
        for role in LADDER[1:]:
            status = client_of(world, role).post(address, body, **kind).status_code
            if status >= 500 or _foreign_state(world) != before:
                wrong.append(f"{role} {address}: {status}")
    assert not wrong


def _filled(value: Any, objects: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(each, objects) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, objects) for each in value]
    return objects[value[1:-1]] if isinstance(value, str) and value.startswith("{") else value


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
