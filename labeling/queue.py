"""Station 3, queue: which image whom next, and for how long.

Three files: the order (ordering.py), the leases (lease.py), and here what else can happen to an item in
the queue: somebody skips it, a lease runs out, nothing is left. Import all of it from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Exists, Min, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling.lease import (
    RETURN_KEPT_FOR,
    Extended,
    lease_extend,
    lease_next,
    lease_release,
    lease_these,
    lease_withdraw,
    leases_held,
)
from labeling.models import Assignment, Item, Project, Skip
from labeling.ordering import queue_fill, queue_reorder
from labeling.permissions import require_labeler
from scoring.errors import ConflictError, NotThereError

__all__ = [
    "RETURN_KEPT_FOR",
    "Extended",
    "Nothing",
    "QueueCounts",
    "item_skip",
    "item_unskip",
    "lease_extend",
    "lease_next",
    "lease_release",
    "lease_these",
    "lease_withdraw",
    "leases_held",
    "left_for",
    "nothing_words",
    "queue_counts",
    "queue_fill",
    "queue_reorder",
    "queue_sweep",
    "skips_forget",
    "why_nothing",
]

State = Assignment.State


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """Slots of a project, and what is left for one person."""

    open_items: int
    free: int
    leased: int
    submitted: int

    @property
    def total(self) -> int:
        """Slots that can carry a vote."""
        return self.free + self.leased + self.submitted


@dataclass(frozen=True, slots=True)
class Nothing:
    """Why a person gets no picture.

    ``code``: no_pictures, all_done (every slot has its vote), with_others (``held`` pictures are being
    looked at, the first lease ends at ``until``), yours_done (what is open they have voted on or
    skipped). ``skipped``: open images they passed on.
    """

    code: str
    skipped: int = 0
    held: int = 0
    until: datetime | None = None


@transaction.atomic
def item_skip(*, user: User, assignment_id: int) -> None:
    """Pass on an image: the slot is free again and this person is not offered it any more."""
    found = (
        Assignment.objects.filter(pk=assignment_id, user_id=user.pk).select_related("project", "item").first()
    )
    if found is None:
        raise NotThereError(_("You hold no such image."))
    require_labeler(user, found.project)
    if found.state == State.SUBMITTED:
        raise ConflictError(_("You have already voted on this image; undo the vote first."))
    Skip.objects.get_or_create(item_id=found.item_id, user_id=user.pk)
    Assignment.objects.filter(pk=found.pk, user_id=user.pk, state=State.LEASED).update(
        state=State.FREE, lease_until=None
    )
    Item.objects.filter(pk=found.item_id, returned_to_id=user.pk).update(returned_to=None)


@transaction.atomic
def item_unskip(*, user: User, assignment_id: int) -> Assignment:
    """Take a skip back: the image is theirs again, unless somebody else has it by now."""
    mine = Assignment.objects.filter(pk=assignment_id, user_id=user.pk)
    found = mine.select_related("project").first()
    if found is None:
        raise ConflictError(_("Somebody else has this picture now."), code="lease_lost")
    require_labeler(user, found.project)
    Skip.objects.filter(item_id=found.item_id, user_id=user.pk).delete()
    until = timezone.now() + timedelta(minutes=found.project.lease_minutes)
    mine.filter(state__in=[State.FREE, State.LEASED]).update(state=State.LEASED, lease_until=until)
    found.refresh_from_db()
    return found


def skips_forget(*, user: User, project: Project) -> int:
    """Offer a person again what they skipped in a project; returns how many images."""
    require_labeler(user, project)
    return Skip.objects.filter(user_id=user.pk, item__project=project).delete()[0]


def queue_sweep() -> dict[str, int]:
    """Tidy leases that ran out. The person stays named, so that a late vote still finds its slot."""
    now = timezone.now()
    expired = Assignment.objects.filter(state=State.LEASED, lease_until__lt=now)
    orphans = Item.objects.filter(returned_to__isnull=False).filter(
        Exists(expired.filter(item_id=OuterRef("pk"), user_id=OuterRef("returned_to_id")))
    )
    given_up = orphans.update(returned_to=None)
    freed = expired.update(state=State.FREE, lease_until=None)
    return {"freed": freed, "returns_given_up": given_up}


def queue_counts(*, project: Project) -> QueueCounts:
    """Slots by state in one query; a lease that ran out counts as free."""
    now = timezone.now()
    live = Q(state=State.LEASED, lease_until__gte=now)
    counts = Assignment.objects.filter(project=project).aggregate(
        open_items=Count("item_id", filter=Q(state__in=[State.FREE, State.LEASED]), distinct=True),
        leased=Count("id", filter=live),
        free=Count("id", filter=Q(state__in=[State.FREE, State.LEASED]) & ~live),
        submitted=Count("id", filter=Q(state=State.SUBMITTED)),
    )
    return QueueCounts(**counts)


def left_for(*, user: User, project: Project) -> int:
    """Images this person could still be handed: open, not voted on, not skipped, a slot free or theirs."""
    now = timezone.now()
    slots = Assignment.objects.filter(item_id=OuterRef("pk"))
    theirs = Q(state=State.LEASED, user_id=user.pk)
    free = slots.filter(Q(state=State.FREE) | Q(state=State.LEASED, lease_until__lt=now) | theirs)
    return (
        Item.objects.filter(project=project)
        .filter(Exists(free))
        .exclude(Exists(slots.filter(user_id=user.pk, state=State.SUBMITTED)))
        .exclude(Exists(Skip.objects.filter(item_id=OuterRef("pk"), user_id=user.pk)))
        .count()
    )


def why_nothing(*, user: User, project: Project) -> Nothing:
    """Why ``lease_next`` has nothing for a person."""
    now = timezone.now()
    slots = Assignment.objects.filter(project=project)
    if not slots.exists():
        return Nothing("no_pictures")
    unfinished = slots.filter(state__in=[State.FREE, State.LEASED])
    if not unfinished.exists():
        return Nothing("all_done")
    skipped = Skip.objects.filter(user_id=user.pk, item__project=project)
    open_skipped = skipped.filter(Exists(unfinished.filter(item_id=OuterRef("item_id")))).count()
    mine = Assignment.objects.filter(item_id=OuterRef("item_id"), user_id=user.pk)
    elsewhere = (
        unfinished.filter(state=State.LEASED, lease_until__gte=now)
        .exclude(Exists(mine))
        .exclude(Exists(skipped.filter(item_id=OuterRef("item_id"))))
        .aggregate(count=Count("item_id", distinct=True), first=Min("lease_until"))
    )
    if elsewhere["count"]:
        return Nothing("with_others", skipped=open_skipped, held=elsewhere["count"], until=elsewhere["first"])
    return Nothing("yours_done", skipped=open_skipped)


def nothing_words(nothing: Nothing) -> str:
    """What to tell the person, and what they can do."""
    match nothing.code:
        case "no_pictures":
            return _("No pictures are in this project yet. An admin can bring some in.")
        case "all_done":
            return _("Every picture has the votes it needs. Well done, everybody.")
        case "with_others":
            return ngettext(
                "The last picture is with somebody else; it comes back if they leave it.",
                "The last {held} pictures are with other people; they come back if left.",
                nothing.held,
            ).format(held=nothing.held)
        case _:
            return _("You have seen every picture that still needs votes. Other people do the rest.")
