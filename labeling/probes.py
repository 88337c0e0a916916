"""Station 4, annotate, beside the slots: what a person says to a probe.

The same answers, keys, corrections and undo as for a vote (annotate.py), on rows of their own: nothing said
here reaches a label.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.annotate import DECIDED, LONGEST_MS, Answer, shown_of
from labeling.flags import flag_raise
from labeling.locks import item_lock, probe_lock
from labeling.models import Flag, Probe, ProbeAnswer, Project
from labeling.permissions import require_labeler
from scoring.core.types import nearest_vote
from scoring.errors import BadInputError, ConflictError, NotThereError
from scoring.events import event_note
from scoring.models import Score
from scoring.score import scores_of

State = Probe.State


def live_answers() -> QuerySet[ProbeAnswer]:
    """Answers that count: ends of chains that are not withdrawn."""
    return ProbeAnswer.objects.filter(is_withdrawn=False, successor__isnull=True)


def recent_answers(*, user: User, project: Project, limit: int) -> list[ProbeAnswer]:
    """The person's answers that count, newest first, with their pictures."""
    mine = live_answers().filter(rater_id=user.pk, probe__project=project).order_by("-id")
    return list(mine.select_related("probe__image__product")[:limit])


def probe_of(*, user: User, probe_id: int) -> Probe | None:
    """The person's open probe, None for anybody else's."""
    return Probe.objects.filter(pk=probe_id, user_id=user.pk, state=State.OPEN).first()


def probe_answer(*, user: User, answer: Answer, key: UUID, duration_ms: int = 0) -> ProbeAnswer:
    """Store what the person says to a probe of theirs; twice with one key is once, as with votes."""
    try:
        with transaction.atomic():
            return _answer(user, answer, key, duration_ms)
    except IntegrityError:  # two requests with one key at once
        twin = ProbeAnswer.objects.filter(key=key).first()
        if twin is None:
            raise
        return _same(twin, user, answer.digest)


def _answer(user: User, answer: Answer, key: UUID, duration_ms: int) -> ProbeAnswer:
    probe = probe_lock(answer.assignment_id, user)
    chain = list(probe.answers.order_by("id"))
    twin = ProbeAnswer.objects.filter(key=key).first()
    if twin is not None:
        return _same(twin, user, answer.digest)
    require_labeler(user, probe.project)
    last = chain[-1] if chain else None
    _require_supersedes(last, answer.supersedes_id)
    rating, shown = _rating(probe, answer)
    said = ProbeAnswer.objects.create(
        probe=probe,
        rater_id=user.pk,
        rating=rating,
        is_accepted=answer.accept,
        is_right=_is_right(probe, rating),
        dimensions=dict(answer.dimensions),
        defects=dict(answer.defects),
        is_flagged=answer.is_flagged,
        note=answer.note,
        shown_score=shown,
        duration_ms=min(max(0, duration_ms), LONGEST_MS),
        key=key,
        body_digest=answer.digest,
        supersedes=last,
    )
    Probe.objects.filter(pk=probe.pk).update(state=State.ANSWERED)
    _flag(probe, said)
    event_note(
        actor=user,
        verb="probe.answer",
        target=said,
        after={"kind": probe.kind, "rating": rating, "right": said.is_right},
    )
    return said


def _same(twin: ProbeAnswer, user: User, digest: str) -> ProbeAnswer:
    if twin.rater_id != user.pk or twin.body_digest != digest:
        raise BadInputError(_("This key was used for another answer."), code="key_reused")
    return twin


def _require_supersedes(last: ProbeAnswer | None, named: int | None) -> None:
    """A live answer is only replaced by one that names it; see annotate.py."""
    if last is not None and not last.is_withdrawn and named != last.pk:
        raise ConflictError(_("You have voted on this image; correct that vote."), code="already_voted")
    if named is not None and (last is None or named != last.pk):
        raise ConflictError(_("The vote you correct no longer counts."), code="already_voted")


def _rating(probe: Probe, answer: Answer) -> tuple[int, float | None]:
    """The rating 1-5 and the score that was shown, None where it was hidden."""
    score: Score | None = scores_of(image_ids=[probe.scored_as_id]).get(probe.scored_as_id)
    shown = shown_of(probe, score).score
    if answer.rating is not None:
        return answer.rating, shown
    if shown is None:
        raise BadInputError(_("There is no score to accept: rate from 1 to 5."), code="nothing_to_accept")
    return nearest_vote(shown), shown


def _is_right(probe: Probe, rating: int) -> bool | None:
    if probe.expected_low is None or probe.expected_high is None:
        return None
    return probe.expected_low <= rating <= probe.expected_high


def _flag(probe: Probe, said: ProbeAnswer) -> None:
    """Whoever flags a picture that is really in the project reaches a reviewer, asked twice or not."""
    if not said.is_flagged or probe.item_id is None:
        return
    item = item_lock(probe.item_id)
    if item.state not in DECIDED:
        flag_raise(item_id=item.pk, reason=Flag.Reason.ANNOTATOR, evidence={"notes": [said.note]})


@transaction.atomic
def probe_withdraw(*, user: User, answer_id: int, key: UUID) -> ProbeAnswer:
    """Undo: the answer no longer counts and its picture is asked again."""
    said = ProbeAnswer.objects.filter(pk=answer_id, rater_id=user.pk).first()
    if said is None:
        raise NotThereError(_("You gave no such vote."))
    probe = probe_lock(said.probe_id, user)
    digest = hashlib.sha256(f"withdraw {answer_id}".encode()).hexdigest()
    twin = ProbeAnswer.objects.filter(key=key).first()
    if twin is not None:
        return _same(twin, user, digest)
    require_labeler(user, probe.project)
    if not live_answers().filter(pk=said.pk).exists():
        raise ConflictError(_("This vote was corrected or taken back already."), code="already_superseded")
    withdrawal = ProbeAnswer.objects.create(
        probe=probe, rater_id=user.pk, is_withdrawn=True, key=key, body_digest=digest, supersedes=said
    )
    _reopen(probe)
    event_note(actor=user, verb="probe.withdraw", target=withdrawal, before={"rating": said.rating})
    return withdrawal


@transaction.atomic
def probe_skip(*, user: User, probe_id: int) -> None:
    """Pass on a probe: it is not put to the person again."""
    probe = probe_lock(probe_id, user)
    require_labeler(user, probe.project)
    if probe.state == State.ANSWERED:
        raise ConflictError(_("You have already voted on this image; undo the vote first."))
    Probe.objects.filter(pk=probe.pk).update(state=State.SKIPPED)


@transaction.atomic
def probe_unskip(*, user: User, probe_id: int) -> Probe:
    """Take a skip back."""
    probe = probe_lock(probe_id, user)
    require_labeler(user, probe.project)
    if probe.state == State.SKIPPED:
        _reopen(probe)
    return probe


def probes_extend(*, user: User, probe_ids: Collection[int]) -> frozenset[int]:
    """Heartbeat: those of the person's probes that are still open, prolonged."""
    mine = Probe.objects.filter(pk__in=list(probe_ids), user_id=user.pk, state=State.OPEN)
    found = list(mine.values_list("pk", "project__lease_minutes"))
    if found:
        mine.update(lease_until=_until(min(minutes for _pk, minutes in found)))
    return frozenset(pk for pk, _minutes in found)


def _reopen(probe: Probe) -> None:
    probe.state, probe.lease_until = State.OPEN, _until(probe.project.lease_minutes)
    probe.save(update_fields=["state", "lease_until"])


def _until(minutes: int) -> datetime:
    return timezone.now() + timedelta(minutes=minutes)
