"""Probes: gold questions, repeats, warm-up. Told apart by nobody on the page, counted in no label."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labeling import draw
from labeling.annotate import annotation_submit
from labeling.consensus import consensus_settle
from labeling.label import given_lately, pictures_next, vote_give
from labeling.lease import lease_next
from labeling.models import Annotation, Assignment, Flag, GoldQuestion, Item, Probe, ProbeAnswer, Project
from labeling.permissions import Labeler, labeler_of
from labeling.probes import live_answers
from labeling.progress import my_work
from scoring.models import Event, Image
from tests.conftest import Cast
from tests.factories import image_make, item_make, label_make, score_make
from tests.labeling.conftest import Post

pytestmark = pytest.mark.django_db


@pytest.fixture
def post(post: Post) -> Callable[..., Any]:
    """``post(user, "next")``: the answer, which must be a good one."""

    def send(user: User, name: str, **said: Any) -> Any:
        status, told = post(user, name, **said)
        assert status == 200, told
        return told

    return send


def set_rates(project: Project, **rates: float) -> None:
    Project.objects.filter(pk=project.pk).update(**rates)
    project.refresh_from_db()


def made_image(source: Image, *, stored: bool = False) -> Image:
    made = image_make(product=source.product, stored=stored)
    Image.objects.filter(pk=made.pk).update(is_hidden=True, is_made=True)
    made.refresh_from_db()
    return made


def gold_question(project: Project, *, overall: float = 80.0, stored: bool = False) -> GoldQuestion:
    source = image_make()
    score_make(source, overall=overall)
    return GoldQuestion.objects.create(
        project=project,
        kind="spoilt",
        image=made_image(source, stored=stored),
        source=source,
        fault="noise",
        severity=0.9,
        expected_low=1,
        expected_high=3,
    )


def gold_answered(cast: Cast, who: User, ratings: list[int]) -> None:
    """Gold questions (right: 1 to 3), answered with these ratings; pictures rated wrong have files."""
    for rating in ratings:
        question = gold_question(cast.project, stored=rating > 3)
        probe = Probe.objects.create(
            project=cast.project,
            user=who,
            kind="gold",
            gold=question,
            image=question.image,
            scored_as=question.source,
            expected_low=1,
            expected_high=3,
            lease_until=timezone.now() + timedelta(minutes=5),
        )
        vote_give(user=who, assignment_id=probe.pk, key=uuid4(), rating=rating)


def pictures(cast: Cast, count: int) -> list[Item]:
    items = [item_make(cast.project) for _ in range(count)]
    for item in items:
        score_make(item.image, overall=75)
    return items


def voted(cast: Cast, count: int, *, rating: int = 4) -> list[Annotation]:
    """So many votes of Ann's on pictures of their own."""
    votes = []
    for _ in range(count):
        item = item_make(cast.project)
        score_make(item.image, overall=75)
        (slot,) = [
            each
            for each in lease_next(user=cast.ann, project=cast.project, count=20)
            if each.item_id == item.pk
        ]
        votes.append(annotation_submit(user=cast.ann, assignment_id=slot.pk, key=uuid4(), rating=rating))
    return votes


def test_a_gold_question_looks_like_any_other_picture(cast: Cast, post: Post) -> None:
    pictures(cast, 1)
    (plain,) = post(cast.ben, "next")["cards"]
    set_rates(cast.project, gold_rate=1)
    question = gold_question(cast.project)
    (card,) = post(cast.ann, "next")["cards"]
    assert card["image"] == question.image_id
    assert card.keys() == plain.keys()
    assert card["prediction"].keys() == plain["prediction"].keys()
    assert card["prediction"]["score"] == 80.0  # that of the clear picture
    assert card["title"] == question.source.product.title
    assert card["picture"] == reverse("picture", args=[question.image_id])
    (lease,) = lease_next(user=cast.rui, project=cast.project)
    assert 0 < card["assignment"] - plain["assignment"] < 10 or card["assignment"] > lease.pk


