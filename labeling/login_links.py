"""Who may be handed a link that logs them in without a password."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from labeling.models import Membership, Project
from labeling.permissions import Role, require_role
from scoring.errors import NotAllowedError, NotThereError
from scoring.events import event_note


@transaction.atomic
def login_link_permit(*, by: User, project: Project, user_id: int) -> User:
    """The member, if ``by`` may have a login link for them.

    A link is as good as the person's password, so an admin gets one only for somebody who has no power
    that the admin lacks: no staff, and nobody with a role in a project the admin does not administer.
    """
    require_role(by, project, Role.ADMIN)
    member = Membership.objects.filter(project=project, user_id=user_id).select_related("user").first()
    if member is None:
        raise NotThereError(_("There is no such person in this project."))
    person = member.user
    if not by.is_superuser and (person.is_staff or person.is_superuser or _elsewhere(person, by)):
        raise NotAllowedError(
            _("{name} also works where you are no admin; ask an admin of the site for a link.").format(
                name=person.get_username()
            ),
            code="more_power",
        )
    event_note(actor=by, verb="people.link", target=member)
    return person


def _elsewhere(person: User, by: User) -> bool:
    """Whether the person has a role in a live project that ``by`` does not administer."""
    mine = Membership.objects.filter(user_id=by.pk, role=Role.ADMIN).values("project_id")
    theirs = Membership.objects.filter(user_id=person.pk, project__is_archived=False)
    return theirs.exclude(project_id__in=mine).exists()
