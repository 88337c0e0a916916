"""Who may do what: one role per person and project, asked for at every station."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from psycopg.types.numeric import Int8

from labeling.models import Annotation, Membership, Probe, Project, Review
from labeling.prepared import columns_of, parts_of, rows_of
from scoring.errors import NotAllowedError, NotThereError

Role = Membership.Role

RANK = {Role.ANNOTATOR: 1, Role.REVIEWER: 2, Role.ADMIN: 3}

# Asked at every vote and every lease, so prepared.
MEMBER = f"""
SELECT m.role, m.is_paused, m.pause_reason, m.qualified_at IS NOT NULL,
       EXISTS (SELECT 1 FROM labeling_probe b
               WHERE b.user_id = m.user_id AND b.project_id = m.project_id AND b.state = 'open'),
       {columns_of(Project, "p")}
FROM labeling_membership m
JOIN labeling_project p ON p.id = m.project_id
JOIN auth_user u ON u.id = m.user_id AND u.is_active
WHERE m.user_id = %(user)s AND m.project_id = %(project)s
"""  # noqa: S608  (names of our own columns)

# (url name, words, least role)
PAGES = (
    ("home", _("Home"), Role.ANNOTATOR),
    ("label", _("Label"), Role.ANNOTATOR),
    ("compare", _("Compare"), Role.ANNOTATOR),
    ("grid", _("Grid"), Role.ANNOTATOR),
    ("review", _("Review"), Role.REVIEWER),
    ("catalogue", _("Catalogue"), Role.ANNOTATOR),
    ("learning", _("Learning"), Role.ADMIN),
    ("models", _("Models"), Role.ADMIN),
    ("data", _("Data"), Role.ADMIN),
    ("people", _("People"), Role.ADMIN),
    ("audit", _("Audit"), Role.ADMIN),
)


@dataclass(frozen=True, slots=True)
class Labeler:
    """A person who may rate in a project now. ``has_probes``: pictures beside the slots wait for them."""

    user: User
    project: Project
    role: Membership.Role
    has_probes: bool
    is_qualified: bool

    @property
    def must_qualify(self) -> bool:
        """Newcomers do, where the project asks for it; whoever reviews or administers has been chosen."""
        return self.project.qualification_count > 0 and self.role == Role.ANNOTATOR and not self.is_qualified


def qualify_words() -> str:
    """What a newcomer is told elsewhere than on the Label page."""
    return gettext("First do the qualification round on the Label page; then more pictures come here.")


def role_of(user: User, project: Project) -> Membership.Role | None:
    """The person's role in the project; a superuser is an admin everywhere."""
    if not user.is_active:
        return None
    if user.is_superuser:
        return Role.ADMIN
    role = Membership.objects.filter(project=project, user_id=user.pk).values_list("role", flat=True).first()
    return Role(role) if role else None


def require_labeler(user: User, project: Project) -> Membership.Role:
    """The person's role, if they may rate in the project now; a paused person is told why."""
    if user.is_active and user.is_superuser:
        return Role.ADMIN
    return _member(user, project.pk).role


def labeler_of(user: User, project_id: int) -> Labeler:
    """The person in a live project they may rate in now, by one statement; refuses like its sister."""
    found = _superuser(user, project_id) if user.is_superuser else _member(user, project_id)
    if found.project.is_archived:
        raise NotThereError(gettext("There is no such project for you."))
    return found


def labeler_project(user: User, project_id: int) -> Project:
    """A live project the person may rate in now."""
    return labeler_of(user, project_id).project


def _superuser(user: User, project_id: int) -> Labeler:
    project = Project.objects.filter(pk=project_id).first()
    if project is None or not user.is_active:
        raise NotThereError(gettext("There is no such project for you."))
    has_probes = Probe.objects.filter(user_id=user.pk, project_id=project_id, state=Probe.State.OPEN).exists()
    return Labeler(user, project, Role.ADMIN, has_probes=has_probes, is_qualified=True)


def _member(user: User, project_id: int) -> Labeler:
    rows = rows_of(MEMBER, {"user": Int8(user.pk), "project": Int8(project_id)})
    if not rows:
        raise NotThereError(gettext("There is no such project for you."))
    role, is_paused, why, is_qualified, has_probes, *values = rows[0]
    _require_at_work(is_paused, why)
    return Labeler(user, parts_of(values, Project)[0], Role(role), has_probes, is_qualified)


def _require_at_work(is_paused: bool, why: str) -> None:
    if is_paused:
        raise NotAllowedError(why or gettext("Your work in this project is paused."), code="paused")


def projects_of(user: User) -> QuerySet[Project]:
    """Live projects the person has a role in, oldest first; a superuser has one in each."""
    live = Project.objects.filter(is_archived=False).order_by("pk")
    if not user.is_active:
        return live.none()
    return live if user.is_superuser else live.filter(memberships__user_id=user.pk)


def administered_by(user: User) -> QuerySet[Project]:
    """Live projects the person is an admin of."""
    mine = projects_of(user)
    return mine if user.is_superuser else mine.filter(memberships__role=Role.ADMIN)


def require_role(user: User, project: Project, least: Membership.Role) -> Membership.Role:
    """The person's role if it reaches ``least``; strangers see nothing (404), others may not (403)."""
    role = role_of(user, project)
    if role is None:
        raise NotThereError("There is no such project for you.")
    if RANK[role] < RANK[least]:
        raise NotAllowedError(f"This needs the role {least.label}.")
    return role


def works_alone(user: User, project: Project) -> bool:
    """Whether an admin is the only person who ever voted or decided in the project.

    Four eyes need two people: alone, an admin may decide on pictures they voted on themselves.
    """
    if role_of(user, project) != Role.ADMIN:
        return False
    others_voted = Annotation.objects.filter(item__project=project).exclude(rater_id=user.pk)
    others_decided = Review.objects.filter(item__project=project).exclude(reviewer_id=user.pk)
    return not others_voted.exists() and not others_decided.exists()


def own_work(user: User, project: Project) -> QuerySet[Annotation]:
    """Votes that bar the person from deciding on their items: all of theirs, none while they work alone."""
    mine = Annotation.objects.filter(item__project=project, rater_id=user.pk)
    return mine.none() if works_alone(user, project) else mine


def highest_role(user: User) -> Membership.Role | None:
    """The highest role the person has in any live project: what decides site-wide pages."""
    if not user.is_active:
        return None
    if user.is_superuser:
        return Role.ADMIN
    roles = Membership.objects.filter(user_id=user.pk, project__is_archived=False).values_list(
        "role", flat=True
    )
    return max((Role(role) for role in roles), key=lambda role: RANK[role], default=None)


def pages_for(user: User) -> list[dict[str, Any]]:
    """Menu entries the person may open."""
    role = highest_role(user)
    if role is None:
        return [{"url_name": PAGES[0][0], "words": PAGES[0][1]}]
    return [{"url_name": name, "words": words} for name, words, least in PAGES if RANK[role] >= RANK[least]]
