"""What the Label page does, whether a picture is a slot or a probe: next, vote, undo, skip, heartbeat.

Slots first, always: what most requests are about costs not one question more. Only a number that is no slot
is looked for among the probes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from labeling.annotate import Answer, annotation_submit, annotation_withdraw, live_annotations, recent_votes
from labeling.card import Card, cards_of, probe_cards_of
from labeling.draw import places_among, probes_next, probes_waiting
from labeling.lease import Extended, lease_best, lease_extend, require_some
from labeling.models import Annotation, Assignment, Probe, ProbeAnswer, Project
from labeling.pause import pause_by_rule
from labeling.permissions import Labeler, labeler_of
from labeling.probes import (
    live_answers,
    probe_answer,
    probe_of,
    probe_skip,
    probe_unskip,
    probe_withdraw,
    probes_extend,
    recent_answers,
)
from labeling.qualify import qualify_first, round_is_open
from labeling.queue import item_skip, item_unskip
from scoring.errors import NotThereError

Vote = Annotation | ProbeAnswer


@dataclass(frozen=True, slots=True)
class Given:
    """An answer the person gave, as the list of things to undo shows it."""

    pk: int
    key: UUID
    rating: int | None
    title: str
    image_id: int


def pictures_next(
    *, user: User, project_id: int, count: int = 1, holding: Collection[int] = ()
) -> tuple[Project, list[Card]]:
    """Up to ``count`` cards for the person, leased; the project comes along. Refuses like ``lease_next``."""
    require_some(count)
    labeler = labeler_of(user, project_id)
    if labeler.must_qualify and round_is_open(labeler):
        return labeler.project, _round_cards(labeler, count, holding)
    probes = probes_next(labeler, count=count, holding=holding)
    wanted = count - len(probes)
    leased = lease_best(user, labeler.project, count=wanted, holding=holding) if wanted else []
    cards = cards_of(assignments=leased, user=user)
    if not probes:
        return labeler.project, cards
    for place, card in zip(
        places_among(len(cards) + len(probes), len(probes)), probe_cards_of(probes=probes), strict=False
    ):
        cards.insert(place, card)
    return labeler.project, cards


def _round_cards(labeler: Labeler, count: int, holding: Collection[int]) -> list[Card]:
    """Pictures of the round alone; when all are at hand the page is told where to go after the last."""
    cards = probe_cards_of(probes=probes_waiting(labeler, count, holding))
    if not cards:
        raise qualify_first()
    return cards


def card_held(*, user: User, project: Project, assignment_id: int) -> Card | None:
    """The card of a picture the person holds in the project."""
    held = Assignment.objects.filter(
        pk=assignment_id, project=project, user_id=user.pk, state=Assignment.State.LEASED
    )
    return next(iter(cards_of(assignments=list(held), user=user)), None) or _probe_card(user, assignment_id)


def card_again(*, user: User, vote: Vote) -> Card | None:
    """The card of a picture whose answer was taken back; None when its lease could not be had again."""
    if isinstance(vote, ProbeAnswer):
        return _probe_card(user, vote.probe_id)
    held = Assignment.objects.filter(pk=vote.assignment_id, user_id=user.pk, state=Assignment.State.LEASED)
    return next(iter(cards_of(assignments=list(held), user=user)), None)


def _probe_card(user: User, probe_id: int) -> Card | None:
    probe = probe_of(user=user, probe_id=probe_id)
    return next(iter(probe_cards_of(probes=[probe] if probe else [])), None)


def vote_give(*, user: User, assignment_id: int, key: UUID, **said: Any) -> Vote:
    """``annotation_submit`` for a slot, else an answer to the person's probe of that number."""
    try:
        return annotation_submit(user=user, assignment_id=assignment_id, key=key, **said)
    except NotThereError:
        if not _is_probe(user, assignment_id):
            raise
    said.pop("score_id", None)
    duration_ms = said.pop("duration_ms", 0)
    answer = Answer.of(assignment_id, **said)
    with transaction.atomic():
        told = probe_answer(user=user, answer=answer, key=key, duration_ms=duration_ms)
        if told.is_right is False and told.probe.kind == Probe.Kind.GOLD:
            pause_by_rule(user=user, project=told.probe.project)
    return told


def vote_of(*, user: User, **named: Any) -> Vote:
    """An answer of the person's by its ``key`` or ``pk``."""
    vote = Annotation.objects.filter(rater_id=user.pk, **named).first()
    said = vote or ProbeAnswer.objects.filter(rater_id=user.pk, **named).first()
    if said is None:
        raise NotThereError(_("You gave no such vote."))
    return said


def vote_live(*, user: User, assignment_id: int) -> Vote | None:
    """The person's answer that counts for a slot or probe."""
    vote = live_annotations().filter(assignment_id=assignment_id, rater_id=user.pk).first()
    return vote or live_answers().filter(probe_id=assignment_id, rater_id=user.pk).first()


def vote_take_back(*, user: User, vote_id: int, key: UUID) -> Vote:
    """Undo an answer of either kind."""
    if ProbeAnswer.objects.filter(pk=vote_id, rater_id=user.pk).exists():
        return probe_withdraw(user=user, answer_id=vote_id, key=key)
    return annotation_withdraw(user=user, annotation_id=vote_id, key=key)


def picture_skip(*, user: User, assignment_id: int) -> None:
    """Pass on a picture."""
    try:
        item_skip(user=user, assignment_id=assignment_id)
    except NotThereError:
        if not _is_probe(user, assignment_id):
            raise
        probe_skip(user=user, probe_id=assignment_id)


def picture_unskip(*, user: User, assignment_id: int) -> list[Card]:
    """Take a skip back: the card again."""
    if _is_probe(user, assignment_id):
        return probe_cards_of(probes=[probe_unskip(user=user, probe_id=assignment_id)])
    return cards_of(assignments=[item_unskip(user=user, assignment_id=assignment_id)], user=user)


def pictures_extend(*, user: User, assignment_ids: Collection[int]) -> Extended:
    """Heartbeat of a page for everything it holds."""
    extended = lease_extend(user=user, assignment_ids=assignment_ids)
    missing = set(assignment_ids) - extended.held
    if not missing:
        return extended
    return Extended(extended.until, extended.held | probes_extend(user=user, probe_ids=missing))


def given_lately(*, user: User, project: Project, limit: int) -> list[Given]:
    """What undo walks through, the newest first; numbers of votes and of answers run in one sequence."""
    votes = [
        Given(vote.pk, vote.key, vote.rating, str(vote.item.image.product), vote.item.image_id)
        for vote in recent_votes(user=user, project=project, limit=limit)
    ]
    answers = [
        Given(said.pk, said.key, said.rating, str(said.probe.image.product), said.probe.image_id)
        for said in recent_answers(user=user, project=project, limit=limit)
    ]
    return sorted(votes + answers, key=lambda given: -given.pk)[:limit]


def _is_probe(user: User, number: int) -> bool:
    return Probe.objects.filter(pk=number, user_id=user.pk).exists()