def test_the_made_picture_is_shown_to_labelers_and_stands_nowhere_else(cast: Cast, client: Client) -> None:
    from labeling.fill import queue_fill
    from scoring.recommend import best_images

    question = gold_question(cast.project, stored=True)
    client.force_login(cast.ann)
    assert client.get(reverse("picture", args=[question.image_id])).status_code == 200
    assert client.get(reverse("thumbnail", args=[question.image_id])).status_code == 200
    assert client.get(reverse("image", args=[question.image_id])).status_code == 404
    assert str(question.image_id) not in {
        str(row["id"]) for row in client.get("/api/v1/images/").json()["results"]
    }
    assert client.get(f"/api/v1/images/{question.image_id}/").status_code == 404
    assert queue_fill(project=cast.project) == 1  # the clear one
    assert not Item.objects.filter(image=question.image).exists()
    assert question.image_id not in best_images(product_ids=[question.source.product_id]).values()


def test_the_database_keeps_a_made_picture_hidden(cast: Cast) -> None:
    question = gold_question(cast.project)
    with pytest.raises(IntegrityError, match="a_picture_made_here_stays_hidden"), transaction.atomic():
        Image.objects.filter(pk=question.image_id).update(is_hidden=False)


def test_an_answer_to_gold_is_judged_and_is_no_vote(cast: Cast, post: Post) -> None:
    set_rates(cast.project, gold_rate=1)
    pictures(cast, 2)
    for rating, is_right in ((2, True), (5, False)):
        gold_question(cast.project)
        (card,) = post(cast.ann, "next")["cards"]
        told = post(cast.ann, "submit", assignment=card["assignment"], key=str(uuid4()), rating=rating)
        said = ProbeAnswer.objects.latest("id")
        assert told["vote"]["assignment"] == card["assignment"]
        assert (told["vote"]["id"], told["vote"]["rating"]) == (said.pk, rating)
        assert (said.is_right, said.probe.state) == (is_right, "answered")
    assert not Annotation.objects.exists()
    assert not Assignment.objects.exclude(state="free").exists()
    assert Event.objects.filter(verb="probe.answer", actor=cast.ann).count() == 2


def test_accepting_the_clear_picture_s_score_for_a_spoilt_one_is_wrong(cast: Cast, post: Post) -> None:
    set_rates(cast.project, gold_rate=1)
    gold_question(cast.project, overall=82)
    (card,) = post(cast.ann, "next")["cards"]
    post(cast.ann, "submit", assignment=card["assignment"], key=str(uuid4()), accept=True)
    said = ProbeAnswer.objects.get()
    assert (said.rating, said.is_accepted, said.is_right, said.shown_score) == (4, True, False, 82.0)


def test_the_same_key_is_one_answer_and_undo_asks_again(cast: Cast, post: Post) -> None:
    set_rates(cast.project, gold_rate=1)
    gold_question(cast.project)
    (card,) = post(cast.ann, "next")["cards"]
    said = {"assignment": card["assignment"], "key": str(uuid4()), "rating": 5}
    assert post(cast.ann, "submit", **said) == post(cast.ann, "submit", **said)
    undo = str(uuid4())
    for _ in range(2):
        told = post(cast.ann, "undo", vote=said["key"], key=undo)
        assert told["card"]["assignment"] == card["assignment"]
    assert not live_answers().exists()
    post(cast.ann, "submit", assignment=card["assignment"], key=str(uuid4()), rating=1)
    assert (live_answers().get().rating, live_answers().get().is_right) == (1, True)
    assert ProbeAnswer.objects.count() == 3


def test_a_second_tab_hears_which_answer_counts_and_may_correct_it(cast: Cast, post: Post) -> None:
    set_rates(cast.project, gold_rate=1)
    gold_question(cast.project)
    (card,) = post(cast.ann, "next")["cards"]
    first = post(cast.ann, "submit", assignment=card["assignment"], key=str(uuid4()), rating=5)["vote"]
    client = Client()
    client.force_login(cast.ann)
    again = {"assignment": card["assignment"], "key": str(uuid4()), "rating": 2}
    refusal = client.post("/api/v1/label/submit/", again, content_type="application/json")
    assert (refusal.status_code, refusal.json()["code"]) == (409, "already_voted")
    assert refusal.json()["live"] == first
    post(cast.ann, "submit", **again, supersedes=first["id"])
    assert live_answers().get().rating == 2


