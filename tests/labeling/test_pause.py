"""The project's rule pauses who is surely below it, tells them kindly, and an admin has the last word."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labeling.annotate import annotation_submit
from labeling.figures import figures_of
from labeling.lease import lease_next
from labeling.models import Annotation, Appeal, Assignment, Membership, Panel, Probe, ProbeAnswer
from labeling.pause import appeal_answer, appeal_make, appeals_open
from labeling.people import leases_take_back, member_pause, member_resume, people_of
from labeling.views.people_charts import charts_of
from scoring.errors import BadInputError, ConflictError, NotAllowedError, NotThereError
from scoring.models import Event
from tests.conftest import Cast
from tests.factories import image_make, item_make, score_make
from tests.labeling.test_probes import gold_answered, gold_question

pytestmark = pytest.mark.django_db


def member(cast: Cast, who: User) -> Membership:
    return Membership.objects.get(project=cast.project, user=who)


def paused(cast: Cast) -> Membership:
    gold_answered(cast, cast.ann, [5] * 8)
    return member(cast, cast.ann)


def test_whoever_is_surely_below_is_paused_and_their_pictures_go_to_others(cast: Cast) -> None:
    item_make(cast.project)
    lease_next(user=cast.ann, project=cast.project)
    gold_answered(cast, cast.ann, [5] * 7)
    assert not member(cast, cast.ann).is_paused  # too few answers
    gold_answered(cast, cast.ann, [5])
    at = member(cast, cast.ann)
    assert (at.is_paused, at.paused_by) == (True, "rule")
    assert at.pause_reason.startswith("0 of your last 8")
    assert not Assignment.objects.filter(state="leased").exists()
    event = Event.objects.get(verb="people.pause_by_rule")
    assert (event.actor, event.after["right"], event.after["count"]) == (None, 0, 8)
    with pytest.raises(NotAllowedError, match="0 of your last 8"):
        lease_next(user=cast.ann, project=cast.project)


def test_bad_luck_is_not_enough(cast: Cast) -> None:
    gold_answered(cast, cast.ann, [5, 2, 5, 2, 5, 2, 5, 2])  # half right; 0.6 is asked for
    assert not member(cast, cast.ann).is_paused
    assert not Event.objects.filter(verb="people.pause_by_rule").exists()


@pytest.mark.parametrize("who", ["ada", "rui"])
def test_a_rule_stops_reviewers_but_never_an_admin(cast: Cast, who: str) -> None:
    gold_answered(cast, getattr(cast, who), [5] * 9 if who == "ada" else [5] * 8)
    assert member(cast, getattr(cast, who)).is_paused == (who == "rui")


def test_a_project_may_have_no_such_rule(cast: Cast) -> None:
    cast.project.least_gold_accuracy = 0
    cast.project.save()
    gold_answered(cast, cast.ann, [5] * 9)
    assert not member(cast, cast.ann).is_paused


def test_what_was_wrong_before_is_forgiven_once_an_admin_lets_them_go_on(cast: Cast) -> None:
    paused(cast)
    member_resume(by=cast.ada, project=cast.project, user_id=cast.ann.pk)
    gold_answered(cast, cast.ann, [5] * 7)
    assert not member(cast, cast.ann).is_paused
    gold_answered(cast, cast.ann, [5])
    assert member(cast, cast.ann).is_paused


def test_an_appeal_is_asked_once_and_answered_once(cast: Cast) -> None:
    paused(cast)
    appeal = appeal_make(user=cast.ann, project=cast.project, text=" My screen was dark. ")
    with pytest.raises(ConflictError) as refusal:
        appeal_make(user=cast.ann, project=cast.project, text="Hello?")
    assert refusal.value.code == "appeal_open"
    assert appeals_open(project=cast.project) == [appeal]
    with pytest.raises(BadInputError):
        appeal_answer(by=cast.ada, project=cast.project, appeal_id=appeal.pk, answer="keep")
    answered = appeal_answer(by=cast.ada, project=cast.project, appeal_id=appeal.pk, answer="resume")
    assert (answered.answer, answered.answered_by, answered.text) == (
        "resume",
        cast.ada,
        "My screen was dark.",
    )
    assert not member(cast, cast.ann).is_paused
    with pytest.raises(ConflictError):
        appeal_answer(by=cast.ada, project=cast.project, appeal_id=appeal.pk, answer="keep", reply="no")
    verbs = set(Event.objects.values_list("verb", flat=True))
    assert {"people.appeal", "people.appeal_answer", "people.resume"} <= verbs


def test_a_kept_pause_says_why_and_may_be_asked_about_again(cast: Cast) -> None:
    paused(cast)
    appeal = appeal_make(user=cast.ann, project=cast.project, text="Why?")
    appeal_answer(by=cast.ada, project=cast.project, appeal_id=appeal.pk, answer="keep", reply="Read page 2")
    assert member(cast, cast.ann).is_paused
    assert appeal_make(user=cast.ann, project=cast.project, text="I have.").pk != appeal.pk


def test_nobody_else_appeals_or_answers(cast: Cast) -> None:
    paused(cast)
    appeal = appeal_make(user=cast.ann, project=cast.project, text="Why?")
    with pytest.raises(ConflictError):
        appeal_make(user=cast.ben, project=cast.project, text="For Ann")
    with pytest.raises(NotThereError):
        appeal_make(user=cast.mallory, project=cast.project, text="x")
    for by, refusal in (
        (cast.ann, NotAllowedError),
        (cast.rui, NotAllowedError),
        (cast.mallory, NotThereError),
    ):
        with pytest.raises(refusal):
            appeal_answer(by=by, project=cast.project, appeal_id=appeal.pk, answer="resume")
    assert Appeal.objects.get().answer == ""
    assert member(cast, cast.ann).is_paused


def test_the_paused_are_led_to_a_page_that_explains_and_takes_their_question(
    cast: Cast, client: Client
) -> None:
    paused(cast)
    client.force_login(cast.ann)
    assert client.get(reverse("label"))["Location"] == reverse("paused")
    page = client.get(reverse("paused")).content.decode()
    assert "0 of your last 8" in page
    assert "You said 5; 1 to 3 was expected." in page
    assert client.post(reverse("appeal"), {"text": "  "}).status_code == 422
    assert not Appeal.objects.exists()
    assert client.post(reverse("appeal"), {"text": "My screen"}).status_code == 302
    assert "An admin has it" in client.get(reverse("paused")).content.decode()
    client.force_login(cast.ada)
    assert "1 paused person asks you to look again" in client.get(reverse("home")).content.decode()
    people = client.get(reverse("people")).content.decode()
    assert "My screen" in people
    assert "ann asks you to look at their pause again" in people
    answer = {"answer": "resume", "reply": "Go on."}
    assert client.post(reverse("appeal-decide", args=[Appeal.objects.get().pk]), answer).status_code == 302
    client.force_login(cast.ann)
    assert client.get(reverse("paused"))["Location"] == reverse("label")
    assert client.get(reverse("label")).status_code == 200


def test_the_api_says_paused_beside_the_answer_that_did_it(cast: Cast, client: Client) -> None:
    gold_answered(cast, cast.ann, [5] * 7)
    question = gold_question(cast.project)
    cast.project.gold_rate = 1
    cast.project.save()
    client.force_login(cast.ann)
    post = {"content_type": "application/json"}
    (card,) = client.post("/api/v1/label/next/", {}, **post).json()["cards"]  # type: ignore[arg-type]
    assert card["image"] == question.image_id
    said = {"assignment": card["assignment"], "key": str(uuid4()), "rating": 5, "next": {"count": 1}}
    answer = client.post("/api/v1/label/submit/", said, **post)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["vote"]["rating"]) == (200, 5)
    assert answer.json()["nothing"]["code"] == "paused"


def test_an_admin_gives_somebody_s_pictures_to_others(cast: Cast) -> None:
    for _ in range(3):
        item_make(cast.project)
    lease_next(user=cast.ann, project=cast.project, count=3)
    with pytest.raises(NotAllowedError):
        leases_take_back(by=cast.rui, project=cast.project, user_id=cast.ann.pk)
    assert leases_take_back(by=cast.ada, project=cast.project, user_id=cast.ann.pk) == 3
    assert leases_take_back(by=cast.ada, project=cast.project, user_id=cast.ann.pk) == 0
    assert not Assignment.objects.filter(state="leased").exists()
    assert Event.objects.get(verb="queue.release").after == {"pictures": 3}


def votes(cast: Cast, ann: int, ben: int, **slot: Any) -> Annotation:
    item = item_make(cast.project)
    score_make(item.image, overall=75)
    Assignment.objects.filter(item=item).update(**slot)
    made = []
    for who, rating in ((cast.ann, ann), (cast.ben, ben)):
        (lease,) = (
            each for each in lease_next(user=who, project=cast.project, count=20) if each.item_id == item.pk
        )
        accept = rating == 0
        made.append(
            annotation_submit(
                user=who,
                assignment_id=lease.pk,
                key=uuid4(),
                rating=None if accept else rating,
                accept=accept,
                duration_ms=4000 + 1000 * len(made),
            )
        )
    return made[0]


def test_every_figure_of_a_person_comes_with_its_interval(cast: Cast, django_assert_num_queries: Any) -> None:
    for ann, ben in ((5, 3), (4, 3), (5, 4), (4, 3), (3, 3)):
        first = votes(cast, ann, ben)
        probe = Probe.objects.create(
            project=cast.project,
            user=cast.ann,
            kind="repeat",
            repeats=first,
            item=first.item,
            image=first.item.image,
            scored_as=first.item.image,
            lease_until=timezone.now(),
        )
        ProbeAnswer.objects.create(probe=probe, rater=cast.ann, rating=ann - 1, key=uuid4(), body_digest="x")
    for _ in range(4):
        votes(cast, 0, 4, planted_score=10.0)
    gold_answered(cast, cast.ann, [2, 2, 5])
    with django_assert_num_queries(5):
        told = figures_of(project=cast.project)
    ann, ben = told.of[cast.ann.pk], told.of[cast.ben.pk]
    assert (ann.votes, ben.votes) == (9, 9)
    assert ann.gold is not None
    assert (round(ann.gold.value, 3), ann.gold.count) == (0.667, 3)
    assert ann.gold.low < 0.667 < ann.gold.high
    assert ann.noise is not None  # a grade apart each time: one answer scatters by 1/sqrt(2)
    assert ann.noise.value == pytest.approx(2**-0.5)
    assert (ann.planted.value, ann.planted.count) == (1.0, 4)  # type: ignore[union-attr]
    assert (ben.planted.value, ben.planted.count) == (0.0, 4)  # type: ignore[union-attr]
    assert ann.bias is not None
    assert ann.bias.low < ann.bias.value < ann.bias.high
    assert ann.pace is not None
    assert ann.pace.value == pytest.approx(900.0)
    assert (ben.gold, ben.noise) == (None, None)


def test_the_people_page_draws_them_and_says_who_holds_what(cast: Cast, client: Client) -> None:
    for ann, ben in ((5, 3), (4, 3), (5, 4), (4, 3), (3, 3)):
        votes(cast, ann, ben)
    gold_answered(cast, cast.ann, [2, 2, 5])
    item_make(cast.project)
    lease_next(user=cast.ben, project=cast.project)
    client.force_login(cast.ada)
    Panel.objects.create(
        project=cast.project,
        prior_mos=3,
        prior_std=1,
        noise_std=0.5,
        vote_count=10,
        last_vote_id=1,
        agreement=0.712,
        agreement_low=0.61,
        agreement_high=0.79,
    )
    page = client.get(reverse("people")).content.decode()
    assert "How they judge" in page
    assert "0.71" in page
    assert "0.61 to 0.79" in page
    assert "(ICC)" not in page  # what is not known is not shown
    assert "67 %" in page
    assert "Free 1 picture" in page
    people, told = people_of(project=cast.project), figures_of(project=cast.project)
    charts = {str(chart.words): chart for chart in charts_of(people=people, told=told, project=cast.project)}
    gold = charts["Gold questions"]
    assert gold.mark == "60.0"
    (ann,) = (row for row in gold.rows if row.who == "ann")
    assert float(ann.low or 0) < float(ann.x or 0) == 66.7 < float(ann.high or 0)
    assert "Wrong scores taken" not in charts  # nothing was planted


def test_an_admin_s_pause_is_the_admin_s(cast: Cast) -> None:
    member_pause(by=cast.ada, project=cast.project, user_id=cast.ann.pk, reason="Lunch")
    assert member(cast, cast.ann).paused_by == "admin"
    member_resume(by=cast.ada, project=cast.project, user_id=cast.ann.pk)
    assert (member(cast, cast.ann).paused_by, member(cast, cast.ann).judged_from is not None) == ("", True)


def test_gold_that_was_retired_is_held_against_nobody(cast: Cast) -> None:
    gold_answered(cast, cast.ann, [5, 2])
    wrong = ProbeAnswer.objects.get(is_right=False).probe.gold
    assert wrong is not None
    wrong.retired_at = timezone.now()
    wrong.save()
    told = figures_of(project=cast.project).of[cast.ann.pk].gold
    assert told is not None
    assert (told.value, told.count) == (1.0, 1)
    assert image_make().pk
