"""The round before an annotator's first vote: some of the worst, middling and best pictures of the project.

It is no examination to fail: every answer is shown beside the label afterwards, it may be tried again, and an
admin may let somebody in without it. Where a project has too few finished pictures nobody waits for it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.core.gold import Band, band_near
from labeling.models import Consensus, GoldQuestion, Item, Membership, Probe, ProbeAnswer, Project
from labeling.people import member_lock
from labeling.permissions import Labeler, Role, require_labeler, require_role
from labeling.probes import live_answers
from scoring.errors import ConflictError, NotAllowedError
from scoring.events import event_note

QUALIFY_FIRST = "qualify_first"
TRIES = 3  # then an admin decides
BAD_BELOW, GOOD_FROM = 2.5, 3.7  # MOS: a round without a bad and a good picture tells nothing
SPOILT_MOS = 1.5  # what a gold question made by a fault stands for
MOST_READ = 400
FINISHED = (Item.State.SETTLED, Item.State.APPROVED)

_dice = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Example:
    """A picture to qualify with: its label (MOS 1-5) and the answers that are right."""

    image_id: int
    scored_as_id: int
    item_id: int | None
    gold_id: int | None
    mos: float
    band: Band


@dataclass(frozen=True, slots=True)
class Round:
    """A person's newest round. ``is_passed`` once all is answered and enough of it was right."""

    asked: int
    answered: int
    right: int
    tries: int
    pass_mark: float
    answers: Sequence[ProbeAnswer] = ()

    @property
    def is_over(self) -> bool:
        return self.asked > 0 and self.answered == self.asked

    @property
    def is_passed(self) -> bool:
        return self.is_over and self.right >= self.pass_mark * self.asked - 1e-9

    @property
    def tries_left(self) -> int:
        return max(0, TRIES - self.tries)


def round_is_open(labeler: Labeler) -> bool:
    """Whether somebody who has to qualify has pictures of their round left; False where none can be held.

    Else NotAllowedError (``qualify_first``) sends them to the page of the round.
    """
    if _open(labeler.user, labeler.project).exists():
        return True
    if labeler.project.qualification_count and _has_round(labeler):
        raise qualify_first()
    return False


def qualify_first() -> NotAllowedError:
    """What leads to the page of the round."""
    return NotAllowedError(_("A short round with known pictures comes first."), code=QUALIFY_FIRST)


def _has_round(labeler: Labeler) -> bool:
    begun = Probe.objects.filter(
        user_id=labeler.user.pk, project=labeler.project, kind=Probe.Kind.QUALIFY
    ).exists()
    return begun or round_can_be_held(project=labeler.project)


def round_can_be_held(*, project: Project) -> bool:
    """Whether there are enough finished pictures, bad and good ones among them."""
    return len(_examples(project, project.qualification_count)) >= 3


@transaction.atomic
def round_begin(*, user: User, project: Project) -> Round:
    """Put a round to the person; one that is under way goes on."""
    require_labeler(user, project)
    membership = member_lock(project, user.pk)
    known = round_of(user=user, project=project)
    if known.asked and not known.is_over:
        return known
    if membership.qualified_at is not None or known.is_passed:
        raise ConflictError(_("You have passed already."), code="passed")
    if not known.tries_left:
        raise NotAllowedError(_("An admin of the project helps you from here."), code="tries_over")
    examples = _examples(project, project.qualification_count)
    if len(examples) < 3:
        raise ConflictError(_("There are too few finished pictures for a round yet."), code="too_few")
    now = timezone.now()
    Probe.objects.bulk_create(
        Probe(
            project=project,
            user=user,
            kind=Probe.Kind.QUALIFY,
            image_id=example.image_id,
            scored_as_id=example.scored_as_id,
            item_id=example.item_id,
            gold_id=example.gold_id,
            is_blind=True,
            expected_low=example.band.low,
            expected_high=example.band.high,
            lease_until=now + timedelta(minutes=project.lease_minutes),
        )
        for example in examples
    )
    # One moment for all of them: that is what makes them a round.
    _open(user, project).update(opened_at=now)
    told = {"user": user.get_username(), "pictures": len(examples), "try": known.tries + 1}
    event_note(actor=user, verb="people.qualify_begin", target=membership, after=told)
    return round_of(user=user, project=project)


