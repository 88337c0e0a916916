"""Who works in a project, how they vote, and what an admin may change about it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.locks import members_lock
from labeling.models import Membership, Project
from labeling.permissions import Role, require_role
from labeling.queue import lease_withdraw
from scoring.errors import BadInputError, ConflictError, NotThereError
from scoring.events import event_note

LONGEST_REASON = 300
LONGEST_VOTE_MS = 180_000  # beyond it somebody left the page open; it says nothing about pace
FEWEST_SHARED = 5  # votes shared with others before bias and agreement mean anything

# Bias and agreement hold a vote against the mean of the others' votes on the same picture, never
# against a mean it is part of.
VOTES = """
WITH live AS (
  SELECT v.item_id, v.rater_id, v.rating, v.is_accepted, v.shown_score, v.is_planted, v.created_at,
         LEAST(v.duration_ms, %(longest)s) AS ms
  FROM labeling_annotation v JOIN labeling_item t ON t.id = v.item_id
  WHERE t.project_id = %(project)s AND NOT v.is_withdrawn
    AND NOT EXISTS (SELECT 1 FROM labeling_annotation later WHERE later.supersedes_id = v.id)
), beside AS (
  SELECT *, count(*) OVER same - 1 AS others, sum(rating) OVER same - rating AS sum_of_others
  FROM live WINDOW same AS (PARTITION BY item_id)
)
SELECT rater_id, count(*),
       3600000 * count(*) FILTER (WHERE ms > 0) / nullif(sum(ms)::float8, 0),
       count(*) FILTER (WHERE others > 0),
       avg(rating - sum_of_others::float8 / nullif(others, 0)),
       avg((abs(rating - sum_of_others::float8 / nullif(others, 0)) <= 1)::int::float8)
         FILTER (WHERE others > 0),
       avg(is_accepted::int::float8) FILTER (WHERE shown_score IS NOT NULL AND NOT is_planted),
       max(created_at)
FROM beside GROUP BY rater_id
"""


@dataclass(frozen=True, slots=True)
class Person:
    """One member. ``bias`` in grades above (+) or below (-) the others on the same pictures,
    ``agreement`` the share 0-1 of votes within one grade of them, ``accepted_share`` of shown
    predictions; None where there is too little to say."""

    user: User
    role: str
    votes: int
    votes_per_hour: float | None
    bias: float | None
    agreement: float | None
    accepted_share: float | None
    last_seen: datetime | None
    is_paused: bool
    pause_reason: str = ""
    is_qualified: bool = True


@dataclass(frozen=True, slots=True)
class NewMember:
    """A membership just made; ``password`` is set only where the account is new, and shown only once."""

    membership: Membership
    password: str = ""


@dataclass(frozen=True, slots=True)
class _Votes:
    count: int = 0
    per_hour: float | None = None
    shared: int = 0
    bias: float | None = None
    agreement: float | None = None
    accepted: float | None = None
    last: datetime | None = None


def people_of(*, project: Project) -> list[Person]:
    """Members by name with what their votes say about them; two queries."""
    votes = _votes_of(project)
    members = Membership.objects.filter(project=project).select_related("user").order_by("user__username")
    return [_person(member, votes.get(member.user_id, _Votes())) for member in members]


def _votes_of(project: Project) -> dict[int, _Votes]:
    with connection.cursor() as cursor:
        cursor.execute(VOTES, {"project": project.pk, "longest": LONGEST_VOTE_MS})
        return {row[0]: _Votes(*row[1:]) for row in cursor.fetchall()}


def _person(member: Membership, votes: _Votes) -> Person:
    comparable = votes.shared >= FEWEST_SHARED
    seen = [moment for moment in (votes.last, member.user.last_login) if moment is not None]
    return Person(
        user=member.user,
        role=member.role,
        votes=votes.count,
        votes_per_hour=votes.per_hour,
        bias=votes.bias if comparable else None,
        agreement=votes.agreement if comparable else None,
        accepted_share=votes.accepted,
        last_seen=max(seen, default=None),
        is_paused=member.is_paused,
        pause_reason=member.pause_reason,
        is_qualified=member.qualified_at is not None,
    )


@transaction.atomic
def member_add(*, by: User, project: Project, username: str, role: str) -> NewMember:
    """Give a person a role in the project; an unknown name gets an account and a password shown once."""
    require_role(by, project, Role.ADMIN)
    kind, name = _role(role), username.strip()
    person = User.objects.filter(username=name).first()
    password = ""
    if person is None:
        password = secrets.token_urlsafe(12)
        person = _account(name, password)
    membership, created = Membership.objects.get_or_create(
        project=project, user=person, defaults={"role": kind}
    )
    if not created:
        raise ConflictError(_("{name} is in this project already.").format(name=name), code="already_member")
    event_note(
        actor=by,
        verb="people.add",
        target=membership,
        after={"user": name, "role": kind, "new": bool(password)},
    )
    return NewMember(membership, password)


def _account(name: str, password: str) -> User:
    person = User(username=name)
    person.set_password(password)
    try:
        person.full_clean()
    except ValidationError as error:
        raise BadInputError(" ".join(error.messages), code="bad_name") from error
    person.save()
    return person


@transaction.atomic
def member_set_role(*, by: User, project: Project, user_id: int, role: str) -> Membership:
    """Change a person's role; a project never loses its last admin."""
    require_role(by, project, Role.ADMIN)
    kind, membership = _role(role), member_lock(project, user_id)
    before = membership.role
    if before == kind:
        return membership
    if before == Role.ADMIN:
        _require_other_admin(project, user_id)
    membership.role = kind
    membership.save(update_fields=["role"])
    event_note(
        actor=by, verb="people.set_role", target=membership, before={"role": before}, after={"role": kind}
    )
    return membership


