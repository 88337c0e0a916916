"""The reviewer's desk without a browser: who may, what is refused, and that a refusal changes nothing."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from labeling.consensus import consensus_settle
from labeling.desk import LIST_SIZE, desk_of
from labeling.models import Annotation, Assignment, Flag, Item, Membership, Project, Review
from labeling.words import REASON_HELP, event_words, evidence_words
from scoring.models import Event
from tests.conftest import Cast
from tests.factories import image_make, item_make, score_make

pytestmark = pytest.mark.django_db


def flagged(cast: Cast, *, project: Project | None = None, reason: str = "disagreement") -> Item:
    """A flagged item on which Ann said 1 and Ben 4."""
    image = image_make()
    score_make(image, overall=70)
    item = item_make(project or cast.project, image=image)
    for slot, (person, rating) in enumerate(((cast.ann, 1), (cast.ben, 4)), start=1):
        vote(item, person, rating, slot=slot)
    consensus_settle(item_id=item.pk)
    Flag.objects.filter(item=item).delete()
    Flag.objects.create(item=item, reason=reason, evidence={"lowest": 1, "highest": 4})
    Assignment.objects.filter(item=item, state="free").update(state="closed")
    Item.objects.filter(pk=item.pk).update(state="flagged")
    item.refresh_from_db()
    return item


def vote(item: Item, person: User, rating: int, *, slot: int) -> Annotation:
    assignment, _ = Assignment.objects.get_or_create(item=item, slot=slot, project=item.project)
    Assignment.objects.filter(pk=assignment.pk).update(user=person, state="submitted")
    return Annotation.objects.create(
        item=item,
        assignment=assignment,
        rater=person,
        rating=rating,
        key=uuid.uuid4(),
        body_digest="0" * 64,
    )


def decide(client: Client, item: Item, *, htmx: bool = True, **said: Any) -> HttpResponse:
    body = {"key": str(uuid.uuid4()), "version": str(item.version)} | said
    headers = {"HX-Request": "true"} if htmx else {}
    answer: HttpResponse = client.post(
        reverse("review-decide", args=[item.pk]),
        {name: value for name, value in body.items() if value is not None},
        headers=headers,
    )
    return answer


# --- who may ---------------------------------------------------------------------------------------------
def test_the_desk_is_for_reviewers_and_admins(cast: Cast, client: Client) -> None:
    item = flagged(cast)
    statuses = {}
    for person in (cast.ada, cast.rui, cast.ann, cast.mallory):
        client.force_login(person)
        statuses[person.username] = (
            client.get(reverse("review")).status_code,
            decide(client, item, decision="approve").status_code if person != cast.rui else None,
        )
        Review.objects.filter(reviewer=cast.mallory).exists()
        if person == cast.ada:
            item = flagged(cast)
    assert statuses == {"ada": (200, 200), "rui": (200, None), "ann": (403, 403), "mallory": (404, 404)}
    assert list(Review.objects.values_list("reviewer__username", flat=True)) == ["ada"]


def test_an_item_of_another_project_is_not_there(cast: Cast, client: Client) -> None:
    other = Project.objects.create(name="Other")
    Membership.objects.create(project=other, user=cast.ann, role="annotator")
    item = flagged(cast, project=other)
    client.force_login(cast.ada)
    assert client.get(f"{reverse('review')}?item={item.pk}").status_code == 404
    assert decide(client, item, decision="approve").status_code == 404
    assert not Review.objects.exists()


def test_deciding_needs_a_post_with_the_form_s_key(cast: Cast, client: Client) -> None:
    item = flagged(cast)
    client.force_login(cast.rui)
    assert client.get(reverse("review-decide", args=[item.pk])).status_code == 405
    for key in ("", "no key"):
        assert decide(client, item, decision="approve", key=key).status_code == 422
    assert decide(client, item, decision="frame it").status_code == 422
    assert not Review.objects.exists()


def test_own_work_is_refused_with_403_and_the_page_says_why(cast: Cast, client: Client) -> None:
    item = flagged(cast)
    vote(item, cast.rui, 2, slot=9)
    client.force_login(cast.rui)
    answer = decide(client, item, decision="approve", version=None)
    assert answer.status_code == 403
    assert b"data-own-work" in answer.content
    assert not Review.objects.exists()


# --- what a decision answers ------------------------------------------------------------------------------
def test_a_decision_by_htmx_answers_with_the_next_picture(cast: Cast, client: Client) -> None:
    first, second, third = (flagged(cast) for _ in range(3))
    client.force_login(cast.rui)
    answer = decide(client, first, decision="approve", next=str(third.pk))
    assert answer.status_code == 200
    body = answer.content.decode()
    assert body.lstrip().startswith('<div class="desk"')
    assert f'name="at" value="{third.pk}"' in body
    assert f'data-item="{first.pk}"' not in body
    assert f'data-item="{second.pk}"' in body


def test_a_decision_by_a_plain_form_redirects_and_keeps_the_reason_looked_at(
    cast: Cast, client: Client
) -> None:
    first, second = (flagged(cast) for _ in range(2))
    client.force_login(cast.rui)
    answer = decide(client, first, htmx=False, decision="approve", next=str(second.pk), reason="disagreement")
    assert answer.status_code == 302
    assert answer["Location"] == f"/review/?reason=disagreement&next={second.pk}"
    page = client.get(answer["Location"])
    assert "Approved:" in page.content.decode()


def test_the_same_click_twice_is_one_decision(cast: Cast, client: Client) -> None:
    item, key = flagged(cast), str(uuid.uuid4())
    client.force_login(cast.rui)
    for _ in range(2):
        assert decide(client, item, decision="approve", key=key).status_code == 200
    assert Review.objects.count() == 1


def test_an_old_page_decides_nothing_and_gets_the_present_state(cast: Cast, client: Client) -> None:
    item = flagged(cast)
    Item.objects.filter(pk=item.pk).update(version=item.version + 1, state="approved")
    client.force_login(cast.rui)
    answer = decide(client, item, fixed_rating="2")
    assert answer.status_code == 409
    body = answer.content.decode()
    assert "This image changed while you looked at it" in body
    assert f'name="version" value="{item.version + 1}"' in body
    assert not Review.objects.exists()


def test_a_reason_in_words_is_kept_when_it_was_refused(cast: Cast, client: Client) -> None:
    item = flagged(cast)
    client.force_login(cast.rui)
    answer = decide(client, item, decision="reject", why="x" * 999 + "</textarea>")
    assert answer.status_code == 422
    assert "x" * 999 + "&lt;/textarea&gt;" in answer.content.decode()
    assert not Review.objects.exists()


def test_the_reason_picked_and_the_reason_typed_become_one(cast: Cast, client: Client) -> None:
    item = flagged(cast)
    client.force_login(cast.rui)
    decide(client, item, decision="reject", quick="Shows no product", why="Only a box")
    assert Review.objects.get().reason == "Shows no product. Only a box"


def test_many_are_decided_at_once_and_none_where_one_is_refused(cast: Cast, client: Client) -> None:
    items = [flagged(cast) for _ in range(3)]
    client.force_login(cast.rui)
    address, headers = reverse("review-decide-many"), {"HX-Request": "true"}
    ticked = {"items": [item.pk for item in items[:2]], "key": str(uuid.uuid4())}
    assert client.post(address, {**ticked, "decision": "reject"}, headers=headers).status_code == 422
    nothing = {"key": str(uuid.uuid4()), "decision": "approve"}
    assert client.post(address, nothing, headers=headers).status_code == 422
    assert not Review.objects.exists()
    said = {**ticked, "decision": "reject", "quick": "Shows no product", "at": items[2].pk}
    answer = client.post(address, said, headers=headers)
    assert "Decided on 2 pictures." in answer.content.decode()
    assert [Item.objects.get(pk=item.pk).state for item in items] == ["rejected", "rejected", "flagged"]


# --- what lies on it --------------------------------------------------------------------------------------
def test_the_queue_can_be_narrowed_to_a_reason(cast: Cast) -> None:
    flagged(cast)
    policy = flagged(cast, reason="policy")
    desk = desk_of(user=cast.rui, project=cast.project, reason="policy")
    assert [line.item for line in desk.waiting] == [policy]
    assert desk.by_reason == {"disagreement": 1, "policy": 1}


def test_an_item_one_voted_on_is_left_out_and_counted(cast: Cast) -> None:
    mine, other = flagged(cast), flagged(cast)
    vote(mine, cast.rui, 3, slot=9)
    desk = desk_of(user=cast.rui, project=cast.project)
    assert [line.item for line in desk.waiting] == [other]
    assert desk.own_count == 1


def test_after_a_decision_a_picture_that_waits_no_more_gives_way(cast: Cast) -> None:
    first, second = flagged(cast), flagged(cast)
    Item.objects.filter(pk=first.pk).update(state="approved")
    looked = desk_of(user=cast.rui, project=cast.project, item_id=first.pk)
    moved_on = desk_of(user=cast.rui, project=cast.project, item_id=first.pk, waiting_only=True)
    assert looked.case is not None
    assert looked.case.item == first
    assert looked.case.next_id == second.pk
    assert moved_on.case is not None
    assert moved_on.case.item == second


def test_a_long_queue_costs_as_many_queries_as_a_short_one(
    cast: Cast, client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(LIST_SIZE + 2):
        image = image_make()
        score_make(image)
        item = item_make(cast.project, image=image, slots=1)
        Item.objects.filter(pk=item.pk).update(state="flagged")
        Flag.objects.create(item=item, reason="policy", evidence={"defects": {"collage": 0.97}})
    client.force_login(cast.rui)
    client.get(reverse("review"))
    with django_assert_max_num_queries(28):
        body = client.get(reverse("review")).content.decode()
    assert body.count("data-item=") == LIST_SIZE
    assert f"<strong>{LIST_SIZE + 2}</strong>" in body
    assert "Collage 97%: marketplaces refuse that." in body


# --- words ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("reason", "evidence", "words"),
    [
        ("disagreement", {"lowest": 1, "highest": 5}, "The votes run from 1 to 5."),
        (
            "model_against_people",
            {"model_score": 81.4, "people_score": 40.0, "gap": 41.4},
            "The model said 81, people say 40: 41 points apart.",
        ),
        (
            "low_confidence",
            {"model_std": 26.0, "label_std": 0.91},
            "The model is unsure by 26 points, the label by 0.9 grades.",
        ),
        ("annotator", {"count": 1, "notes": ["Torn"]}, "One person asks you to look. “Torn”"),
        ("annotator", {"count": 2, "notes": []}, "2 people ask you to look."),
        ("policy", {}, str(REASON_HELP["policy"])),
    ],
)
def test_a_flag_says_why_in_words(reason: str, evidence: dict[str, Any], words: str) -> None:
    assert evidence_words(Flag(reason=reason, evidence=evidence)) == words


def test_an_act_is_told_with_its_rating_and_reason() -> None:
    assert event_words(Event(verb="annotate.submit", after={"rating": 4})) == "voted 4"
    said = Event(verb="review.reject", after={"reason": "Shows no product"})
    assert event_words(said) == "rejected: Shows no product"
    assert event_words(Event(verb="new.act", after={})) == "new.act"
