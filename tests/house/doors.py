"""Every address of the house with the least role it lets in, and a world of objects to knock with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse

from labeling.export import export_start
from labeling.lease import lease_next
from labeling.models import Appeal, Item, Membership, Project
from scoring.dataset import FrozenRow, dataset_store
from scoring.models import DatasetVersion, Image, ImportJob, TrainingRun
from scoring.registry import base_model_ensure
from tests.conftest import Cast
from tests.factories import image_make, item_make, score_make

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
    "compare": door(ANNOTATOR),
    "grid": door(ANNOTATOR),
    "review": door(REVIEWER),
    "review-decide": door(REVIEWER, item_id="item"),
    "review-decide-many": door(REVIEWER),
    "catalogue": door(ANNOTATOR),
    "image": door(ANNOTATOR, image_id="image"),
    "comment": door(ANNOTATOR, image_id="image"),
    "mention-seen": door(STRANGER, 404, mention_id="item"),  # nobody's calls but one's own
    "people": door(ADMIN),
    "project-rules": door(ADMIN),
    "person-add": door(ADMIN),
    "person-role": door(ADMIN, user_id="member"),
    "person-pause": door(ADMIN, user_id="member"),
    "person-resume": door(ADMIN, user_id="member"),
    "person-link": door(ADMIN, user_id="member"),
    "person-release": door(ADMIN, user_id="member"),
    "appeal-decide": door(ADMIN, appeal_id="appeal"),
    "paused": door(ANNOTATOR),
    "qualify": door(ANNOTATOR),
    "qualify-begin": door(ANNOTATOR),
    "qualify-take": door(ANNOTATOR),
    "person-qualify": door(ADMIN, user_id="member"),
    "appeal": door(ANNOTATOR),
    "learning": door(ADMIN),
    "learning-measure": door(ADMIN),
    "audit": door(ADMIN),
    "audit-events": door(ADMIN),
    "data": door(ADMIN),
    "dataset-freeze": door(ADMIN),
    "dataset-version": door(ADMIN, dataset_id="dataset"),
    "export-start": door(ADMIN),
    "export-file": door(ADMIN, job_id="export"),
    "export-cancel": door(ADMIN, job_id="export"),
    "models": door(ADMIN),
    "retrain": door(ADMIN),
    # pages of the machine's room
    "picture": door(ANNOTATOR, image_id="image"),
    "heatmap": door(ANNOTATOR, image_id="image"),
    "thumbnail": door(ANNOTATOR, image_id="image"),
    "import-start": door(ADMIN),
    "import": door(ADMIN, job_id="job"),
    "import-add": door(ADMIN, job_id="job"),
    "import-cancel": door(ADMIN, job_id="job"),
    "import-resume": door(ADMIN, job_id="job"),
    "import-refused": door(ADMIN, job_id="job"),
    "model": door(ADMIN, model_id="model"),
    "model-card": door(ADMIN, model_id="model"),
    "model-promote": door(ADMIN, model_id="model"),
    "model-roll-back": door(ADMIN),
    "model-shadow": door(ADMIN, model_id="model"),
    "shadow-stop": door(ADMIN),
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
    "api-label-pairs": door(ANNOTATOR),
    "api-label-compare": door(ANNOTATOR),
    "api-label-compare-undo": door(ANNOTATOR, 404),  # nobody's comparison but one's own
    "api-label-sheet": door(ANNOTATOR),
    "api-label-sheet-confirm": door(ANNOTATOR),
    "api-label-sheet-undo": door(ANNOTATOR, 404),  # nobody's sheet but one's own
    "api-image-comments": door(ANNOTATOR, 201, pk="image"),
    "api-calls": door(ANNOTATOR),
    "api-call-seen": door(ANNOTATOR, 404, pk="item"),  # nobody's calls but one's own
    "api-projects": door(ANNOTATOR),
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
    "api-exports": door(ADMIN, 202),
    "api-export": door(ADMIN, pk="export"),
    "api-export-file": door(ADMIN, pk="export"),
    "api-export-cancel": door(ADMIN, pk="export"),
    "api-datasets": door(ADMIN),
    "api-dataset": door(ADMIN, pk="dataset"),
    "api-models": door(ADMIN),
    "api-serving": door(ADMIN),
    "api-roll-back": door(ADMIN),
    "api-model": door(ADMIN, pk="model"),
    "api-promote": door(ADMIN, pk="model"),
}

# Objects that belong to a project: its members alone may know of them.
OF_A_PROJECT = {"appeal", "export", "item", "member", "project"}

# What a person may send to name an object of a project; {word} stands for that object's id.
BODIES: dict[str, dict[str, Any]] = {
    "project-choose": {"project": "{project}"},
    "review-decide": {"decision": "approve", "key": "{key}"},
    "review-decide-many": {"item": ["{item}"], "item_ids": ["{item}"], "decision": "approve", "key": "{key}"},
    "comment": {"text": "Look", "key": "{key}"},
    "person-role": {"role": "reviewer"},
    "person-pause": {"reason": "a rest"},
    "appeal-decide": {"answer": "keep", "reply": "not yet"},
    "appeal": {"text": "Look again, please."},
    "api-label-submit": {"assignment": "{slot}", "rating": 3, "key": "{key}"},
    "api-label-skip": {"assignment": "{slot}"},
    "api-label-undo": {"annotation": "{slot}", "key": "{key}"},
    "api-label-release": {"assignments": ["{slot}"]},
    "api-label-extend": {"assignments": ["{slot}"]},
    "api-label-pairs": {"project": "{project}"},
    "api-label-compare": {"left": "{item}", "right": "{item2}", "answer": "left", "key": "{key}"},
    "api-label-compare-undo": {"comparison": "{key}", "key": "{key}"},
    "api-label-sheet": {"project": "{project}"},
    "api-label-sheet-confirm": {"answers": [{"assignment": "{slot}", "rating": 3}], "key": "{key}"},
    "api-label-sheet-undo": {"sheet": "{key}", "assignments": ["{slot}"], "key": "{key}"},
    "api-image-comments": {"text": "Look", "key": "{key}", "project": "{project}"},
    "api-training-runs": {"project": "{project}"},
    "export-start": {"project": "{project}", "form": "votes"},
    "api-exports": {"project": "{project}", "form": "votes"},
}


@dataclass(frozen=True)
class World:
    """One object of each kind, in the cast's project and in one they know nothing of."""

    sessions: Mapping[str, str]  # of every role but nobody
    mine: Mapping[str, Any]
    foreign: Mapping[str, Any]


def world_of(cast: Cast) -> World:
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
    export = export_start(form="votes", by=None, project=project)
    paused = Membership.objects.get(project=project, user=member)
    return {
        "project": project.pk,
        "appeal": Appeal.objects.create(membership=paused, text="Please").pk,
        "item": item.pk,
        "item2": item_make(project).pk,
        "slot": slot.pk,
        "member": member.pk,
        "export": export.pk,
    }


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


def filled(value: Any, objects: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: filled(each, objects) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, objects) for each in value]
    return objects[value[1:-1]] if isinstance(value, str) and value.startswith("{") else value
