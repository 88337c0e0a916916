"""Home: the one thing to do first, what goes on now, and whose project it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labeling.models import Membership, Project
from labeling.underway import work_underway
from scoring.events import event_note
from scoring.models import DatasetVersion, ImportJob, ImportRow, Serving, TrainingRun
from scoring.registry import base_model_ensure
from tests.conftest import Cast
from tests.factories import image_make, item_make, score_make


@pytest.fixture
def home(client: Client, cast: Cast) -> Callable[..., str]:
    def open_as(name: str, **headers: str) -> str:
        client.force_login(getattr(cast, name))
        answer = client.get("/", headers=headers)
        assert answer.status_code == 200
        return answer.content.decode()

    return open_as


def test_an_admin_without_pictures_is_asked_to_bring_some(home: Callable[..., str]) -> None:
    assert "Bring in pictures" in home("ada")
    assert "Bring in pictures" not in home("ann")


def test_an_annotator_sees_how_many_pictures_wait_and_no_loop(home: Callable[..., str], cast: Cast) -> None:
    for _ in range(3):
        item_make(cast.project)
    page = home("ann")
    assert "<strong>3</strong> pictures want your eye" in page
    assert "Start labeling" in page
    assert 'id="loop"' not in page
    assert 'id="loop"' in home("ada")


def test_a_reviewer_with_nothing_to_label_goes_to_review(home: Callable[..., str], cast: Cast) -> None:
    item = item_make(cast.project)
    item.assignments.update(state="closed")
    item.state = "flagged"
    item.save()
    assert "Start reviewing" in home("rui")
    assert "Start reviewing" not in home("ann")


def test_a_paused_person_reads_why_and_is_offered_no_work(home: Callable[..., str], cast: Cast) -> None:
    item_make(cast.project)
    Membership.objects.filter(user=cast.ann).update(is_paused=True, pause_reason="Read the guide first.")
    page = home("ann")
    assert "Read the guide first." in page
    assert "Start labeling" not in page


def test_somebody_without_a_project_is_told_whom_to_ask(home: Callable[..., str]) -> None:
    assert "You are in no project yet" in home("mallory")


def test_the_fragment_of_the_loop_is_for_admins_only(client: Client, cast: Cast) -> None:
    wanted = {"HX-Request": "true", "HX-Target": "loop"}
    client.force_login(cast.ann)
    assert client.get("/", headers=wanted).status_code == 403
    client.force_login(cast.ada)
    answer = client.get("/", headers=wanted).content.decode()
    assert answer.lstrip().startswith('<div id="loop"')
    assert "every 2s" not in answer


def test_the_loop_asks_again_only_while_something_goes_on(home: Callable[..., str], cast: Cast) -> None:
    job = ImportJob.objects.create(kind="folder", state="running", label="autumn")
    page = home("ada")
    assert 'hx-trigger="every 2s"' in page
    assert "Pictures are on their way" in page
    assert 'id="next-card"' in home("ada", **{"HX-Request": "true", "HX-Target": "loop"})
    job.state = "done"
    job.save()
    assert 'hx-trigger="every 2s"' not in home("ada")


def test_home_costs_a_fixed_number_of_queries(
    client: Client, cast: Cast, django_assert_max_num_queries: Callable[..., object]
) -> None:
    for _ in range(12):
        score_make(item_make(cast.project).image)
    client.force_login(cast.ada)
    client.get("/")
    with django_assert_max_num_queries(38):  # type: ignore[attr-defined]
        client.get("/")


def test_long_work_is_listed_in_the_order_of_the_stations(cast: Cast) -> None:
    assert work_underway() == []
    image_make(stored=True)  # its scoring waits
    job = ImportJob.objects.create(kind="folder", state="running", label="autumn")
    ImportJob.objects.filter(pk=job.pk).update(created_at=timezone.now() - timedelta(seconds=10))
    ImportRow.objects.create(job=job, position=1, reference="a.jpg", state="done")
    ImportRow.objects.create(job=job, position=2, reference="b.jpg")
    model = base_model_ensure()
    dataset = DatasetVersion.objects.create(name="1", digest="0" * 64, row_count=40)
    TrainingRun.objects.create(
        dataset=dataset, trigger="button", state="running", progress=0.4, step="Fitting"
    )
    imports, scoring, training = work_underway()
    assert (imports.done, imports.total, imports.url_name, imports.url_id) == (1, 2, "import", job.pk)
    assert imports.left_s == pytest.approx(10, abs=2)
    assert (scoring.done, scoring.total) == (0, 1)
    assert (training.done, training.note, training.is_share) == (0.4, "Fitting", True)
    assert Serving.objects.get().champion == model


def test_the_chosen_project_counts_until_the_role_in_it_is_gone(client: Client, cast: Cast) -> None:
    other = Project.objects.create(name="Second")
    role = Membership.objects.create(project=other, user=cast.ann, role="annotator")
    client.force_login(cast.ann)
    assert "<h1>Catalogue</h1>" in client.get("/").content.decode()
    client.post("/project/", {"project": other.pk})
    assert "<h1>Second</h1>" in client.get("/").content.decode()
    role.delete()
    assert "<h1>Catalogue</h1>" in client.get("/").content.decode()


def test_the_same_act_many_times_in_a_row_is_one_line(cast: Cast, client: Client) -> None:
    for _ in range(12):
        event_note(actor=None, verb="consensus.settle")
    event_note(actor=cast.ada, verb="ingest.start")
    client.force_login(cast.ada)
    acts = client.get("/").context["acts"]
    assert [(act["actor"], act["times"]) for act in acts[:2]] == [(cast.ada, 1), (None, 12)]


@pytest.mark.parametrize("page", ["label", "compare", "grid", "catalogue"])
def test_where_pictures_are_missing_those_who_may_bring_some_are_led_there(page: str, cast: Cast) -> None:
    client = Client()
    for user, is_led in ((cast.ada, True), (cast.ann, False)):
        client.force_login(user)
        shown = client.get(reverse(page)).content.decode()
        assert ("Bring in pictures" in shown) is is_led