def round_of(*, user: User, project: Project) -> Round:
    """The person's newest round; nothing asked where there was none."""
    mine = Probe.objects.filter(user_id=user.pk, project=project, kind=Probe.Kind.QUALIFY)
    begun = sorted(set(mine.values_list("opened_at", flat=True)))
    mark = project.qualification_pass
    if not begun:
        return Round(0, 0, 0, 0, mark)
    newest = mine.filter(opened_at=begun[-1])
    answers = list(live_answers().filter(probe__in=newest).select_related("probe").order_by("id"))
    skipped = newest.filter(state=Probe.State.SKIPPED).count()
    right = sum(bool(said.is_right) for said in answers)
    return Round(newest.count(), len(answers) + skipped, right, len(begun), mark, answers)


@transaction.atomic
def round_take(*, user: User, project: Project) -> Membership:
    """Whoever has passed labels from now on; their answers of the round stay as they are."""
    membership = member_lock(project, user.pk)
    passed = round_of(user=user, project=project)
    if membership.qualified_at is None:
        if not passed.is_passed:
            raise ConflictError(_("The round is not passed yet."), code="not_passed")
        _qualify(membership, by=user, right=passed.right, asked=passed.asked)
    return membership


@transaction.atomic
def member_qualify(*, by: User, project: Project, user_id: int) -> Membership:
    """An admin lets somebody label without the round."""
    require_role(by, project, Role.ADMIN)
    membership = member_lock(project, user_id)
    if membership.qualified_at is None:
        _qualify(membership, by=by)
    return membership


def _qualify(membership: Membership, *, by: User, **told: int) -> None:
    membership.qualified_at = timezone.now()
    membership.save(update_fields=["qualified_at"])
    Probe.objects.filter(
        user_id=membership.user_id,
        project_id=membership.project_id,
        kind=Probe.Kind.QUALIFY,
        state=Probe.State.OPEN,
    ).update(state=Probe.State.SKIPPED)
    after = {"user": membership.user.get_username(), **told}
    event_note(actor=by, verb="people.qualify", target=membership, after=after)


def _open(user: User, project: Project) -> QuerySet[Probe]:
    return Probe.objects.filter(
        user_id=user.pk, project=project, kind=Probe.Kind.QUALIFY, state=Probe.State.OPEN
    )


def _examples(project: Project, count: int) -> list[Example]:
    """``count`` pictures, a third each of the worst, the middling and the best; [] without both ends."""
    known = sorted(_labelled(project) + _gold(project), key=lambda example: example.mos)
    bad = [each for each in known if each.mos <= BAD_BELOW]
    good = [each for each in known if each.mos >= GOOD_FROM]
    middle = [each for each in known if BAD_BELOW < each.mos < GOOD_FROM]
    if count < 1 or not bad or not good:
        return []
    third = max(1, count // 3)
    drawn = _some(bad, third) + _some(good, third)
    drawn += _some(middle, count - len(drawn))
    rest = [each for each in known if each not in drawn]
    drawn += _some(rest, count - len(drawn))
    return _some(drawn, len(drawn))


def _some(examples: Sequence[Example], count: int) -> list[Example]:
    return _dice.sample(list(examples), max(0, min(count, len(examples))))


def _labelled(project: Project) -> list[Example]:
    labels = Consensus.objects.filter(
        item__project=project, item__state__in=FINISHED, item__image__is_hidden=False, vote_count__gte=2
    ).order_by("std_error")
    rows = labels.values_list("item__image_id", "item_id", "mos")[:MOST_READ]
    return [Example(image, image, item, None, mos, band_near(mos)) for image, item, mos in rows]


def _gold(project: Project) -> list[Example]:
    """Spoilt pictures: a young project has few labels of bad ones."""
    live = GoldQuestion.objects.filter(project=project, retired_at=None, kind=GoldQuestion.Kind.SPOILT)
    return [
        Example(
            question.image_id,
            question.source_id,
            None,
            question.pk,
            SPOILT_MOS,
            Band(question.expected_low, question.expected_high),
        )
        for question in live[:MOST_READ]
    ]
