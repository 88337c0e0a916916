"""What other tools said comes in once, finds its pictures, and counts only where it may."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from labeling.annotate import live_annotations
from labeling.consensus import consensus_settle_due
from labeling.models import Annotation, Assignment, Consensus, Item, Membership, Project
from labeling.outside import outside_votes_count
from scoring.ingest import import_run, import_start
from scoring.models import Event, Image, ImportJob, ImportRow, OutsideLabel, Product
from scoring.rows import ImportRecord
from tests.conftest import Cast
from tests.factories import image_make, item_make, jpeg_bytes, score_make

pytestmark = pytest.mark.django_db


def rated(stars: Any, by: Any = 7, **more: Any) -> dict[str, Any]:
    result = [{"from_name": "rating", "to_name": "image", "type": "rating", "value": {"rating": stars}}]
    return {"completed_by": by, "result": result, **more}


def export_of(*tasks: dict[str, Any]) -> bytes:
    return json.dumps(list(tasks)).encode()


def brought(body: bytes, *, by: User | None = None, votes_for: Project | None = None) -> ImportJob:
    job = import_start(
        kind="table",
        created_by=by,
        label="project-1.json",
        uploads=[("project-1.json", body)],
        votes_for=votes_for.pk if votes_for else None,
    )
    import_run(job_id=job.pk)
    job.refresh_from_db()
    return job


def task(image: Image, *annotations: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"data": {"image": f"/data/{image.stored_name}"}, "annotations": list(annotations), **more}


def test_a_label_studio_export_finds_pictures_by_digest_address_and_name_and_fetches_none() -> None:
    product = Product.objects.create(external_id="P")
    named = [image_make(product=product) for _ in range(3)]
    Image.objects.filter(pk=named[2].pk).update(name="mug blue.jpg")
    job = import_start(kind="table", created_by=None)
    ImportRow.objects.create(
        job=job, position=1, reference="https://shop.example/2.jpg", state="done", image=named[1]
    )
    job = brought(
        export_of(
            task(named[0], rated(4)),
            {"data": {"image": "https://shop.example/2.jpg"}, "annotations": [rated(2)]},
            {"data": {"image": "/data/upload/3/0a1b2c3d-mug blue.jpg"}, "annotations": [rated(5)]},
            {"data": {"image": "nowhere.jpg"}, "annotations": [rated(5)]},
        )
    )
    rows = list(job.rows.order_by("position").values_list("state", "image_id", "code"))
    assert rows[:3] == [("duplicate", image.pk, "") for image in named]
    assert rows[3] == ("refused", None, "not_an_address")
    told = dict(OutsideLabel.objects.values_list("image_id", "score"))
    assert told == {named[0].pk: 75.0, named[1].pk: 25.0, named[2].pk: 100.0}


def test_a_name_that_two_pictures_have_is_no_name() -> None:
    for _ in range(2):
        Image.objects.filter(pk=image_make().pk).update(name="1.jpg")
    job = brought(export_of({"data": {"image": "1.jpg"}, "annotations": [rated(5)]}))
    assert job.rows.get().state == "refused"
    assert not OutsideLabel.objects.exists()


def test_votes_and_predictions_keep_the_names_they_had_and_come_in_once() -> None:
    image = image_make()
    body = export_of(
        task(
            image,
            rated(4, by={"id": 3, "email": "ann@example.com"}),
            rated(1, by=8),
            rated(5, by=9, was_cancelled=True),
            predictions=[{"model_version": "v1", "score": 0.4, "result": rated(3)["result"]}],
        )
    )
    brought(body)
    brought(body)
    brought(export_of(task(image, rated(1, by={"email": "ann@example.com"}))))
    told = set(OutsideLabel.objects.values_list("kind", "who", "score"))
    assert told == {("vote", "ann@example.com", 75.0), ("vote", "8", 0.0), ("prediction", "v1", 50.0)}


def test_a_picture_that_has_to_be_fetched_gets_what_was_said_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("scoring.sources.fetch_picture", lambda url: jpeg_bytes(5))
    brought(export_of({"data": {"image": "https://shop.example/new.jpg"}, "annotations": [rated(4)]}))
    label = OutsideLabel.objects.get()
    assert (label.image, label.score) == (Image.objects.get(), 75.0)


@pytest.mark.parametrize(
    ("body", "error"),
    [(b"{", "no JSON"), (b'{"a": 1}', "no JSON"), (b"[" * 100_000, "no JSON"), (b"", "empty")],
)
def test_a_file_that_is_no_export_fails_in_words(body: bytes, error: str) -> None:
    if not body:
        with pytest.raises(Exception, match="empty"):
            brought(body)
        return
    job = brought(body)
    assert job.state == "failed"
    assert error in job.error


def test_a_task_that_cannot_be_used_is_refused_by_row_and_the_rest_come_in() -> None:
    image = image_make()
    job = brought(
        export_of(
            {"data": {}},
            {"data": {"image": "a.jpg"}, "annotations": [{"result": []}]},
            {"data": {"image": "a.jpg"}, "annotations": [rated(True), rated(9), {"result": [{"value": 3}]}]},
            task(image, {"result": [{"value": {"choices": ["Good"]}}]}),
        )
    )
    codes = list(job.rows.order_by("position").values_list("code", flat=True))
    assert codes == ["no_image", "no_rating", "no_rating", ""]
    assert OutsideLabel.objects.get().score == 75.0


@pytest.fixture
def brought_votes(cast: Cast) -> list[Item]:
    """Three pictures of the project, each rated by the same two people elsewhere."""
    items = [item_make(cast.project) for _ in range(3)]
    for item in items:
        score_make(item.image)
    body = export_of(*(task(item.image, rated(4, by="kim"), rated(5, by="lee x")) for item in items))
    brought(body, by=cast.ada, votes_for=cast.project)
    return items


def test_votes_count_as_those_of_people_who_cannot_log_in(cast: Cast, brought_votes: list[Item]) -> None:
    assert outside_votes_count() == 6
    assert outside_votes_count() == 0
    votes = live_annotations().filter(item__in=brought_votes)
    assert set(votes.values_list("rater__username", "rating")) == {("outside.kim", 4), ("outside.lee-x", 5)}
    kim = User.objects.get(username="outside.kim")
    assert not kim.is_active
    assert not kim.has_usable_password()
    assert authenticate(username="outside.kim", password="!") is None
    assert not Membership.objects.filter(user=kim).exists()
    consensus_settle_due()
    labels = Consensus.objects.filter(item__in=brought_votes)
    assert {label.vote_count for label in labels} == {2}
    assert set(Item.objects.filter(pk__in=[item.pk for item in brought_votes]).values_list("state")) == {
        ("settled",)
    }
    event = Event.objects.get(verb="annotate.outside")
    assert (event.actor, event.after["votes"]) == (cast.ada, 6)


def test_the_import_says_what_came_along_and_what_of_it_counts(
    client: Client, cast: Cast, brought_votes: list[Item]
) -> None:
    client.force_login(cast.ada)
    url = reverse("import", args=[ImportJob.objects.get().pk])
    assert "6 votes of 2 people elsewhere came along; 0 of them count here so far." in (
        client.get(url).content.decode()
    )
    Item.objects.filter(pk=brought_votes[0].pk).update(is_holdout=True)
    outside_votes_count()
    assert "6 votes of 2 people elsewhere came along; 4 of them count here so far." in (
        client.get(url).content.decode()
    )


def test_an_outside_vote_takes_no_slot_of_the_project(cast: Cast, brought_votes: list[Item]) -> None:
    before = Assignment.objects.filter(item=brought_votes[0]).count()
    outside_votes_count()
    slots = Assignment.objects.filter(item=brought_votes[0])
    assert slots.filter(state="free").count() == before
    assert slots.filter(state="submitted").count() == 2


def test_the_yardstick_and_what_was_decided_take_no_outside_votes(
    cast: Cast, brought_votes: list[Item]
) -> None:
    Item.objects.filter(pk=brought_votes[0].pk).update(is_holdout=True)
    Item.objects.filter(pk=brought_votes[1].pk).update(state="approved")
    assert outside_votes_count() == 2
    assert set(Annotation.objects.values_list("item_id", flat=True)) == {brought_votes[2].pk}


def test_votes_for_a_project_the_person_does_not_administer_are_only_shown(cast: Cast) -> None:
    foreign = Project.objects.create(name="Foreign")
    item = item_make(foreign)
    brought(export_of(task(item.image, rated(4))), by=cast.ada, votes_for=foreign)
    assert outside_votes_count() == 0
    assert OutsideLabel.objects.count() == 1
    assert not Annotation.objects.exists()


def test_without_a_project_votes_are_only_shown_and_not_to_those_who_may_yet_vote(cast: Cast) -> None:
    item = item_make(cast.project)
    brought(export_of(task(item.image, rated(4, by="kim@example.com"))))
    assert outside_votes_count() == 0
    for person, sees in ((cast.ann, False), (cast.ada, True)):
        client = Client()
        client.force_login(person)
        page = client.get(reverse("image", args=[item.image_id])).content.decode()
        assert ("kim@example.com" in page) is sees


def test_rows_over_the_api_bring_votes_and_predictions(cast: Cast) -> None:
    client = APIClient()
    client.force_authenticate(cast.ada)
    item = item_make(cast.project)
    said = {"votes": [{"rater": "kim", "rating": 2}], "predictions": [{"model": "v1", "score": 62.5}]}
    bad = {"votes": [{"rater": "kim", "rating": 9}]}
    rows = [{"image": item.image.stored_name, **said}, {"image": "https://shop.example/x.jpg", **bad}]
    told = client.post("/api/v1/imports/", {"rows": rows, "project": cast.project.pk}, format="json").json()
    assert (told["rows"]["duplicate"], told["rows"]["refused"]) == (1, 1)
    assert ImportRow.objects.get(state="refused").code == "bad_label"
    kept = set(OutsideLabel.objects.values_list("kind", "who", "score"))
    assert kept == {("vote", "kim", 25.0), ("prediction", "v1", 62.5)}
    assert outside_votes_count() == 1


def test_many_rows_are_read_by_a_worker_and_not_while_the_caller_waits(cast: Cast) -> None:
    client = APIClient()
    client.force_authenticate(cast.ada)
    rows = [{"image": f"https://shop.example/{n}.jpg"} for n in range(501)]
    told = client.post("/api/v1/imports/", {"rows": rows}, format="json").json()
    assert (told["state"], told["rows"]["total"]) == ("reading", 0)


def test_a_row_without_labels_is_fetched_again_as_before(cast: Cast) -> None:
    image = image_make()
    record = ImportRecord(1, "", "", "", "", f"https://shop.example/{image.digest}.jpg")
    job = import_start(kind="table", created_by=None, records=[record])
    assert job.rows.get().state == "pending"
