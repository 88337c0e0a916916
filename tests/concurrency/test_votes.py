"""Many people at once on real PostgreSQL: no vote lost, none doubled, none beyond the overlap."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection

from labeling.annotate import annotation_submit, annotation_withdraw, live_annotations
from labeling.consensus import consensus_settle, consensus_settle_new, consensus_solve
from labeling.models import Annotation, Assignment, Consensus, Item, Membership, Panel, Review
from labeling.queue import lease_next, lease_release
from labeling.review import review_decide
from scoring.errors import BadInputError, ConflictError, StationError
from scoring.models import Event
from tests.conftest import Cast
from tests.factories import item_make, score_make

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Run every act in a thread of its own, started together; what each returned or raised, in order."""
    gate, results = threading.Barrier(len(acts)), [None] * len(acts)

    def run(place: int, act: Callable[[], Any]) -> None:
        try:
            gate.wait(timeout=10)
            results[place] = act()
        except Exception as error:  # refusals are results here; others fail the assertions
            results[place] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(k, act)) for k, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return results


def refused(results: list[Any], code: str) -> int:
    return sum(isinstance(each, StationError) and each.code == code for each in results)


@pytest.fixture(autouse=True)
def _silent_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens; each wake-up would only cost time."""
    monkeypatch.setattr("celery.app.base.Celery.send_task", lambda *_args, **_options: None)


def leased(cast: Cast, user: User, **item: Any) -> Assignment:
    score_make(item_make(cast.project, **item).image)
    return lease_next(user=user, project=cast.project)[0]


def test_one_key_sent_eight_times_at_once_is_one_vote(cast: Cast) -> None:
    slot, key = leased(cast, cast.ann), uuid4()

    def submit() -> Annotation:
        return annotation_submit(user=cast.ann, assignment_id=slot.pk, key=key, rating=4)

    results = at_once(*[submit] * 8)
    assert {each.pk for each in results} == {Annotation.objects.get().pk}
    assert Event.objects.filter(verb="annotate.submit").count() == 1
    assert Item.objects.get().version == 1


def test_eight_answers_of_one_person_at_once_are_one_vote_and_seven_refusals(cast: Cast) -> None:
    slot = leased(cast, cast.ann)

    def submit(rating: int) -> Callable[[], Annotation]:
        return lambda: annotation_submit(user=cast.ann, assignment_id=slot.pk, key=uuid4(), rating=rating)

    results = at_once(*[submit(1 + k % 5) for k in range(8)])
    assert refused(results, "already_voted") == 7
    assert Annotation.objects.count() == 1


def test_one_key_for_two_pictures_at_once_is_one_vote(cast: Cast) -> None:
    first, key = leased(cast, cast.ann), uuid4()
    item_make(cast.project)
    (second,) = lease_next(user=cast.ann, project=cast.project, holding=[first.pk])

    def submit(slot: Assignment) -> Callable[[], Annotation]:
        return lambda: annotation_submit(user=cast.ann, assignment_id=slot.pk, key=key, rating=4)

    results = at_once(submit(first), submit(second))
    assert sum(isinstance(each, BadInputError) and each.code == "key_reused" for each in results) == 1
    assert Annotation.objects.count() == 1
    assert Assignment.objects.filter(state="submitted").count() == 1


def test_two_people_on_one_slot_leave_one_vote(cast: Cast) -> None:
    for _ in range(5):
        slot = leased(cast, cast.ann, slots=1)
        lease_release(user=cast.ann, assignment_ids=[slot.pk])

        def late(slot: Assignment = slot) -> Annotation:
            return annotation_submit(user=cast.ann, assignment_id=slot.pk, key=uuid4(), rating=2)

        def other() -> Annotation:
            (mine,) = lease_next(user=cast.ben, project=cast.project) or [None]
            if mine is None:
                raise ConflictError("Nothing left.", code="lease_lost")
            return annotation_submit(user=cast.ben, assignment_id=mine.pk, key=uuid4(), rating=5)

        results = at_once(late, other)
        assert refused(results, "lease_lost") == 1
        assert Annotation.objects.filter(assignment=slot).count() == 1
        slot.refresh_from_db()
        assert (slot.state, slot.user_id) == ("submitted", Annotation.objects.latest("id").rater_id)


def test_a_correction_and_an_undo_of_one_vote_cannot_both_happen(cast: Cast) -> None:
    slot = leased(cast, cast.ann)
    for _ in range(5):
        tail = live_annotations().filter(assignment=slot).first() or annotation_submit(
            user=cast.ann, assignment_id=slot.pk, key=uuid4(), rating=3
        )

        def correct(tail: Annotation = tail) -> Annotation:
            return annotation_submit(
                user=cast.ann, assignment_id=slot.pk, key=uuid4(), rating=5, supersedes_id=tail.pk
            )

        def undo(tail: Annotation = tail) -> Annotation:
            return annotation_withdraw(user=cast.ann, annotation_id=tail.pk, key=uuid4())

        results = at_once(correct, undo)
        assert sum(isinstance(each, Annotation) for each in results) == 1
        assert sum(isinstance(each, ConflictError) for each in results) == 1
        assert Annotation.objects.filter(supersedes=tail).count() == 1


def test_two_reviewers_at_once_make_one_decision(cast: Cast) -> None:
    slot = leased(cast, cast.ann)
    annotation_submit(user=cast.ann, assignment_id=slot.pk, key=uuid4(), rating=3, is_flagged=True)
    consensus_settle(item_id=slot.item_id)
    seen = Item.objects.get().version

    def decide(by: User, decision: str) -> Callable[[], Review]:
        return lambda: review_decide(
            reviewer=by, item_id=slot.item_id, decision=decision, key=uuid4(), reason="Why.", version=seen
        )

    results = at_once(decide(cast.rui, "approve"), decide(cast.ada, "reject"))
    assert refused(results, "stale") == 1
    assert Review.objects.get().decision == next(r.decision for r in results if isinstance(r, Review))


def test_a_decision_and_a_vote_at_once_leave_a_label_of_every_vote_that_counts(cast: Cast) -> None:
    for _ in range(5):
        slot = leased(cast, cast.ann)
        annotation_submit(user=cast.ann, assignment_id=slot.pk, key=uuid4(), rating=3)
        mine = next(
            a for a in lease_next(user=cast.ben, project=cast.project, count=5) if a.item_id == slot.item_id
        )

        def submit(mine: Assignment = mine) -> Annotation:
            return annotation_submit(user=cast.ben, assignment_id=mine.pk, key=uuid4(), rating=5)

        def approve(slot: Assignment = slot) -> Review:
            return review_decide(reviewer=cast.rui, item_id=slot.item_id, decision="approve", key=uuid4())

        consensus_settle(item_id=slot.item_id)
        voted, decided = at_once(submit, approve)
        assert isinstance(decided, Review)
        if not isinstance(voted, Annotation):
            assert voted.code == "decided"
        votes = live_annotations().filter(item_id=slot.item_id).count()
        assert Consensus.objects.get(item_id=slot.item_id).vote_count == votes
        assert not Assignment.objects.filter(item_id=slot.item_id, state__in=["free", "leased"]).exists()


def test_eight_raters_undoing_now_and_then_fill_every_picture_exactly(cast: Cast) -> None:
    raters = [User.objects.create_user(f"rater{k}") for k in range(8)]
    Membership.objects.bulk_create(
        Membership(project=cast.project, user=user, role="annotator") for user in raters
    )
    for _ in range(12):
        item_make(cast.project)

    def work(user: User) -> Callable[[], int]:
        def votes() -> int:
            made = 0
            while slots := lease_next(user=user, project=cast.project, count=2):
                for slot in slots:
                    said = {"user": user, "assignment_id": slot.pk, "rating": 3 + (user.pk + made) % 2}
                    vote = annotation_submit(key=uuid4(), **said)
                    if (slot.pk + user.pk) % 5 == 0:
                        annotation_withdraw(user=user, annotation_id=vote.pk, key=uuid4())
                        annotation_submit(key=uuid4(), **said)
                    consensus_settle(item_id=slot.item_id)
                    made += 1
            return made

        return votes

    counts = at_once(*[work(user) for user in raters])
    assert all(isinstance(count, int) for count in counts), counts
    assert sum(counts) == 24
    per_item = Counter(live_annotations().values_list("item_id", flat=True))
    assert set(per_item.values()) == {2}
    assert len(set(live_annotations().values_list("item_id", "rater_id"))) == 24
    assert set(Item.objects.values_list("state", flat=True)) == {"settled"}
    assert set(Consensus.objects.values_list("vote_count", flat=True)) == {2}


def test_two_solves_and_a_settle_at_once_do_not_wait_for_each_other_for_ever(cast: Cast) -> None:
    slot = leased(cast, cast.ann)
    annotation_submit(user=cast.ann, assignment_id=slot.pk, key=uuid4(), rating=3)
    results = at_once(
        lambda: consensus_solve(project=cast.project),
        lambda: consensus_solve(project=cast.project),
        lambda: consensus_settle(item_id=slot.item_id),
    )
    assert not [each for each in results if isinstance(each, Exception)], results
    assert Panel.objects.count() == 1


def test_settlers_share_what_is_due_and_leave_nothing(cast: Cast) -> None:
    for _ in range(12):
        annotation_submit(user=cast.ann, assignment_id=leased(cast, cast.ann).pk, key=uuid4(), rating=3)
    settled = at_once(*[consensus_settle_new] * 3)
    assert sum(settled) == 12
    assert Consensus.objects.filter(vote_count=1).count() == 12
    assert not Item.objects.filter(is_due=True).exists()
