"""Every table can be looked at in the Django admin, in few queries; append-only tables cannot be changed."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from labeling.models import Membership
from scoring.events import event_note
from scoring.models import Event, Image, ScoringJob
from tests.conftest import Cast
from tests.factories import image_make, item_make, score_make

pytestmark = pytest.mark.django_db

OURS = [model for model in admin.site._registry if model._meta.app_label in ("labeling", "scoring")]
CHANGEABLE = {"project", "membership", "product", "image"}


@pytest.fixture
def root_client(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root", password="root"))
    return client


def address(model: type[models.Model], page: str, *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def fill(cast: Cast, count: int) -> None:
    for _ in range(count):
        item = item_make(cast.project, image=image_make())
        score_make(item.image)
        event_note(actor=cast.ada, verb="test.act", target=item)


def test_every_table_of_both_rooms_is_there() -> None:
    rooms = [*apps.get_app_config("scoring").get_models(), *apps.get_app_config("labeling").get_models()]
    assert set(rooms) == set(OURS)


def test_every_list_opens_and_can_be_searched_in_the_same_number_of_queries_however_long(
    root_client: Client, cast: Cast
) -> None:
    counts: list[dict[str, int]] = []
    for more in (2, 10):
        fill(cast, more)
        counts.append({})
        for model in OURS:
            assert root_client.get(address(model, "changelist"), {"q": "1"}).status_code in (200, 302), model
            with CaptureQueriesContext(connection) as queries:
                assert root_client.get(address(model, "changelist")).status_code == 200, model
            counts[-1][model.__name__] = len(queries)
    assert counts[0] == counts[1]
    assert max(counts[1].values()) <= 12


def test_only_a_few_tables_can_be_changed_and_none_can_be_deleted_from(root_client: Client) -> None:
    request = root_client.get(reverse("admin:index")).wsgi_request
    for model in OURS:
        page = admin.site._registry[model]
        assert not page.has_delete_permission(request), model
        assert page.has_change_permission(request) == (model._meta.model_name in CHANGEABLE), model


def test_an_event_can_be_read_and_not_posted_to(root_client: Client, cast: Cast) -> None:
    event = event_note(actor=cast.ada, verb="test.act")
    where = address(Event, "change", event.pk)
    assert "test.act" in root_client.get(where).content.decode()
    assert root_client.post(where, {"verb": "forged"}).status_code == 403
    assert root_client.post(address(Event, "delete", event.pk), {"post": "yes"}).status_code == 403
    assert Event.objects.get(pk=event.pk).verb == "test.act"


def test_hiding_a_picture_leaves_an_event_that_says_who_and_what(root_client: Client) -> None:
    image = image_make()
    root_client.post(address(Image, "change", image.pk), {"is_hidden": "on"})
    image.refresh_from_db()
    assert image.is_hidden
    event = Event.objects.get(verb="admin.change")
    assert (event.target, event.target_id, event.before, event.after) == (
        "image",
        image.pk,
        {"is_hidden": False},
        {"is_hidden": True},
    )
    assert event.actor is not None
    assert event.actor.username == "root"


def test_pictures_that_were_given_up_are_scored_again_by_one_action(root_client: Client) -> None:
    jobs = [
        ScoringJob.objects.create(image=image_make(), state=state) for state in ("failed", "failed", "done")
    ]
    asked = {"action": "retry", "_selected_action": [jobs[0].pk]}
    answer = root_client.post(address(ScoringJob, "changelist"), asked, follow=True)
    assert "Pictures that wait again: 2" in answer.content.decode()
    states = ScoringJob.objects.order_by("pk").values_list("state", flat=True)
    assert list(states) == ["pending", "pending", "done"]
    assert Event.objects.get(verb="score.retry").after == {"images": 2}


def test_a_role_given_in_the_admin_is_noted(root_client: Client, cast: Cast) -> None:
    membership = Membership.objects.get(user=cast.ann)
    root_client.post(address(Membership, "change", membership.pk), {"role": "reviewer", "pause_reason": ""})
    event = Event.objects.get(verb="admin.change")
    assert (event.before["role"], event.after["role"]) == ("annotator", "reviewer")
