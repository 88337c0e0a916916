"""Station 4, annotate: one key becomes one vote, for good.

Votes are chains (docs/adr/0003): nothing is changed, a correction or an undo is a new row. Whoever writes
holds the item's lock; the slot itself is written by a conditional UPDATE, since leases do not take that
lock. The client's key makes a submit that is sent twice one vote.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from psycopg.types.numeric import Int8

from labeling.answer import LONGEST_NOTE, NOTHING, Answer
from labeling.ballot import LONGEST_MS, Shown, ballot_of, shown_of, told_of
from labeling.first_vote import SCORE_COLUMNS, first_vote
from labeling.flags import flag_raise
from labeling.locks import item_lock, slot_lock
from labeling.models import Annotation, Assignment, Flag, Item, Project
from labeling.permissions import require_labeler
from labeling.prepared import rows_of
from scoring.errors import BadInputError, ConflictError, NotThereError
from scoring.events import event_note
from scoring.models import Score
from scoring.score import displayed_scores, scores_of
from scoring.wake import knock

State = Assignment.State
SETTLE = "maintenance.consensus_settle"
DECIDED = (Item.State.APPROVED, Item.State.REJECTED)

# Asked at every vote, so prepared.
ANSWERED = "SELECT 1 FROM labeling_annotation WHERE assignment_id = %(slot)s OR key = %(key)s LIMIT 1"
SCORE = f"""
SELECT {", ".join(SCORE_COLUMNS)} FROM scoring_score WHERE id = %(score)s AND image_id = %(image)s
"""  # noqa: S608  (names of our own columns)
__all__ = [
    "DECIDED",
    "LONGEST_MS",
    "LONGEST_NOTE",
    "Answer",
    "Shown",
    "annotation_submit",
    "annotation_withdraw",
    "live_annotations",
    "recent_votes",
    "shown_of",
    "withdrawal_write",
]


def live_annotations() -> QuerySet[Annotation]:
    """The votes that count: ends of chains that are not withdrawn."""
    return Annotation.objects.filter(is_withdrawn=False, successor__isnull=True)


def recent_votes(*, user: User, project: Project, limit: int = 20) -> list[Annotation]:
    """The person's votes that count, newest first, with their images: what undo walks through."""
    votes = live_annotations().filter(rater_id=user.pk, item__project=project).order_by("-id")
    return list(votes.select_related("item__image__product", "assignment")[:limit])


def annotation_submit(
    *,
    user: User,
    assignment_id: int,
    key: UUID,
    rating: int | None = None,
    accept: bool = False,
    dimensions: Mapping[str, int] = NOTHING,
    defects: Mapping[str, bool] = NOTHING,
    is_flagged: bool = False,
    note: str = "",
    duration_ms: int = 0,
    supersedes_id: int | None = None,
    score_id: int | None = None,
) -> Annotation:
    """Store the person's vote on a slot they hold, or (``supersedes_id``) correct the one they gave.

    The same key with the same answer gives the row that is there; with another answer it is refused
    (``key_reused``). A vote that comes after its lease is stored as long as nobody else took the slot
    (``lease_lost``). ``score_id`` is the score the page showed, where it knows; else the displayed one
    is taken for it.
    """
    answer = Answer.of(
        assignment_id,
        rating=rating,
        accept=accept,
        dimensions=dimensions,
        defects=defects,
        is_flagged=is_flagged,
        note=note,
        supersedes_id=supersedes_id,
    )
    try:
        vote = first_vote(user, answer, key, duration_ms, score_id)
        if vote is not None:
            knock(SETTLE)
            return vote
        with transaction.atomic():
            return _submit(user, answer, key, duration_ms, score_id)
    except (
        IntegrityError
    ):  # the key was used for another image, or another tab took a second slot of this one
        twin = Annotation.objects.filter(key=key).first()
        if twin is None:
            raise _lease_lost() from None
        return _same(twin, user, answer.digest)


def _submit(user: User, answer: Answer, key: UUID, duration_ms: int, score_id: int | None) -> Annotation:
    slot = slot_lock(answer.assignment_id)
    last, twin = _last_and_twin(slot, key)
    if twin is not None:
        return _same(twin, user, answer.digest)
    require_labeler(user, slot.item.project)
    _require_undecided(slot.item)
    corrected = _corrected(last, user, answer)
    if corrected is None:
        _slot_take(slot, user)
    score = _score_shown(slot, score_id)
    vote = ballot_of(slot, user.pk, answer, score, key=key, duration_ms=duration_ms)
    vote.supersedes = last
    vote.save(force_insert=True)
    _note_submit(user, vote, corrected)
    if vote.is_flagged:
        flag_raise(item_id=slot.item_id, reason=Flag.Reason.ANNOTATOR, evidence={"notes": [vote.note]})
    _item_touch(slot.item, user)
    return vote


