"""Station 6: a reviewer looks again; the last decision stands, nobody decides on own work."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from labeling.annotate import annotation_submit, live_annotations
from labeling.consensus import consensus_settle
from labeling.models import Annotation, Assignment, Consensus, Flag, Item, Membership, Project, Review
from labeling.queue import lease_next, queue_sweep
from labeling.review import flag_raise, flags_open, review_decide, review_decide_many, review_queue
from scoring.errors import BadInputError, ConflictError, NotAllowedError, NotThereError
from scoring.models import Event
from tests.conftest import Cast
from tests.factories import item_make, score_make

pytestmark = pytest.mark.django_db


def disputed(cast: Cast, *ratings: int, note: str = "") -> Item:
    """A picture Ann and Ben rated, 1 and 5 unless told; flagged because no third annotator is there."""
    Assignment.objects.filter(state="free").update(state="closed")
    item = item_make(cast.project)
    score_make(item.image, overall=50)
    for user, rating in zip((cast.ann, cast.ben), ratings or (1, 5), strict=False):
        (slot,) = lease_next(user=user, project=cast.project)
        annotation_submit(
            user=user, assignment_id=slot.pk, key=uuid4(), rating=rating, is_flagged=bool(note), note=note
        )
    consensus_settle(item_id=item.pk)
    item.refresh_from_db()
    return item


def decide(cast: Cast, item: Item, decision: str, *, by: User | None = None, **more: Any) -> Review:
    more.setdefault("key", uuid4())
    return review_decide(reviewer=by or cast.rui, item_id=item.pk, decision=decision, **more)


def state_of(item: Item) -> str:
    return Item.objects.values_list("state", flat=True).get(pk=item.pk)


def test_approving_ends_the_matter_and_leaves_an_event(cast: Cast) -> None:
    item = disputed(cast)
    assert item.state == "flagged"
    review = decide(cast, item, "approve", version=item.version)
    assert (review.decision, review.reviewer_id) == ("approve", cast.rui.pk)
    assert state_of(item) == "approved"
    assert flags_open([item.pk]) == {}
    assert not item.assignments.filter(state__in=["free", "leased"]).exists()
    assert Consensus.objects.get(item=item).mos == 3.0
    event = Event.objects.get(verb="review.approve")
    assert (event.actor_id, event.before["state"], event.after["state"]) == (
        cast.rui.pk,
        "flagged",
        "approved",
    )


def test_a_rejected_picture_leaves_the_dataset_but_not_the_history(cast: Cast) -> None:
    item = disputed(cast)
    decide(cast, item, "reject", reason="Not a product.")
    assert state_of(item) == "rejected"
    assert live_annotations().filter(item=item).count() == 2
    assert Consensus.objects.filter(item=item).exists()
    assert Event.objects.get(verb="review.reject").after["reason"] == "Not a product."


def test_a_fix_sets_the_label_and_keeps_the_votes_beside_it(cast: Cast) -> None:
    item = disputed(cast)
    review = decide(cast, item, "fix", fixed_rating=2)
    label = Consensus.objects.get(item=item)
    assert (review.fixed_rating, state_of(item)) == (2, "approved")
    assert (label.mos, label.mos_score, label.vote_count, label.histogram) == (2.0, 25.0, 2, [1, 0, 0, 0, 1])
    assert label.std_error < 0.5


def test_a_picture_nobody_voted_on_can_be_fixed_but_not_approved(cast: Cast) -> None:
    item = item_make(cast.project)
    with pytest.raises(BadInputError) as refused:
        decide(cast, item, "approve")
    assert refused.value.code == "no_label"
    decide(cast, item, "fix", fixed_rating=4)
    assert Consensus.objects.get(item=item).vote_count == 0
    assert state_of(item) == "approved"


def test_a_returned_picture_comes_first_to_its_author_who_votes_anew(cast: Cast) -> None:
    item = disputed(cast, 5, 3)
    item_make(cast.project, priority=9.0)
    decide(cast, item, "return", reason="Look at the left edge.", author_id=cast.ann.pk)
    item.refresh_from_db()
    assert (item.state, item.returned_to_id) == ("open", cast.ann.pk)
    assert list(live_annotations().filter(item=item).values_list("rater_id", flat=True)) == [cast.ben.pk]
    (slot,) = lease_next(user=cast.ann, project=cast.project)
    assert slot.item_id == item.pk
    consensus_settle(item_id=item.pk)
    assert state_of(item) == "open"
    annotation_submit(user=cast.ann, assignment_id=slot.pk, key=uuid4(), rating=3)
    consensus_settle(item_id=item.pk)
    item.refresh_from_db()
    assert (item.state, item.returned_to_id) == ("settled", None)
    assert Consensus.objects.get(item=item).mos == 3.0
    assert Annotation.objects.filter(item=item).count() == 4


def test_the_returned_vote_is_the_furthest_from_the_label_or_the_one_named(cast: Cast) -> None:
    first, second = disputed(cast, 3, 1, note="?"), disputed(cast, 3, 1, note="?")
    Consensus.objects.filter(item=first).update(mos=2.9)
    decide(cast, first, "return", reason="Look again.")
    decide(cast, second, "return", reason="Look again.", author_id=cast.ann.pk)
    assert Item.objects.get(pk=first.pk).returned_to_id == cast.ben.pk
    assert Item.objects.get(pk=second.pk).returned_to_id == cast.ann.pk


def test_nothing_is_returned_to_who_is_not_there_to_take_it(cast: Cast) -> None:
    item = disputed(cast)
    Membership.objects.filter(user=cast.ann).update(is_paused=True)
    User.objects.filter(pk=cast.ben.pk).update(is_active=False)
    with pytest.raises(ConflictError) as refused:
        decide(cast, item, "return", reason="Look again.")
    assert refused.value.code == "no_author"
    assert state_of(item) == "flagged"
    assert not Review.objects.exists()


def test_a_return_nobody_took_up_goes_to_others(cast: Cast) -> None:
    item = disputed(cast, 5, 3)
    decide(cast, item, "return", reason="Look again.", author_id=cast.ann.pk)
    Assignment.objects.filter(item=item, user=cast.ann).update(
        lease_until=timezone.now() - timedelta(seconds=1)
    )
    assert queue_sweep()["returns_given_up"] == 1
    (slot,) = lease_next(user=cast.ada, project=cast.project)
    assert slot.item_id == item.pk
    annotation_submit(user=cast.ada, assignment_id=slot.pk, key=uuid4(), rating=3)
    consensus_settle(item_id=item.pk)
    assert state_of(item) == "settled"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"decision": "burn"}, "bad_decision"),
        ({"decision": "reject"}, "reason_missing"),
        ({"decision": "return", "reason": "   "}, "reason_missing"),
        ({"decision": "fix"}, "bad_rating"),
        ({"decision": "fix", "fixed_rating": 6}, "bad_rating"),
        ({"decision": "fix", "fixed_rating": True}, "bad_rating"),
        ({"decision": "approve", "fixed_rating": 3}, "bad_rating"),
        ({"decision": "reject", "reason": "x" * 1001}, "bad_input"),
        ({"decision": "reject", "reason": "nul\x00"}, "bad_input"),
    ],
)
def test_what_is_no_decision_is_refused_and_nothing_changes(
    cast: Cast, said: dict[str, Any], code: str
) -> None:
    item = disputed(cast)
    with pytest.raises(BadInputError) as refused:
        decide(cast, item, **said)
    assert refused.value.code == code
    assert state_of(item) == "flagged"
    assert not Review.objects.exists()


def test_nobody_decides_on_own_work_not_even_an_admin_not_even_after_undo(cast: Cast) -> None:
    Membership.objects.filter(user=cast.ann).update(role="admin")
    item = disputed(cast)
    with pytest.raises(NotAllowedError) as refused:
        decide(cast, item, "approve", by=cast.ann)
    assert refused.value.code == "own_work"
    assert state_of(item) == "flagged"
    assert list(review_queue(user=cast.ann, project=cast.project)) == []
    assert list(review_queue(user=cast.ada, project=cast.project)) == [item]


def test_an_admin_who_works_alone_decides_on_own_votes_until_a_second_person_comes(cast: Cast) -> None:
    Project.objects.filter(pk=cast.project.pk).update(overlap=1)
    for _ in range(3):
        item_make(cast.project, slots=1)
    mine = []
    for _ in range(2):
        (leased,) = lease_next(user=cast.ada, project=cast.project)
        annotation_submit(user=cast.ada, assignment_id=leased.pk, key=uuid4(), rating=4, is_flagged=True)
        consensus_settle(item_id=leased.item_id)
        mine.append(Item.objects.get(pk=leased.item_id))
    assert set(review_queue(user=cast.ada, project=cast.project)) == set(mine)
    decide(cast, mine[0], "approve", by=cast.ada)
    assert state_of(mine[0]) == "approved"
    (leased,) = lease_next(user=cast.ben, project=cast.project)
    annotation_submit(user=cast.ben, assignment_id=leased.pk, key=uuid4(), rating=4)
    assert list(review_queue(user=cast.ada, project=cast.project)) == []
    with pytest.raises(NotAllowedError) as refused:
        decide(cast, mine[1], "approve", by=cast.ada)
    assert refused.value.code == "own_work"
    assert state_of(mine[1]) == "flagged"


def test_annotators_strangers_and_the_paused_decide_nothing(cast: Cast) -> None:
    item = disputed(cast)
    cat = User.objects.create_user("cat")
    Membership.objects.create(project=cast.project, user=cat, role="annotator")
    with pytest.raises(NotAllowedError):
        decide(cast, item, "approve", by=cat)
    with pytest.raises(NotThereError):
        decide(cast, item, "approve", by=cast.mallory)
    Membership.objects.filter(user=cast.rui).update(is_paused=True)
    with pytest.raises(NotAllowedError):
        decide(cast, item, "approve")
    with pytest.raises(NotAllowedError):
        review_queue(user=cat, project=cast.project)
    with pytest.raises(NotThereError):
        review_decide(reviewer=cast.ada, item_id=10**9, decision="approve", key=uuid4())
    assert state_of(item) == "flagged"


def test_a_page_that_shows_yesterday_s_picture_decides_nothing(cast: Cast) -> None:
    item = disputed(cast)
    seen = item.version
    mine = live_annotations().get(item=item, rater=cast.ann)
    annotation_submit(
        user=cast.ann, assignment_id=mine.assignment_id, key=uuid4(), rating=5, supersedes_id=mine.pk
    )
    with pytest.raises(ConflictError) as refused:
        decide(cast, item, "reject", reason="They disagree.", version=seen)
    assert refused.value.code == "stale"
    assert not Review.objects.exists()


def test_a_decision_knows_the_vote_of_the_last_second(cast: Cast) -> None:
    item = disputed(cast)
    mine = live_annotations().get(item=item, rater=cast.ann)
    annotation_submit(
        user=cast.ann, assignment_id=mine.assignment_id, key=uuid4(), rating=5, supersedes_id=mine.pk
    )
    decide(cast, item, "approve")
    assert Consensus.objects.get(item=item).mos == 5.0
    assert Item.objects.get(pk=item.pk).is_due is False


def test_a_second_reviewer_is_told_and_may_overrule_only_what_they_saw(cast: Cast) -> None:
    item = disputed(cast)
    decide(cast, item, "approve", version=item.version)
    with pytest.raises(ConflictError) as refused:
        decide(cast, item, "reject", by=cast.ada, reason="Blurred.")
    assert refused.value.code == "decided"
    with pytest.raises(ConflictError):
        decide(cast, item, "reject", by=cast.ada, reason="Blurred.", version=item.version)
    item.refresh_from_db()
    decide(cast, item, "reject", by=cast.ada, reason="Blurred.", version=item.version)
    assert state_of(item) == "rejected"
    assert [r.decision for r in Review.objects.filter(item=item)] == ["approve", "reject"]


def test_a_repeated_click_is_one_decision_and_a_reused_key_is_refused(cast: Cast) -> None:
    item, other, key = disputed(cast), disputed(cast), uuid4()
    first = decide(cast, item, "approve", key=key)
    assert decide(cast, item, "approve", key=key) == first
    for said in (
        {"item": item, "decision": "reject", "reason": "No."},
        {"item": other, "decision": "approve"},
        {"item": item, "decision": "approve", "by": cast.ada},
    ):
        with pytest.raises(BadInputError) as refused:
            decide(cast, key=key, **said)
        assert refused.value.code == "key_reused"
    assert Review.objects.count() == 1
    assert state_of(other) == "flagged"


def test_many_are_decided_at_once_and_twice_is_once(cast: Cast) -> None:
    items, key = [disputed(cast) for _ in range(3)], uuid4()
    ids = [item.pk for item in items]
    made = review_decide_many(reviewer=cast.rui, item_ids=ids, decision="approve", key=key)
    again = review_decide_many(reviewer=cast.rui, item_ids=ids, decision="approve", key=key)
    assert [review.item_id for review in made] == ids
    assert again == made
    assert {state_of(item) for item in items} == {"approved"}


def test_of_many_those_decided_meanwhile_are_left_out(cast: Cast) -> None:
    first, second = disputed(cast), disputed(cast)
    decide(cast, first, "reject", by=cast.ada, reason="Blurred.")
    made = review_decide_many(
        reviewer=cast.rui, item_ids=[first.pk, second.pk, 10**9], decision="approve", key=uuid4()
    )
    assert [review.item_id for review in made] == [second.pk]
    assert (state_of(first), state_of(second)) == ("rejected", "approved")


def test_of_many_one_s_own_refuses_all(cast: Cast) -> None:
    Membership.objects.filter(user=cast.ann).update(role="reviewer")
    other = item_make(cast.project)
    Item.objects.filter(pk=other.pk).update(state="flagged")
    Consensus.objects.create(item=other, mos=3, mos_score=50, std_error=1, ci_low=1, ci_high=5, vote_count=1)
    mine = disputed(cast)
    with pytest.raises(NotAllowedError):
        review_decide_many(reviewer=cast.ann, item_ids=[other.pk, mine.pk], decision="approve", key=uuid4())
    assert (state_of(other), state_of(mine)) == ("flagged", "flagged")
    with pytest.raises(BadInputError):
        review_decide_many(reviewer=cast.rui, item_ids=range(1000), decision="approve", key=uuid4())


def test_the_queue_shows_what_waits_longest_first_and_by_reason(
    cast: Cast, django_assert_num_queries: Any
) -> None:
    disputes = disputed(cast)
    asked = disputed(cast, 3, 3, note="Two products?")
    Flag.objects.filter(item=disputes).update(raised_at=timezone.now() - timedelta(hours=1))
    settled = disputed(cast, 3, 3)
    assert settled.state == "settled"
    with django_assert_num_queries(4):  # role, whether alone, items, flags
        queue = list(review_queue(user=cast.rui, project=cast.project))
        assert [item.pk for item in queue] == [disputes.pk, asked.pk]
        assert [flag.reason for flag in queue[0].flags.all()] == ["disagreement"]
        assert queue[0].consensus.mos == 3.0
        assert queue[0].image.product.title
    only = review_queue(user=cast.rui, project=cast.project, reason="annotator")
    assert [item.pk for item in only] == [asked.pk]
    assert not review_queue(user=cast.rui, project=cast.project, reason="policy").exists()


def test_a_flag_is_open_once_and_its_evidence_is_brought_up_to_date(cast: Cast) -> None:
    item = item_make(cast.project)
    first = flag_raise(item_id=item.pk, reason="policy", evidence={"defects": {"border": 0.96}})
    second = flag_raise(item_id=item.pk, reason="policy", evidence={"defects": {"border": 0.99}})
    assert first.pk == second.pk
    assert flags_open([item.pk, 10**9]) == {item.pk: [second]}
    assert second.evidence == {"defects": {"border": 0.99}}


def test_the_database_itself_refuses_to_change_a_decision(cast: Cast) -> None:
    review = decide(cast, disputed(cast), "approve")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Review.objects.filter(pk=review.pk).update(decision="reject")
    with pytest.raises(IntegrityError, match="a_refusal_says_why"), transaction.atomic():
        Review.objects.create(item=review.item, reviewer=cast.rui, decision="reject", key=uuid4())


def test_keys_of_many_are_made_from_one(cast: Cast) -> None:
    item, key = disputed(cast), uuid4()
    (review,) = review_decide_many(reviewer=cast.rui, item_ids=[item.pk], decision="approve", key=key)
    assert isinstance(review.key, UUID)
    assert review.key != key
