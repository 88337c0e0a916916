"""The round for newcomers: bad, middling and good pictures first, kindly told, and never a dead end."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from labeling.label import pictures_next, vote_give
from labeling.models import Annotation, Consensus, Membership, Probe, Project
from labeling.qualify import member_qualify, round_begin, round_of, round_take
from labeling.rules import project_change
from scoring.errors import ConflictError, NotAllowedError
from scoring.models import Event
from tests.conftest import Cast
from tests.factories import item_make, label_make, score_make
from tests.labeling.test_probes import gold_question, voted

pytestmark = pytest.mark.django_db


@pytest.fixture
def asks(cast: Cast) -> Cast:
    """A project with finished pictures from bad to excellent, which asks newcomers for a round of six."""
    for mos in (1.3, 1.8, 2.2, 2.9, 3.1, 3.3, 4.0, 4.4, 4.8):
        label_make(cast.project, mos=mos)
    for _ in range(3):
        score_make(item_make(cast.project).image, overall=70)
    Project.objects.update(qualification_count=6)
    cast.project.refresh_from_db()
    return cast


def answer(cast: Cast, *, off: float = 0.0, count: int = 6) -> None:
    """Ann answers what her round asks, ``off`` grades beside the label."""
    for _ in range(count):
        _project, cards = pictures_next(user=cast.ann, project_id=cast.project.pk)
        mos = Consensus.objects.get(item__image_id=cards[0]["image"]).mos
        rating = min(5, max(1, round(mos + (off if mos < 3 else -off))))
        vote_give(user=cast.ann, assignment_id=cards[0]["assignment"], key=uuid4(), rating=rating)


def test_a_newcomer_sees_bad_middling_and_good_pictures_first_and_none_of_it_is_a_vote(asks: Cast) -> None:
    with pytest.raises(NotAllowedError) as refusal:
        pictures_next(user=asks.ann, project_id=asks.project.pk)
    assert refusal.value.code == "qualify_first"
    assert round_begin(user=asks.ann, project=asks.project).asked == 6
    asked = Probe.objects.filter(kind="qualify").values_list("item__consensus__mos", flat=True)
    assert sum(mos <= 2.5 for mos in asked) >= 2
    assert sum(mos >= 3.7 for mos in asked) >= 2
    _project, cards = pictures_next(user=asks.ann, project_id=asks.project.pk, count=20)
    assert len(cards) == 6
    assert all(card["is_blind"] for card in cards)
    answer(asks)
    assert not Annotation.objects.exists()
    with pytest.raises(NotAllowedError) as refusal:
        pictures_next(user=asks.ann, project_id=asks.project.pk)
    assert refusal.value.code == "qualify_first"
    told = round_of(user=asks.ann, project=asks.project)
    assert (told.is_passed, told.right, told.tries) == (True, 6, 1)
    round_take(user=asks.ann, project=asks.project)
    assert pictures_next(user=asks.ann, project_id=asks.project.pk)[1]
    verbs = list(Event.objects.filter(verb__startswith="people.").values_list("verb", flat=True))
    assert sorted(verbs) == ["people.qualify", "people.qualify_begin"]


def test_saying_three_to_everything_does_not_pass(asks: Cast) -> None:
    round_begin(user=asks.ann, project=asks.project)
    for _ in range(6):
        _project, cards = pictures_next(user=asks.ann, project_id=asks.project.pk)
        vote_give(user=asks.ann, assignment_id=cards[0]["assignment"], key=uuid4(), rating=3)
    assert not round_of(user=asks.ann, project=asks.project).is_passed
    with pytest.raises(ConflictError) as refusal:
        round_take(user=asks.ann, project=asks.project)
    assert refusal.value.code == "not_passed"
    assert Membership.objects.get(user=asks.ann).qualified_at is None


def test_three_tries_and_then_an_admin_lets_them_in(asks: Cast) -> None:
    for _ in range(3):
        round_begin(user=asks.ann, project=asks.project)
        answer(asks, off=2.0)
    with pytest.raises(NotAllowedError) as refusal:
        round_begin(user=asks.ann, project=asks.project)
    assert refusal.value.code == "tries_over"
    with pytest.raises(NotAllowedError):
        member_qualify(by=asks.rui, project=asks.project, user_id=asks.ann.pk)
    member_qualify(by=asks.ada, project=asks.project, user_id=asks.ann.pk)
    assert pictures_next(user=asks.ann, project_id=asks.project.pk)[1]


def test_a_round_under_way_goes_on_where_it_was(asks: Cast) -> None:
    round_begin(user=asks.ann, project=asks.project)
    answer(asks, count=2)
    assert round_begin(user=asks.ann, project=asks.project).answered == 2
    assert Probe.objects.filter(kind="qualify").count() == 6


@pytest.mark.parametrize("who", ["ada", "rui"])
def test_reviewers_and_admins_need_no_round(asks: Cast, who: str) -> None:
    assert pictures_next(user=getattr(asks, who), project_id=asks.project.pk)[1]


def test_nobody_waits_for_a_round_that_cannot_be_held(cast: Cast) -> None:
    score_make(item_make(cast.project).image, overall=70)
    label_make(cast.project, mos=4.5)
    Project.objects.update(qualification_count=6)
    assert pictures_next(user=cast.ann, project_id=cast.project.pk)[1]


def test_spoilt_pictures_stand_in_for_bad_ones_in_a_young_project(cast: Cast) -> None:
    for mos in (4.2, 4.5, 3.0):
        label_make(cast.project, mos=mos)
    question = gold_question(cast.project)
    Project.objects.update(qualification_count=3)
    cast.project.refresh_from_db()
    assert round_begin(user=cast.ann, project=cast.project).asked == 3
    assert Probe.objects.filter(gold=question, expected_high=3).exists()


def test_whoever_has_voted_already_is_no_newcomer(cast: Cast) -> None:
    for mos in (1.3, 3.0, 4.8):
        label_make(cast.project, mos=mos)
    voted(cast, 1)
    project_change(by=cast.ada, project=cast.project, changes={"qualification_count": 3})
    assert Membership.objects.get(user=cast.ann).qualified_at is not None
    assert Membership.objects.get(user=cast.ben).qualified_at is None


def test_the_pages_lead_through_the_round(asks: Cast, client: Client) -> None:
    client.force_login(asks.ann)
    assert client.get(reverse("label"))["Location"] == reverse("qualify")
    assert "A round of 6 pictures" in client.get(reverse("qualify")).content.decode()
    assert client.post(reverse("qualify-begin"))["Location"] == reverse("label")
    assert client.get(reverse("label")).status_code == 200
    answer(asks, count=5)
    _project, cards = pictures_next(user=asks.ann, project_id=asks.project.pk)
    said: dict[str, Any] = {
        "assignment": cards[0]["assignment"],
        "key": str(uuid4()),
        "rating": 3,
        "next": {"count": 1},
    }
    told = client.post("/api/v1/label/submit/", said, content_type="application/json").json()
    assert told["nothing"]["code"] == "qualify_first"
    page = client.get(reverse("qualify")).content.decode()
    assert "you see it as the others do" in page
    assert client.post(reverse("qualify-take"))["Location"] == reverse("label")
    assert client.get(reverse("label")).status_code == 200
    assert client.get(reverse("qualify"))["Location"] == reverse("label")