def _last_and_twin(slot: Assignment, key: UUID) -> tuple[Annotation | None, Annotation | None]:
    """The last row of the slot's chain, and the row that has this key already; a first vote finds neither."""
    if not rows_of(ANSWERED, {"slot": Int8(slot.pk), "key": key}):
        return None, None
    rows = list(Annotation.objects.filter(Q(assignment_id=slot.pk) | Q(key=key)).order_by("id"))
    chain = [row for row in rows if row.assignment_id == slot.pk]
    twin = next((row for row in rows if row.key == key), None)
    return (chain[-1] if chain else None), twin


def _same(twin: Annotation, user: User, digest: str) -> Annotation:
    if twin.rater_id != user.pk or twin.body_digest != digest:
        raise BadInputError(_("This key was used for another answer."), code="key_reused")
    return twin


def _corrected(last: Annotation | None, user: User, answer: Answer) -> Annotation | None:
    """The live vote this answer replaces; None when the slot has none and must be taken."""
    if last is not None and not last.is_withdrawn:
        if last.rater_id != user.pk:
            raise _lease_lost()
        if answer.supersedes_id != last.pk:
            raise ConflictError(_("You have voted on this image; correct that vote."), code="already_voted")
        return last
    if answer.supersedes_id is not None and (last is None or answer.supersedes_id != last.pk):
        raise ConflictError(_("The vote you correct no longer counts."), code="already_voted")
    return None


def _slot_take(slot: Assignment, user: User) -> None:
    """Mark the slot submitted if it is still the person's: leased to them, or run out and taken by nobody."""
    mine = Assignment.objects.filter(pk=slot.pk, user_id=user.pk, state__in=[State.LEASED, State.FREE])
    if mine.update(state=State.SUBMITTED, lease_until=None) != 1:
        raise _lease_lost()


def _lease_lost() -> ConflictError:
    return ConflictError(_("Your time for this image ran out and somebody else has it."), code="lease_lost")


def _require_undecided(item: Item) -> None:
    if item.state in DECIDED:
        raise ConflictError(_("A reviewer has decided on this image meanwhile."), code="decided")


def _score_shown(slot: Assignment, score_id: int | None) -> Score | None:
    image_id = slot.item.image_id
    if score_id is not None:
        rows = rows_of(SCORE, {"score": Int8(score_id), "image": Int8(image_id)})
        if not rows:
            raise BadInputError(_("That score is not one of this image."), code="bad_score")
        return Score(**dict(zip(SCORE_COLUMNS, rows[0], strict=True)))
    return displayed_scores().filter(image_id=image_id).first() or scores_of(image_ids=[image_id]).get(
        image_id
    )


def _note_submit(user: User, vote: Annotation, corrected: Annotation | None) -> None:
    event_note(
        actor=user,
        verb="annotate.correct" if corrected else "annotate.submit",
        target=vote,
        before={"rating": corrected.rating} if corrected else {},
        after=told_of(vote),
    )


def _item_touch(item: Item, user: User, *, state: str = "") -> None:
    """A new version of the item, to be settled again after the commit."""
    changes: dict[str, Any] = {"version": F("version") + 1, "is_due": True, "state": state or item.state}
    if item.returned_to_id == user.pk:
        changes["returned_to"] = None
    Item.objects.filter(pk=item.pk).update(**changes)
    knock(SETTLE)


@transaction.atomic
def annotation_withdraw(*, user: User, annotation_id: int, key: UUID) -> Annotation:
    """Undo: the vote no longer counts and its slot is leased to the person again."""
    vote = Annotation.objects.filter(pk=annotation_id, rater_id=user.pk).select_related("assignment").first()
    if vote is None:
        raise NotThereError(_("You gave no such vote."))
    item = item_lock(vote.item_id)
    digest = hashlib.sha256(f"withdraw {annotation_id}".encode()).hexdigest()
    twin = Annotation.objects.filter(key=key).first()
    if twin is not None:
        return _same(twin, user, digest)
    require_labeler(user, item.project)
    _require_undecided(item)
    if not live_annotations().filter(pk=vote.pk).exists():
        raise ConflictError(_("This vote was corrected or taken back already."), code="already_superseded")
    withdrawal = withdrawal_write(vote, key=key, digest=digest)
    now = timezone.now()
    until = now + timedelta(minutes=item.project.lease_minutes)
    Assignment.objects.filter(pk=vote.assignment_id, user_id=user.pk, state=State.SUBMITTED).update(
        state=State.LEASED, leased_at=now, lease_until=until
    )
    event_note(
        actor=user,
        verb="annotate.withdraw",
        target=withdrawal,
        before={"item": item.pk, "rating": vote.rating},
    )
    _item_touch(item, user, state=Item.State.OPEN if item.state == Item.State.SETTLED else "")
    return withdrawal


def withdrawal_write(vote: Annotation, *, key: UUID, digest: str) -> Annotation:
    """The row that says a live vote no longer counts; the caller holds the item."""
    return Annotation.objects.create(
        item_id=vote.item_id,
        assignment_id=vote.assignment_id,
        rater_id=vote.rater_id,
        is_withdrawn=True,
        key=key,
        body_digest=digest,
        supersedes=vote,
    )
