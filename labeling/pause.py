"""The project's rule that pauses a person, and how they appeal against it.

A rule must be able to be wrong: it speaks only when the upper end of the interval lies below what the project
asks for, it never stops an admin, it says why, and one press of an admin undoes it.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.answer import require_text
from labeling.core.rates import Figure, is_surely_below, wilson
from labeling.models import Appeal, Membership, ProbeAnswer, Project
from labeling.people import LONGEST_REASON, member_lock, member_resume
from labeling.permissions import Role, require_role
from labeling.probes import live_answers
from labeling.queue import lease_withdraw
from scoring.errors import BadInputError, ConflictError, NotThereError
from scoring.events import event_note

LONGEST_APPEAL = 1000
JUDGED = 60  # newest gold answers: people learn
MISSES_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Standing:
    """How a person stands under the project's rule: newest gold answers, right and all."""

    right: int
    count: int

    @property
    def accuracy(self) -> Figure | None:
        return wilson(self.right, self.count)


def standing_of(membership: Membership) -> Standing:
    """Gold answers since the person was last let go on, the newest ones; one query."""
    answers = live_answers().filter(
        rater_id=membership.user_id, probe__project_id=membership.project_id, probe__kind="gold"
    )
    if membership.judged_from is not None:
        answers = answers.filter(created_at__gte=membership.judged_from)
    said = list(answers.order_by("-id").values_list("is_right", flat=True)[:JUDGED])
    return Standing(sum(map(bool, said)), len(said))


def pause_by_rule(*, user: User, project: Project) -> bool:
    """Pause the person if they are surely below the project's accuracy; call after a wrong gold answer.

    Inside the caller's transaction. Admins are never paused by a rule: somebody has to be there to appeal to.
    """
    if project.least_gold_accuracy <= 0 or user.is_superuser:
        return False
    membership = Membership.objects.filter(project=project, user_id=user.pk, is_paused=False).first()
    if membership is None or membership.role == Role.ADMIN:
        return False
    at = standing_of(membership)
    least, fewest = project.least_gold_accuracy, project.fewest_gold_answers
    if not is_surely_below(at.right, at.count, least=least, fewest=fewest):
        return False
    return _pause(membership, at)


def _pause(membership: Membership, at: Standing) -> bool:
    reason = _("{right} of your last {count} check pictures were rated as expected.").format(
        right=at.right, count=at.count
    )
    paused = Membership.objects.filter(pk=membership.pk, is_paused=False).update(
        is_paused=True, pause_reason=reason[:LONGEST_REASON], paused_by=Membership.PausedBy.RULE
    )
    if not paused:
        return False
    lease_withdraw(user_id=membership.user_id, project=membership.project)
    told = {"user": membership.user.get_username(), "reason": reason, "right": at.right, "count": at.count}
    event_note(actor=None, verb="people.pause_by_rule", target=membership, after=told)
    return True


def misses_of(membership: Membership) -> list[ProbeAnswer]:
    """The last gold pictures the person got wrong, to learn from; they are not asked about these again."""
    wrong = live_answers().filter(
        rater_id=membership.user_id,
        probe__project_id=membership.project_id,
        probe__kind="gold",
        is_right=False,
    )
    return list(wrong.select_related("probe").order_by("-id")[:MISSES_SHOWN])


@transaction.atomic
def appeal_make(*, user: User, project: Project, text: str) -> Appeal:
    """A paused person asks an admin to look again; one question at a time."""
    membership = Membership.objects.filter(project=project, user_id=user.pk).first()
    if membership is None:
        raise NotThereError(_("There is no such project for you."))
    if not membership.is_paused:
        raise ConflictError(_("Your work here is not paused."), code="not_paused")
    text = text.strip()
    require_text(text, most=LONGEST_APPEAL)
    if not text:
        raise BadInputError(_("Write a line to the admin."), code="empty")
    try:
        with transaction.atomic():
            appeal = Appeal.objects.create(membership=membership, text=text)
    except IntegrityError:
        raise ConflictError(_("An admin has your question already."), code="appeal_open") from None
    event_note(actor=user, verb="people.appeal", target=appeal, after={"text": text})
    return appeal


@transaction.atomic
def appeal_answer(*, by: User, project: Project, appeal_id: int, answer: str, reply: str = "") -> Appeal:
    """An admin lets the person go on, or keeps the pause and says why."""
    require_role(by, project, Role.ADMIN)
    if answer not in Appeal.Answer.values:
        raise BadInputError(_("Either they go on or they stay paused."), code="unknown_answer")
    reply = reply.strip()
    require_text(reply, most=LONGEST_APPEAL)
    if answer == Appeal.Answer.KEEP and not reply:
        raise BadInputError(_("Say why: the person will read it."), code="reason_missing")
    found = Appeal.objects.filter(pk=appeal_id, membership__project=project).select_related("membership")
    appeal = found.first()
    if appeal is None:
        raise NotThereError(_("There is no such appeal."))
    member_lock(project, appeal.membership.user_id)
    answered = Appeal.objects.filter(pk=appeal.pk, answer="").update(
        answer=answer, reply=reply, answered_by=by, answered_at=timezone.now()
    )
    if not answered:
        raise ConflictError(_("Another admin has answered already."), code="answered")
    told = {"user": appeal.membership.user.get_username(), "answer": answer, "reason": reply}
    event_note(actor=by, verb="people.appeal_answer", target=appeal, after=told)
    if answer == Appeal.Answer.RESUME:
        member_resume(by=by, project=project, user_id=appeal.membership.user_id)
    appeal.refresh_from_db()
    return appeal


def appeals_open(*, project: Project) -> list[Appeal]:
    """Questions that wait for an admin, the oldest first."""
    waiting = Appeal.objects.filter(membership__project=project, answer="")
    return list(waiting.select_related("membership__user").order_by("id"))


def appeals_of(membership: Membership) -> list[Appeal]:
    """What the person asked and was told, the newest first."""
    return list(membership.appeals.order_by("-id")[:5])
