"""The six addresses the Label page lives on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from labeling.annotate import live_annotations
from labeling.models import Annotation, Assignment, Membership, Project, Skip
from tests.conftest import Cast
from tests.factories import item_make, score_make
from tests.labeling.conftest import Post

pytestmark = pytest.mark.django_db


def pictures(cast: Cast, count: int, *, slots: int = 2) -> None:
    for _ in range(count):
        score_make(item_make(cast.project, slots=slots).image, overall=75)


def expire() -> None:
    Assignment.objects.update(lease_until=timezone.now() - timedelta(seconds=1))


def test_next_gives_cards_and_others_to_a_page_that_holds_some(cast: Cast, post: Post) -> None:
    pictures(cast, 5)
    status, first = post(cast.ann, "next", count=3)
    assert (status, len(first["cards"]), first["nothing"]) == (200, 3, None)
    held = [card["assignment"] for card in first["cards"]]
    _, second = post(cast.ann, "next", count=3, holding=held)
    assert len(second["cards"]) == 2
    assert not set(held) & {card["assignment"] for card in second["cards"]}


def test_a_vote_brings_the_next_picture_along(cast: Cast, post: Post) -> None:
    pictures(cast, 2)
    _, told = post(cast.ann, "next")
    (card,) = told["cards"]
    key = str(uuid4())
    status, answer = post(
        cast.ann,
        "submit",
        assignment=card["assignment"],
        key=key,
        rating=4,
        score=card["prediction"]["id"],
        dimensions={"sharpness": 2},
        defects={"noise": False},
        is_flagged=True,
        note="Edge",
        duration_ms=1200,
        next={"count": 1},
    )
    assert status == 200
    vote = Annotation.objects.get()
    assert (vote.rating, vote.dimensions, vote.defects) == (4, {"sharpness": 2}, {"noise": False})
    assert (vote.note, vote.is_flagged, vote.duration_ms, vote.shown_score) == ("Edge", True, 1200, 75.0)
    assert answer["vote"] == {
        "id": vote.pk,
        "key": key,
        "assignment": card["assignment"],
        "rating": 4,
        "is_accepted": False,
        "is_withdrawn": False,
    }
    assert len(answer["cards"]) == 1
    assert answer["cards"][0]["assignment"] != card["assignment"]


def test_the_same_key_is_one_vote_and_the_same_answer(cast: Cast, post: Post) -> None:
    pictures(cast, 1)
    _, told = post(cast.ann, "next")
    said = {"assignment": told["cards"][0]["assignment"], "key": str(uuid4()), "accept": True}
    first, second = post(cast.ann, "submit", **said), post(cast.ann, "submit", **said)
    assert first == second
    assert (first[0], first[1]["vote"]["rating"]) == (200, 4)
    assert Annotation.objects.count() == 1
    status, refusal = post(cast.ann, "submit", **{**said, "accept": False, "rating": 1})
    assert (status, refusal["code"]) == (422, "key_reused")
    assert Annotation.objects.count() == 1


def test_a_stored_vote_is_never_refused_for_want_of_a_next_picture(cast: Cast, post: Post) -> None:
    pictures(cast, 1)
    _, told = post(cast.ann, "next")
    status, answer = post(
        cast.ann,
        "submit",
        assignment=told["cards"][0]["assignment"],
        key=str(uuid4()),
        rating=2,
        next={"count": 2},
    )
    assert (status, answer["cards"], answer["nothing"]["code"]) == (200, [], "yours_done")
    assert answer["nothing"]["detail"]
    key, project = str(uuid4()), Project.objects.create(name="Foreign")
    status, answer = post(
        cast.ann,
        "submit",
        assignment=told["cards"][0]["assignment"],
        key=key,
        rating=3,
        supersedes=answer["vote"]["id"],
        next={"project": project.pk},
    )
    assert (status, answer["nothing"]["code"]) == (200, "not_found")
    assert live_annotations().get().rating == 3


def test_a_second_tab_is_told_which_vote_counts_and_may_correct_it(cast: Cast, post: Post) -> None:
    pictures(cast, 1)
    _, told = post(cast.ann, "next")
    assignment = told["cards"][0]["assignment"]
    _, first = post(cast.ann, "submit", assignment=assignment, key=str(uuid4()), rating=2)
    status, refusal = post(cast.ann, "submit", assignment=assignment, key=str(uuid4()), rating=5)
    assert (status, refusal["code"], refusal["live"]) == (409, "already_voted", first["vote"])
    assert live_annotations().get().rating == 2
    status, _ = post(
        cast.ann,
        "submit",
        assignment=assignment,
        key=str(uuid4()),
        rating=5,
        supersedes=refusal["live"]["id"],
    )
    assert (status, live_annotations().get().rating) == (200, 5)


def test_a_lease_lost_to_somebody_else_is_a_conflict_and_stores_nothing(cast: Cast, post: Post) -> None:
    pictures(cast, 1, slots=1)
    _, told = post(cast.ann, "next")
    expire()
    post(cast.ben, "next")
    status, refusal = post(
        cast.ann, "submit", assignment=told["cards"][0]["assignment"], key=str(uuid4()), rating=5
    )
    assert (status, refusal["code"]) == (409, "lease_lost")
    assert not Annotation.objects.exists()


def test_answers_are_never_sent_in_somebody_else_s_name(cast: Cast, post: Post) -> None:
    pictures(cast, 1)
    _, told = post(cast.ann, "next")
    assignment, key = told["cards"][0]["assignment"], str(uuid4())
    acts: dict[str, dict[str, Any]] = {
        "next": {},
        "submit": {"assignment": assignment, "key": key, "rating": 3},
        "undo": {"vote": key, "key": key},
        "skip": {"assignment": assignment},
        "extend": {"assignments": [assignment]},
        "release": {"assignments": [assignment]},
    }
    for name, said in acts.items():
        status, refusal = post(cast.ann, name, rater=cast.ben.pk, **said)
        assert (name, status, refusal["code"]) == (name, 409, "other_person")
    assert Assignment.objects.filter(user=cast.ann, state="leased").count() == 1
    assert not Annotation.objects.exists()
    assert not Skip.objects.exists()


def test_undo_gives_the_picture_back_once_however_often_it_is_sent(cast: Cast, post: Post) -> None:
    pictures(cast, 1)
    _, told = post(cast.ann, "next")
    vote, undo = str(uuid4()), str(uuid4())
    assignment = told["cards"][0]["assignment"]
    post(cast.ann, "submit", assignment=assignment, key=vote, rating=1)
    for _ in range(2):
        status, answer = post(cast.ann, "undo", vote=vote, key=undo)
        assert (status, answer["card"]["assignment"]) == (200, assignment)
    assert not live_annotations().exists()
    assert Annotation.objects.count() == 2
    status, _ = post(cast.ann, "submit", assignment=assignment, key=str(uuid4()), rating=4)
    assert (status, live_annotations().get().rating) == (200, 4)
    assert post(cast.ben, "undo", vote=vote, key=str(uuid4()))[0] == 404
    assert post(cast.ann, "undo", key=str(uuid4()))[0] == 400


def test_skip_and_back(cast: Cast, post: Post) -> None:
    pictures(cast, 2)
    _, told = post(cast.ann, "next")
    assignment = told["cards"][0]["assignment"]
    status, answer = post(cast.ann, "skip", assignment=assignment, next={"count": 5})
    assert (status, len(answer["cards"])) == (200, 1)
    assert answer["cards"][0]["assignment"] != assignment
    status, answer = post(cast.ann, "skip", assignment=assignment, back=True)
    assert (status, answer["cards"][0]["assignment"]) == (200, assignment)
    assert not Skip.objects.exists()


def test_a_heartbeat_and_a_closing_page(cast: Cast, post: Post) -> None:
    pictures(cast, 2)
    _, told = post(cast.ann, "next", count=2)
    held = sorted(card["assignment"] for card in told["cards"])
    status, answer = post(cast.ann, "extend", assignments=[*held, 999_999])
    assert (status, answer["held"]) == (200, held)
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.ann)
    assert client.post("/api/v1/label/release/", {"assignments": held}).status_code == 403
    client.cookies["vitrine-csrf"] = "a" * 32
    beacon = {"assignments": held, "csrfmiddlewaretoken": "a" * 32}
    answer = client.post("/api/v1/label/release/", beacon)
    assert (answer.status_code, answer.json()) == (200, {"released": 2})
    assert not Assignment.objects.exclude(state="free").exists()


@pytest.mark.parametrize(
    "said",
    [
        {"rating": 6},
        {"rating": 0},
        {"rating": "x"},
        {"accept": True, "rating": 3},
        {},
        {"rating": 3, "dimensions": {"sharpness": 9}},
        {"rating": 3, "dimensions": {"smell": 3}},
        {"rating": 3, "defects": {"ghost": True}},
        {"rating": 3, "note": "x" * 1001},
        {"rating": 3, "note": "\x00"},
        {"rating": 3, "grade": 3},
        {"rating": 3, "key": "no"},
        {"rating": 3, "next": {"count": 99}},
        {"rating": 3, "duration_ms": -1},
    ],
)
def test_an_answer_that_makes_no_sense_is_refused_whole(cast: Cast, post: Post, said: dict[str, Any]) -> None:
    pictures(cast, 1)
    _, told = post(cast.ann, "next")
    body = {"assignment": told["cards"][0]["assignment"], "key": str(uuid4()), **said}
    status, refusal = post(cast.ann, "submit", **body)
    assert status in {400, 422}
    assert refusal["code"]
    assert refusal["detail"]
    assert not Annotation.objects.exists()
    assert Assignment.objects.filter(state="leased").count() == 1


def test_a_blind_picture_has_nothing_to_accept(cast: Cast, post: Post) -> None:
    pictures(cast, 1)
    Assignment.objects.update(is_blind=True)
    _, told = post(cast.ann, "next")
    status, refusal = post(
        cast.ann, "submit", assignment=told["cards"][0]["assignment"], key=str(uuid4()), accept=True
    )
    assert (status, refusal["code"]) == (422, "nothing_to_accept")
    assert not Annotation.objects.exists()


def test_strangers_and_the_paused_get_nothing(cast: Cast, post: Post) -> None:
    pictures(cast, 1)
    assert post(cast.mallory, "next")[0] == 404
    assert post(cast.mallory, "next", project=cast.project.pk)[0] == 404
    Membership.objects.filter(user=cast.ann).update(is_paused=True, pause_reason="Rest.")
    status, refusal = post(cast.ann, "next")
    assert (status, refusal) == (403, {"code": "paused", "detail": "Rest."})
    assert Client().post("/api/v1/label/next/").status_code == 401
    assert not Assignment.objects.exclude(state="free").exists()


def test_one_label_costs_few_queries(cast: Cast, post: Post, django_assert_max_num_queries) -> None:  # type: ignore[no-untyped-def]
    pictures(cast, 3)
    _, told = post(cast.ann, "next")
    client = Client()
    client.force_login(cast.ann)
    said = {
        "assignment": told["cards"][0]["assignment"],
        "key": str(uuid4()),
        "rating": 3,
        "score": told["cards"][0]["prediction"]["id"],
        "next": {"count": 1, "project": cast.project.pk},
    }
    with django_assert_max_num_queries(22):
        answer = client.post("/api/v1/label/submit/", said, content_type="application/json")
    assert len(answer.json()["cards"]) == 1