def test_nobody_answers_somebody_else_s_probe(cast: Cast, post: Post) -> None:
    set_rates(cast.project, gold_rate=1)
    gold_question(cast.project)
    (card,) = post(cast.ann, "next")["cards"]
    client = Client()
    client.force_login(cast.ben)
    said = {"assignment": card["assignment"], "key": str(uuid4()), "rating": 2}
    for name, body in (("submit", said), ("skip", {"assignment": card["assignment"]})):
        answer = client.post(f"/api/v1/label/{name}/", body, content_type="application/json")
        assert answer.status_code == 404
    held = client.post(
        "/api/v1/label/extend/", {"assignments": [card["assignment"]]}, content_type="application/json"
    )
    assert held.json()["held"] == []
    assert Probe.objects.get().state == "open"
    assert not ProbeAnswer.objects.exists()


def test_a_probe_waits_through_a_reload_is_kept_by_the_heartbeat_and_may_be_skipped(
    cast: Cast, post: Post
) -> None:
    set_rates(cast.project, gold_rate=1)
    gold_question(cast.project)
    (card,) = post(cast.ann, "next")["cards"]
    set_rates(cast.project, gold_rate=0)
    assert post(cast.ann, "next")["cards"][0]["assignment"] == card["assignment"]
    assert post(cast.ann, "next", holding=[card["assignment"]])["cards"] == []
    assert post(cast.ann, "extend", assignments=[card["assignment"]])["held"] == [card["assignment"]]
    post(cast.ann, "release", assignments=[card["assignment"]])
    post(cast.ann, "skip", assignment=card["assignment"])
    assert post(cast.ann, "next")["cards"] == []
    back = post(cast.ann, "skip", assignment=card["assignment"], back=True)
    assert back["cards"][0]["assignment"] == card["assignment"]


def test_nobody_gets_a_gold_question_twice(cast: Cast, post: Post) -> None:
    set_rates(cast.project, gold_rate=1)
    gold_question(cast.project)
    pictures(cast, 1)
    (card,) = post(cast.ann, "next")["cards"]
    post(cast.ann, "submit", assignment=card["assignment"], key=str(uuid4()), rating=2)
    (other,) = post(cast.ann, "next")["cards"]
    assert Assignment.objects.filter(pk=other["assignment"]).exists()
    assert Probe.objects.count() == 1


def test_a_gold_question_never_stands_beside_its_own_product(cast: Cast, post: Post) -> None:
    question = gold_question(cast.project)
    item_make(cast.project, image=question.source)
    (lease,) = lease_next(user=cast.ann, project=cast.project)
    set_rates(cast.project, gold_rate=1)
    post(cast.ann, "next", count=2, holding=[lease.pk])
    assert not Probe.objects.exists()
    annotation_submit(user=cast.ann, assignment_id=lease.pk, key=uuid4(), rating=4)
    post(cast.ann, "next", count=2)
    assert not Probe.objects.exists()  # it was rated last


def test_a_repeat_comes_much_later_and_counts_as_no_second_vote(
    cast: Cast, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draw, "REPEAT_AFTER", timedelta(0))
    monkeypatch.setattr(draw, "REPEAT", draw.REPEAT.replace("OFFSET 40", "OFFSET 2"))
    set_rates(cast.project, repeat_rate=1)
    first, *_others = voted(cast, 3)
    Assignment.objects.filter(pk=first.assignment_id).update(is_blind=True)
    (card,) = post(cast.ann, "next")["cards"]
    assert (card["image"], card["is_blind"]) == (first.item.image_id, True)  # as it was the first time
    assert card["assignment"] != first.assignment_id
    post(
        cast.ann,
        "submit",
        assignment=card["assignment"],
        key=str(uuid4()),
        rating=2,
        is_flagged=True,
        note="two products",
    )
    said = ProbeAnswer.objects.get()
    assert (said.probe.repeats, said.is_right) == (first, None)
    assert Annotation.objects.count() == 3
    assert consensus_settle(item_id=first.item_id).vote_count == 1  # type: ignore[union-attr]
    assert Flag.objects.get(reason="annotator").item_id == first.item_id  # a reviewer hears of it
    assert post(cast.ann, "next")["cards"] == []  # nothing is repeated twice


def test_forty_pictures_lie_between_a_vote_and_its_repeat(cast: Cast) -> None:
    set_rates(cast.project, repeat_rate=1)
    voted(cast, 3)
    assert "OFFSET 40" in draw.REPEAT
    assert pictures_next(user=cast.ann, project_id=cast.project.pk)[1] == []