@transaction.atomic
def member_pause(*, by: User, project: Project, user_id: int, reason: str) -> Membership:
    """Stop a person's labeling for now and tell them why; their leases go to others, votes stay."""
    require_role(by, project, Role.ADMIN)
    reason = reason.replace("\x00", "").strip()  # PostgreSQL keeps no NUL
    if not reason:
        raise BadInputError(_("Say why: the person will read it."), code="reason_missing")
    membership = member_lock(project, user_id)
    membership.is_paused, membership.pause_reason = True, reason[:LONGEST_REASON]
    membership.paused_by = Membership.PausedBy.ADMIN
    membership.save(update_fields=["is_paused", "pause_reason", "paused_by"])
    lease_withdraw(user_id=user_id, project=project)
    event_note(actor=by, verb="people.pause", target=membership, after={"reason": membership.pause_reason})
    return membership


@transaction.atomic
def member_resume(*, by: User, project: Project, user_id: int) -> Membership:
    """Let a paused person label again; gold answers given so far are forgiven."""
    require_role(by, project, Role.ADMIN)
    membership = member_lock(project, user_id)
    if membership.is_paused:
        before = {"reason": membership.pause_reason}
        membership.is_paused, membership.pause_reason, membership.paused_by = False, "", ""
        membership.judged_from = timezone.now()
        membership.save(update_fields=["is_paused", "pause_reason", "paused_by", "judged_from"])
        event_note(actor=by, verb="people.resume", target=membership, before=before)
    return membership


def leases_take_back(*, by: User, project: Project, user_id: int) -> int:
    """Free what a person holds, so that others may have it now; returns how many pictures."""
    require_role(by, project, Role.ADMIN)
    with transaction.atomic():
        membership = member_lock(project, user_id)
        freed = lease_withdraw(user_id=user_id, project=project)
        if freed:
            event_note(actor=by, verb="queue.release", target=membership, after={"pictures": freed})
    return freed


def _role(role: str) -> Membership.Role:
    if role not in Role.values:
        raise BadInputError(_("There is no such role."), code="unknown_role")
    return Role(role)


def member_lock(project: Project, user_id: int) -> Membership:
    """The membership, with every membership of the project locked: two admins may act at once."""
    found = next((each for each in members_lock(project) if each.user_id == user_id), None)
    if found is None:
        raise NotThereError(_("There is no such person in this project."))
    return found


def _require_other_admin(project: Project, user_id: int) -> None:
    others = Membership.objects.filter(
        project=project, role=Role.ADMIN, is_paused=False, user__is_active=True
    )
    if not others.exclude(user_id=user_id).exists():
        raise ConflictError(_("A project keeps at least one admin."), code="last_admin")
