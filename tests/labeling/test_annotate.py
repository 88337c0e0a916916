"""Station 4: a vote is stored once, corrected by a new row, taken back, and never lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labeling import first_vote as first_vote_module
from labeling.annotate import (
    annotation_submit,
    annotation_withdraw,
    live_annotations,
    recent_votes,
    shown_of,
)
from labeling.consensus import consensus_settle
from labeling.first_vote import KINDS
from labeling.models import Annotation, Assignment, Flag, Item, Membership
from labeling.queue import lease_next, lease_release, queue_sweep
from labeling.review import review_decide
from scoring.errors import BadInputError, ConflictError, NotAllowedError, NotThereError, StationError
from scoring.models import Event, ModelVersion
from tests.conftest import Cast
from tests.factories import item_make, score_make

pytestmark = pytest.mark.django_db


def slot_for(cast: Cast, user: Any = None, **item: Any) -> Assignment:
    """A scored picture (60 points) leased to the person, Ann by default."""
    made = item_make(cast.project, **item)
    score_make(made.image, overall=60)
    return lease_next(user=user or cast.ann, project=cast.project)[0]


def vote(
    cast: Cast, slot: Assignment, *, user: Any = None, key: UUID | None = None, **said: Any
) -> Annotation:
    said = said or {"rating": 4}
    return annotation_submit(user=user or cast.ann, assignment_id=slot.pk, key=key or uuid4(), **said)


def expire(slot: Assignment) -> None:
    Assignment.objects.filter(pk=slot.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_a_vote_is_kept_with_all_that_was_said_and_shown(cast: Cast) -> None:
    slot = slot_for(cast)
    made = vote(
        cast,
        slot,
        rating=2,
        dimensions={"sharpness": 1, "background": 5},
        defects={"noise": True, "border": False},
        note="  Soft edge. ",
        duration_ms=1800,
    )
    made.refresh_from_db()
    assert (made.rating, made.is_accepted, made.note, made.duration_ms) == (2, False, "Soft edge.", 1800)
    assert made.dimensions == {"sharpness": 1, "background": 5}
    assert made.defects == {"noise": True, "border": False}
    assert (made.shown_score, made.shown_model, made.is_planted) == (60.0, ModelVersion.objects.get(), False)
    slot.refresh_from_db()
    assert (slot.state, slot.user_id, slot.lease_until) == ("submitted", cast.ann.pk, None)
    item = Item.objects.get(pk=slot.item_id)
    assert (item.version, item.is_due, item.state) == (1, True, "open")
    event = Event.objects.get(verb="annotate.submit")
    assert (event.actor_id, event.target_id, event.after["rating"]) == (cast.ann.pk, made.pk, 2)


def test_accepting_stands_for_the_grade_nearest_to_the_shown_score(cast: Cast) -> None:
    made = vote(cast, slot_for(cast), accept=True)
    assert (made.rating, made.is_accepted, made.shown_score) == (3, True, 60.0)


def test_the_score_the_page_showed_is_taken_though_another_model_shows_by_now(cast: Cast) -> None:
    slot = slot_for(cast)
    image = Item.objects.get(pk=slot.item_id).image
    other = ModelVersion.objects.create(
        name="other", kind="fast", feature_version="x", weights_digest="d" * 64
    )
    shown = score_make(image, overall=92, model=other)
    made = vote(cast, slot, accept=True, score_id=shown.pk)
    assert (made.rating, made.shown_score, made.shown_model_id) == (5, 92.0, other.pk)


def test_a_score_of_another_picture_is_refused(cast: Cast) -> None:
    slot = slot_for(cast)
    strange = score_make(item_make(cast.project).image, overall=92)
    with pytest.raises(BadInputError) as refused:
        vote(cast, slot, accept=True, score_id=strange.pk)
    assert refused.value.code == "bad_score"
    assert not Annotation.objects.exists()


def test_a_planted_score_is_what_is_shown_and_accepted_and_the_vote_says_so(cast: Cast) -> None:
    slot = slot_for(cast)
    Assignment.objects.filter(pk=slot.pk).update(planted_score=10.0)
    made = vote(cast, slot, accept=True)
    assert (made.rating, made.shown_score, made.is_planted) == (1, 10.0, True)


def test_a_blind_card_shows_nothing_and_cannot_be_accepted(cast: Cast) -> None:
    slot = slot_for(cast)
    Assignment.objects.filter(pk=slot.pk).update(is_blind=True, planted_score=10.0)
    with pytest.raises(BadInputError) as refused:
        vote(cast, slot, accept=True)
    assert refused.value.code == "nothing_to_accept"
    slot.refresh_from_db()
    assert slot.state == "leased"
    made = vote(cast, slot, rating=4)
    assert (made.shown_score, made.shown_model_id, made.is_planted) == (None, None, False)


def test_the_card_and_the_vote_agree_on_what_is_shown(cast: Cast) -> None:
    slot = slot_for(cast)
    score = Item.objects.get(pk=slot.item_id).image.scores.get()
    assert shown_of(slot, score).score == 60.0
    assert shown_of(slot, None).score is None
    slot.planted_score = 10.0
    assert (shown_of(slot, score).score, shown_of(slot, score).std) == (10.0, 10.0)
    slot.is_blind = True
    assert shown_of(slot, score).score is None
    assert shown_of(slot, score).is_blind


def test_an_unscored_picture_can_be_rated_but_not_accepted(cast: Cast) -> None:
    item_make(cast.project)
    (slot,) = lease_next(user=cast.ann, project=cast.project)
    with pytest.raises(BadInputError):
        vote(cast, slot, accept=True)
    assert vote(cast, slot, rating=5).shown_score is None


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"note": "hello"}, "empty"),
        ({"rating": 3, "accept": True}, "two_answers"),
        ({"rating": 0}, "bad_rating"),
        ({"rating": 6}, "bad_rating"),
        ({"rating": True}, "bad_rating"),
        ({"rating": 3.0}, "bad_rating"),
        ({"rating": 3, "dimensions": {"smell": 3}}, "bad_input"),
        ({"rating": 3, "dimensions": {"colour": 7}}, "bad_rating"),
        ({"rating": 3, "defects": {"ghost": True}}, "bad_input"),
        ({"rating": 3, "defects": {"noise": 1}}, "bad_input"),
        ({"rating": 3, "note": "x" * 1001}, "bad_input"),
        ({"rating": 3, "note": "nul\x00"}, "bad_input"),
        ({"rating": 3, "note": "half \ud800"}, "bad_input"),
    ],
)
def test_what_is_no_answer_is_refused_and_the_slot_stays_leased(
    cast: Cast, said: dict[str, Any], code: str
) -> None:
    slot = slot_for(cast)
    with pytest.raises(BadInputError) as refused:
        vote(cast, slot, **said)
    assert refused.value.code == code
    slot.refresh_from_db()
    assert slot.state == "leased"
    assert not Annotation.objects.exists()
    assert not Event.objects.filter(verb__startswith="annotate").exists()


def test_the_same_key_with_the_same_answer_is_one_vote(cast: Cast) -> None:
    slot, key = slot_for(cast), uuid4()
    first = vote(cast, slot, key=key, rating=4, duration_ms=900)
    assert vote(cast, slot, key=key, rating=4, duration_ms=1200) == first
    assert Annotation.objects.count() == 1
    assert Item.objects.get(pk=slot.item_id).version == 1


def test_the_same_key_with_another_answer_or_from_somebody_else_is_refused(cast: Cast) -> None:
    slot, key = slot_for(cast), uuid4()
    vote(cast, slot, key=key, rating=4)
    bens = lease_next(user=cast.ben, project=cast.project)[0]
    elsewhere = slot_for(cast)
    for said in (
        {"user": cast.ann, "slot": slot, "rating": 5},
        {"user": cast.ben, "slot": bens, "rating": 4},
        {"user": cast.ann, "slot": elsewhere, "rating": 4},
    ):
        with pytest.raises(BadInputError) as refused:
            vote(cast, key=key, **said)
        assert refused.value.code == "key_reused"
    assert Annotation.objects.count() == 1


def test_a_late_vote_is_stored_while_nobody_else_has_the_slot(cast: Cast) -> None:
    slot = slot_for(cast)
    expire(slot)
    queue_sweep()
    assert vote(cast, slot, rating=4).rating == 4
    released = slot_for(cast, slots=1)
    lease_release(user=cast.ann, assignment_ids=[released.pk])
    assert vote(cast, released, rating=2).rating == 2


def test_a_slot_that_went_to_somebody_else_is_lost_and_nothing_is_written(cast: Cast) -> None:
    slot = slot_for(cast, slots=1)
    expire(slot)
    (bens,) = lease_next(user=cast.ben, project=cast.project)
    assert bens.pk == slot.pk
    with pytest.raises(ConflictError) as refused:
        vote(cast, slot, rating=4)
    assert refused.value.code == "lease_lost"
    slot.refresh_from_db()
    assert (slot.state, slot.user_id) == ("leased", cast.ben.pk)
    assert not Annotation.objects.exists()
    assert vote(cast, slot, user=cast.ben, rating=1).rater_id == cast.ben.pk


def test_a_slot_one_never_held_cannot_be_voted_on(cast: Cast) -> None:
    item = item_make(cast.project)
    slot = item.assignments.first()
    assert slot is not None
    with pytest.raises(ConflictError):
        vote(cast, slot, rating=5)
    with pytest.raises(NotThereError):
        annotation_submit(user=cast.ann, assignment_id=10**9, key=uuid4(), rating=5)
    assert not Annotation.objects.exists()


def test_a_second_vote_must_say_that_it_corrects_the_first(cast: Cast) -> None:
    slot = slot_for(cast)
    first = vote(cast, slot, rating=4)
    for stale in (None, first.pk + 1):
        with pytest.raises(ConflictError) as refused:
            vote(cast, slot, rating=5, supersedes_id=stale)
        assert refused.value.code == "already_voted"
    second = vote(cast, slot, rating=5, supersedes_id=first.pk)
    third = vote(cast, slot, rating=3, supersedes_id=second.pk)
    with pytest.raises(ConflictError):
        vote(cast, slot, rating=1, supersedes_id=first.pk)
    assert list(live_annotations()) == [third]
    assert Annotation.objects.count() == 3
    corrections = Event.objects.filter(verb="annotate.correct").order_by("id")
    assert [(e.before["rating"], e.after["rating"]) for e in corrections] == [(4, 5), (5, 3)]


def test_undo_takes_the_vote_back_and_leases_the_slot_again(cast: Cast) -> None:
    slot = slot_for(cast)
    made = vote(cast, slot, rating=4)
    key = uuid4()
    undone = annotation_withdraw(user=cast.ann, annotation_id=made.pk, key=key)
    assert annotation_withdraw(user=cast.ann, annotation_id=made.pk, key=key) == undone
    assert not live_annotations().exists()
    slot.refresh_from_db()
    assert (slot.state, slot.user_id) == ("leased", cast.ann.pk)
    assert slot.lease_until is not None
    assert slot.lease_until > timezone.now()
    with pytest.raises(ConflictError) as refused:
        annotation_withdraw(user=cast.ann, annotation_id=made.pk, key=uuid4())
    assert refused.value.code == "already_superseded"
    again = vote(cast, slot, rating=2)
    assert again.supersedes == undone
    assert list(live_annotations()) == [again]
    assert Event.objects.get(verb="annotate.withdraw").before == {"item": slot.item_id, "rating": 4}


def test_undo_walks_back_as_far_as_wanted(cast: Cast) -> None:
    for _ in range(3):
        vote(cast, slot_for(cast), rating=4)
    for left in (2, 1, 0):
        (newest, *_) = recent_votes(user=cast.ann, project=cast.project)
        annotation_withdraw(user=cast.ann, annotation_id=newest.pk, key=uuid4())
        assert len(recent_votes(user=cast.ann, project=cast.project)) == left


def test_nobody_takes_back_the_vote_of_another(cast: Cast) -> None:
    made = vote(cast, slot_for(cast), rating=4)
    with pytest.raises(NotThereError):
        annotation_withdraw(user=cast.ben, annotation_id=made.pk, key=uuid4())
    assert list(live_annotations()) == [made]


def test_whoever_gets_a_slot_after_an_undo_carries_its_chain_on(cast: Cast) -> None:
    slot = slot_for(cast, slots=1)
    undone = annotation_withdraw(user=cast.ann, annotation_id=vote(cast, slot).pk, key=uuid4())
    lease_release(user=cast.ann, assignment_ids=[slot.pk])
    (bens,) = lease_next(user=cast.ben, project=cast.project)
    made = vote(cast, bens, user=cast.ben, rating=5)
    assert (bens.pk, made.supersedes) == (slot.pk, undone)
    assert list(live_annotations()) == [made]


def test_undo_reopens_a_settled_picture_at_once(cast: Cast) -> None:
    slot = slot_for(cast)
    made = vote(cast, slot, rating=3)
    vote(cast, lease_next(user=cast.ben, project=cast.project)[0], user=cast.ben, rating=3)
    consensus_settle(item_id=slot.item_id)
    assert Item.objects.get(pk=slot.item_id).state == "settled"
    annotation_withdraw(user=cast.ann, annotation_id=made.pk, key=uuid4())
    assert Item.objects.get(pk=slot.item_id).state == "open"


def test_what_a_reviewer_decided_no_late_vote_or_undo_changes(cast: Cast) -> None:
    slot = slot_for(cast)
    made = vote(cast, slot, rating=4)
    (late,) = lease_next(user=cast.ben, project=cast.project)
    review_decide(reviewer=cast.rui, item_id=slot.item_id, decision="approve", key=uuid4())

    def corrected() -> Annotation:
        return vote(cast, slot, rating=1, supersedes_id=made.pk)

    def undone() -> Annotation:
        return annotation_withdraw(user=cast.ann, annotation_id=made.pk, key=uuid4())

    for refused_act in (corrected, undone, lambda: vote(cast, late, user=cast.ben, rating=1)):
        with pytest.raises(ConflictError) as refused:
            refused_act()
        assert refused.value.code == "decided"
    assert list(live_annotations()) == [made]
    assert Item.objects.get(pk=slot.item_id).state == "approved"


def test_a_flag_asks_for_a_reviewer_and_a_correction_can_take_it_back(cast: Cast) -> None:
    slot = slot_for(cast)
    made = vote(cast, slot, rating=4, is_flagged=True, note="Wrong product?")
    flag = Flag.objects.get()
    assert (flag.reason, flag.evidence["notes"], flag.cleared_at) == ("annotator", ["Wrong product?"], None)
    consensus_settle(item_id=slot.item_id)
    assert Item.objects.get(pk=slot.item_id).state == "flagged"
    vote(cast, slot, rating=4, supersedes_id=made.pk)
    consensus_settle(item_id=slot.item_id)
    assert Item.objects.get(pk=slot.item_id).state == "open"
    flag.refresh_from_db()
    assert flag.cleared_at is not None


def test_strangers_and_the_paused_may_not_vote(cast: Cast) -> None:
    slot = slot_for(cast)
    with pytest.raises(NotThereError):
        vote(cast, slot, user=cast.mallory)
    Membership.objects.filter(user=cast.ann).update(is_paused=True, pause_reason="Rest your eyes.")
    with pytest.raises(NotAllowedError, match="Rest"):
        vote(cast, slot)
    assert not Annotation.objects.exists()
    assert Assignment.objects.get(pk=slot.pk).state == "leased"


def test_a_paused_person_s_journal_may_still_learn_what_was_stored(cast: Cast) -> None:
    slot, key = slot_for(cast), uuid4()
    made = vote(cast, slot, key=key, rating=4)
    Membership.objects.filter(user=cast.ann).update(is_paused=True)
    assert vote(cast, slot, key=key, rating=4) == made


def test_recent_votes_are_one_s_own_newest_first_without_those_taken_back(cast: Cast) -> None:
    first = vote(cast, slot_for(cast), rating=1)
    second = vote(cast, slot_for(cast), rating=2)
    third = vote(cast, slot_for(cast), rating=3)
    vote(cast, slot_for(cast, user=cast.ben), user=cast.ben, rating=5)
    annotation_withdraw(user=cast.ann, annotation_id=second.pk, key=uuid4())
    assert recent_votes(user=cast.ann, project=cast.project) == [third, first]
    assert recent_votes(user=cast.ann, project=cast.project, limit=1) == [third]


def statements(asked: CaptureQueriesContext) -> list[str]:
    return [q["sql"] for q in asked if not q["sql"].startswith(("SAVEPOINT", "RELEASE"))]


@pytest.mark.parametrize("said", [{"rating": 4}, {"accept": True}])
def test_a_first_vote_takes_two_statements(cast: Cast, said: dict[str, Any]) -> None:
    slot = slot_for(cast)
    with CaptureQueriesContext(connection) as asked:
        vote(cast, slot, **said)
    assert len(statements(asked)) == 2, statements(asked)


def test_the_short_way_and_the_long_write_the_same(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"rating": 2, "note": "Soft.", "defects": {"noise": True}, "dimensions": {"sharpness": 1}}
    short = vote(cast, slot_for(cast), **said)
    monkeypatch.setattr("labeling.annotate.first_vote", lambda *_said: None)
    long = vote(cast, slot_for(cast), **said)
    own = {"id", "item_id", "assignment_id", "key", "body_digest", "created_at"}
    columns = [f.attname for f in Annotation._meta.concrete_fields if f.attname not in own]
    kept = Annotation.objects.values(*columns)
    assert kept.get(pk=short.pk) == kept.get(pk=long.pk)
    told = {event.target_id: event for event in Event.objects.filter(verb="annotate.submit")}
    assert (told[short.pk].target, told[short.pk].before) == (told[long.pk].target, told[long.pk].before)
    assert told[short.pk].after == {"item": short.item_id, "rating": 2, "accepted": False}
    assert told[long.pk].after == {"item": long.item_id, "rating": 2, "accepted": False}
    items = Item.objects.values_list("version", "is_due", "state", "returned_to")
    assert items.get(pk=short.item_id) == items.get(pk=long.item_id)


def test_the_short_way_writes_every_column_of_a_vote() -> None:
    assert {*KINDS, "id", "supersedes_id"} == {f.attname for f in Annotation._meta.concrete_fields}


def test_what_happens_between_look_and_write_sends_the_vote_the_long_way(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot, look = slot_for(cast), first_vote_module._known

    def look_late(*asked: Any) -> Any:
        found = look(*asked)
        Item.objects.filter(pk=slot.item_id).update(state="approved")
        return found

    monkeypatch.setattr(first_vote_module, "_known", look_late)
    with pytest.raises(ConflictError, match="reviewer has decided"):
        vote(cast, slot, rating=4)
    assert not Annotation.objects.exists()
    assert Assignment.objects.get(pk=slot.pk).state == "leased"
    assert Item.objects.get(pk=slot.item_id).version == 0
    assert not Event.objects.filter(verb="annotate.submit").exists()


@pytest.mark.usefixtures("empty_cache")
def test_the_worker_is_woken_only_after_the_commit(
    cast: Cast, django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, tuple[int, ...]]] = []
    monkeypatch.setattr(
        "celery.app.base.Celery.send_task", lambda _app, name, args=(), **_options: sent.append((name, args))
    )
    slot = slot_for(cast)
    with django_capture_on_commit_callbacks(execute=True):
        vote(cast, slot, rating=4)
        assert sent == []
    assert sent == [("maintenance.consensus_settle", ())]
    assert slot.item_id in Item.objects.filter(is_due=True).values_list("pk", flat=True)


def test_the_database_itself_refuses_to_change_a_vote_or_to_fork_a_chain(cast: Cast) -> None:
    slot = slot_for(cast)
    made = vote(cast, slot, rating=4)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Annotation.objects.filter(pk=made.pk).update(rating=5)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        made.delete()
    successor = {
        "item_id": made.item_id,
        "assignment": slot,
        "rater": cast.ann,
        "rating": 5,
        "supersedes": made,
    }
    Annotation.objects.create(key=uuid4(), body_digest="a", **successor)
    with pytest.raises(IntegrityError), transaction.atomic():
        Annotation.objects.create(key=uuid4(), body_digest="b", **successor)


def test_refusals_are_station_errors_with_words_for_people(cast: Cast) -> None:
    with pytest.raises(StationError, match="whole number"):
        vote(cast, slot_for(cast), rating=9)
