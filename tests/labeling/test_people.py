"""Who works in a project, what their votes say, and what only admins may change."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.contrib.auth.models import User

from labeling.models import Annotation, Assignment, Item, Membership, Project
from labeling.people import Person, member_add, member_pause, member_resume, member_set_role, people_of
from labeling.queue import lease_next
from scoring.errors import BadInputError, ConflictError, NotAllowedError, NotThereError
from scoring.models import Event
from tests.conftest import Cast
from tests.factories import item_make

pytestmark = pytest.mark.django_db


def vote(cast: Cast, item: Item, by: User, rating: int, *, ms: int = 4000, **shown: object) -> Annotation:
    slot = Assignment.objects.filter(item=item, state="free").order_by("slot")[0]
    Assignment.objects.filter(pk=slot.pk).update(state="submitted", user=by)
    return Annotation.objects.create(
        item=item,
        assignment=slot,
        rater=by,
        rating=rating,
        duration_ms=ms,
        key=uuid4(),
        body_digest="x",
        **shown,
    )


def person(cast: Cast, name: str) -> Person:
    return next(each for each in people_of(project=cast.project) if each.user.username == name)


def test_everybody_is_listed_by_name_in_two_queries(cast: Cast, django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    with django_assert_num_queries(2):
        people = people_of(project=cast.project)
    assert [each.user.username for each in people] == ["ada", "ann", "ben", "rui"]
    assert [each.role for each in people] == ["admin", "annotator", "annotator", "reviewer"]
    assert {(each.votes, each.bias, each.last_seen) for each in people} == {(0, None, None)}


def test_bias_and_agreement_hold_a_person_against_the_others_on_the_same_pictures(cast: Cast) -> None:
    for ann, ben in ((5, 3), (4, 3), (5, 4), (4, 3), (3, 3)):
        item = item_make(cast.project)
        vote(cast, item, cast.ann, ann)
        vote(cast, item, cast.ben, ben)
    alone = item_make(cast.project)
    vote(cast, alone, cast.ann, 1)  # nobody to compare with
    ann, ben = person(cast, "ann"), person(cast, "ben")
    assert (ann.votes, ben.votes) == (6, 5)
    assert ann.bias == pytest.approx(1.0)
    assert ben.bias == pytest.approx(-1.0)
    assert ann.agreement == pytest.approx(0.8)  # one of five is two grades off


def test_four_shared_pictures_say_nothing_yet(cast: Cast) -> None:
    for _ in range(4):
        item = item_make(cast.project)
        vote(cast, item, cast.ann, 5)
        vote(cast, item, cast.ben, 1)
    assert (person(cast, "ann").bias, person(cast, "ann").agreement) == (None, None)


def test_pace_counts_time_on_pictures_and_forgives_a_long_lunch(cast: Cast) -> None:
    for ms in (4000, 6000):
        vote(cast, item_make(cast.project), cast.ann, 3, ms=ms)
    assert person(cast, "ann").votes_per_hour == pytest.approx(720.0)
    vote(cast, item_make(cast.project), cast.ben, 3, ms=10_000_000)
    assert person(cast, "ben").votes_per_hour == pytest.approx(20.0)


def test_accepted_share_leaves_out_hidden_and_planted_predictions(cast: Cast) -> None:
    vote(cast, item_make(cast.project), cast.ann, 4, shown_score=70.0, is_accepted=True)
    vote(cast, item_make(cast.project), cast.ann, 2, shown_score=70.0)
    vote(cast, item_make(cast.project), cast.ann, 2, shown_score=30.0, is_planted=True, is_accepted=True)
    vote(cast, item_make(cast.project), cast.ann, 2)
    assert person(cast, "ann").accepted_share == pytest.approx(0.5)


def test_a_withdrawn_or_corrected_vote_does_not_count(cast: Cast) -> None:
    item = item_make(cast.project)
    first = vote(cast, item, cast.ann, 1)
    Annotation.objects.create(
        item=item,
        assignment=first.assignment,
        rater=cast.ann,
        is_withdrawn=True,
        supersedes=first,
        key=uuid4(),
        body_digest="x",
    )
    assert person(cast, "ann").votes == 0


def test_another_project_s_votes_do_not_count(cast: Cast) -> None:
    other = Project.objects.create(name="Other")
    vote(cast, item_make(other), cast.ann, 1)
    assert person(cast, "ann").votes == 0


def test_an_admin_adds_somebody_new_and_the_password_is_told_once(cast: Cast) -> None:
    made = member_add(by=cast.ada, project=cast.project, username="zoe", role="reviewer")
    assert made.membership.role == "reviewer"
    assert User.objects.get(username="zoe").check_password(made.password)
    assert len(made.password) >= 16
    event = Event.objects.get(verb="people.add")
    assert (event.actor, event.after) == (cast.ada, {"user": "zoe", "role": "reviewer", "new": True})


def test_an_admin_adds_somebody_known_without_touching_their_password(cast: Cast) -> None:
    made = member_add(by=cast.ada, project=cast.project, username="mallory", role="annotator")
    assert made.password == ""
    assert User.objects.get(username="mallory").check_password("mallory")
    with pytest.raises(ConflictError) as refusal:
        member_add(by=cast.ada, project=cast.project, username="mallory", role="admin")
    assert refusal.value.code == "already_member"
    assert Membership.objects.get(user=cast.mallory).role == "annotator"


@pytest.mark.parametrize("name", ["", "a b", "x" * 151, "<script>"])
def test_an_impossible_name_is_refused(cast: Cast, name: str) -> None:
    with pytest.raises(BadInputError):
        member_add(by=cast.ada, project=cast.project, username=name, role="annotator")
    assert Membership.objects.count() == 4


def test_a_role_changes_with_an_event(cast: Cast) -> None:
    member_set_role(by=cast.ada, project=cast.project, user_id=cast.ann.pk, role="reviewer")
    assert Membership.objects.get(user=cast.ann).role == "reviewer"
    event = Event.objects.get(verb="people.set_role")
    assert (event.before, event.after) == ({"role": "annotator"}, {"role": "reviewer"})
    member_set_role(by=cast.ada, project=cast.project, user_id=cast.ann.pk, role="reviewer")
    assert Event.objects.filter(verb="people.set_role").count() == 1


def test_a_project_keeps_its_last_admin(cast: Cast) -> None:
    with pytest.raises(ConflictError) as refusal:
        member_set_role(by=cast.ada, project=cast.project, user_id=cast.ada.pk, role="annotator")
    assert refusal.value.code == "last_admin"
    member_set_role(by=cast.ada, project=cast.project, user_id=cast.rui.pk, role="admin")
    member_set_role(by=cast.ada, project=cast.project, user_id=cast.ada.pk, role="annotator")
    assert Membership.objects.get(user=cast.ada).role == "annotator"


def test_a_pause_frees_leases_tells_why_and_ends(cast: Cast) -> None:
    item_make(cast.project)
    lease_next(user=cast.ann, project=cast.project)
    member_pause(by=cast.ada, project=cast.project, user_id=cast.ann.pk, reason=" Ten fives in a row. ")
    assert not Assignment.objects.filter(state="leased").exists()
    with pytest.raises(NotAllowedError, match="Ten fives"):
        lease_next(user=cast.ann, project=cast.project)
    assert person(cast, "ann").is_paused
    member_resume(by=cast.ada, project=cast.project, user_id=cast.ann.pk)
    assert lease_next(user=cast.ann, project=cast.project)
    assert list(Event.objects.order_by("id").values_list("verb", flat=True)) == [
        "people.pause",
        "people.resume",
    ]


def test_a_pause_needs_a_reason(cast: Cast) -> None:
    with pytest.raises(BadInputError) as refusal:
        member_pause(by=cast.ada, project=cast.project, user_id=cast.ann.pk, reason="  ")
    assert refusal.value.code == "reason_missing"
    assert not Membership.objects.filter(is_paused=True).exists()


def test_nobody_but_an_admin_changes_anything(cast: Cast) -> None:
    acts = (
        lambda by: member_add(by=by, project=cast.project, username="zoe", role="admin"),
        lambda by: member_set_role(by=by, project=cast.project, user_id=by.pk, role="admin"),
        lambda by: member_pause(by=by, project=cast.project, user_id=cast.ben.pk, reason="no"),
        lambda by: member_resume(by=by, project=cast.project, user_id=cast.ben.pk),
    )
    before = list(Membership.objects.order_by("pk").values())
    for act in acts:
        for by, refusal in (
            (cast.rui, NotAllowedError),
            (cast.ann, NotAllowedError),
            (cast.mallory, NotThereError),
        ):
            with pytest.raises(refusal):
                act(by)
    assert list(Membership.objects.order_by("pk").values()) == before
    assert not User.objects.filter(username="zoe").exists()
    assert not Event.objects.exists()


def test_a_stranger_to_the_project_cannot_be_changed(cast: Cast) -> None:
    with pytest.raises(NotThereError):
        member_set_role(by=cast.ada, project=cast.project, user_id=cast.mallory.pk, role="annotator")
    with pytest.raises(BadInputError) as refusal:
        member_set_role(by=cast.ada, project=cast.project, user_id=cast.ann.pk, role="emperor")
    assert refusal.value.code == "unknown_role"
