"""What people and the model said of one item, gathered for those who may know."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import User

from labeling.annotate import live_annotations
from labeling.models import Annotation, Assignment, Consensus, Flag, Item, Membership, Review
from labeling.permissions import RANK, Role, own_work

Slot = Assignment.State


@dataclass(frozen=True, slots=True)
class Evidence:
    """Votes that count, the label they make, open flags and past decisions, the oldest first.

    ``is_own`` says that the reader voted on it at some time, so may not decide on it unless alone.
    """

    votes: list[Annotation]
    label: Consensus | None
    flags: list[Flag]
    reviews: list[Review]
    is_own: bool


def evidence_of(*, item: Item, user: User) -> Evidence:
    """All of it, for a reviewer. At most eight queries."""
    return Evidence(
        votes=list(live_annotations().filter(item_id=item.pk).select_related("rater").order_by("id")),
        label=Consensus.objects.filter(item_id=item.pk).first(),
        flags=list(item.flags.filter(cleared_at=None).order_by("id")),
        reviews=list(item.reviews.select_related("reviewer").order_by("id")),
        is_own=own_work(user, item.project).filter(item_id=item.pk).exists(),
    )


def may_see_votes(*, role: Membership.Role, item: Item, user: User) -> bool:
    """Whether others' votes can sway this person no more: they review, have voted, or nobody votes now."""
    if RANK[role] >= RANK[Role.REVIEWER]:
        return True
    if live_annotations().filter(item_id=item.pk, rater_id=user.pk).exists():
        return True
    return not item.assignments.filter(state__in=[Slot.FREE, Slot.LEASED]).exists()