def test_a_session_begins_with_pictures_that_do_not_count(cast: Cast, post: Post) -> None:
    labels = [label_make(cast.project, mos=4) for _ in range(3)]
    Assignment.objects.update(state="closed")
    pictures(cast, 3)
    set_rates(cast.project, warmup_count=2)
    (first,) = post(cast.ann, "next")["cards"]
    more = post(cast.ann, "next", count=4, holding=[first["assignment"]])["cards"]
    finished = {label.item.image_id for label in labels}
    assert first["image"] in finished
    assert sum(card["image"] in finished for card in more) == 1
    assert len(more) == 4
    for card in (first, *more):
        post(cast.ann, "submit", assignment=card["assignment"], key=str(uuid4()), rating=3)
    assert (Annotation.objects.count(), ProbeAnswer.objects.count()) == (3, 2)
    assert Probe.objects.filter(kind="warmup").count() == 2  # none more while the session lasts
    assert post(cast.ann, "next")["cards"] == []


def test_what_undo_walks_through_and_what_is_counted_tells_nothing(cast: Cast, post: Post) -> None:
    set_rates(cast.project, gold_rate=1)
    gold_question(cast.project)
    (card,) = post(cast.ann, "next")["cards"]
    post(cast.ann, "submit", assignment=card["assignment"], key=str(uuid4()), rating=2)
    set_rates(cast.project, gold_rate=0)
    voted(cast, 1)
    given = given_lately(user=cast.ann, project=cast.project, limit=5)
    assert [each.rating for each in given] == [4, 2]
    work = my_work(user=cast.ann, project=cast.project)
    assert (work.votes_today, work.votes_total) == (2, 2)


def test_the_page_without_a_script_takes_probes_too(cast: Cast, client: Client) -> None:
    set_rates(cast.project, gold_rate=1)
    gold_question(cast.project)
    client.force_login(cast.ann)
    page = client.get(reverse("label"))
    probe = Probe.objects.get()
    assert f'name="assignment" value="{probe.pk}"' in page.content.decode()
    set_rates(cast.project, gold_rate=0)
    again = client.get(reverse("label"), {"at": probe.pk})
    assert f'name="assignment" value="{probe.pk}"' in again.content.decode()
    said = {"assignment": probe.pk, "key": str(uuid4()), "rating": 3}
    assert client.post(reverse("label"), said).status_code == 302
    answer = live_answers().get()
    undone = client.post(reverse("label"), {"act": "undo", "vote": answer.pk, "undo_key": str(uuid4())})
    assert undone["Location"].endswith(f"?at={probe.pk}")
    assert not live_answers().exists()


def test_answers_to_probes_are_append_only(cast: Cast, post: Post) -> None:
    set_rates(cast.project, gold_rate=1)
    gold_question(cast.project)
    (card,) = post(cast.ann, "next")["cards"]
    post(cast.ann, "submit", assignment=card["assignment"], key=str(uuid4()), rating=2)
    for act in (
        lambda: ProbeAnswer.objects.update(rating=1),
        lambda: ProbeAnswer.objects.get().delete(),
    ):
        with pytest.raises(Exception, match="append-only"), transaction.atomic():
            act()


def test_the_usual_request_asks_not_one_question_more(cast: Cast) -> None:
    """Rates above nought, nothing drawn and nothing waiting: role and lease, as ever."""
    set_rates(cast.project, gold_rate=1e-12, repeat_rate=1e-12)
    pictures(cast, 1)
    asked: list[str] = []
    statements = connection.execute_wrapper(
        lambda execute, sql, params, many, context: (asked.append(sql), execute(sql, params, many, context))[
            1
        ]
    )
    with statements:
        assert pictures_next(user=cast.ann, project_id=cast.project.pk)[1]
    assert [sql for sql in asked if "SAVEPOINT" not in sql] == []  # all of it is prepared


def test_the_share_of_probes_is_the_project_s_rate(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: Counter[str] = Counter()

    def count_only(statement: str, labeler: Labeler, count: int) -> list[Probe]:
        asked["gold" if statement == draw.GOLD else "repeat"] += count
        return []

    monkeypatch.setattr(draw, "_dice", random.Random(7))
    monkeypatch.setattr(draw, "_insert", count_only)
    set_rates(cast.project, gold_rate=0.05, repeat_rate=0.03)
    labeler = labeler_of(cast.ann, cast.project.pk)
    for _ in range(10_000):
        draw.probes_next(labeler, count=1, holding=())
    assert 450 <= asked["gold"] <= 550
    assert 250 <= asked["repeat"] <= 350
