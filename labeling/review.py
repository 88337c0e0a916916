"""Station 6, review: a person looks again at what was flagged, and the last decision stands.

Nobody decides on an image they voted on, whatever their role, unless they work alone. A page sends the
version it showed; if votes or another reviewer came in between, the decision is refused and nothing
changes.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Exists, F, Min, OuterRef, Prefetch, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.annotate import DECIDED, live_annotations, withdrawal_write
from labeling.answer import require_grade, require_text
from labeling.consensus import consensus_settle, label_fix
from labeling.flags import flag_raise, flags_clear, flags_open
from labeling.locks import item_lock, items_lock
from labeling.models import Annotation, Assignment, Consensus, Flag, Item, Membership, Project, Review
from labeling.permissions import Role, own_work, require_labeler, require_role
from labeling.queue import RETURN_KEPT_FOR
from scoring.errors import BadInputError, ConflictError, NotAllowedError
from scoring.events import event_note

__all__ = ["flag_raise", "flags_open", "review_decide", "review_decide_many", "review_queue"]

Decision = Review.Decision
Slot = Assignment.State
STATE_AFTER = {
    Decision.APPROVE: Item.State.APPROVED,
    Decision.FIX: Item.State.APPROVED,
    Decision.REJECT: Item.State.REJECTED,
    Decision.RETURN: Item.State.OPEN,
}
LONGEST_REASON = 1000
MOST_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Wish:
    """What a reviewer wants, checked for shape."""

    decision: str
    reason: str
    fixed_rating: int | None

    def __post_init__(self) -> None:
        if self.decision not in Decision.values:
            raise BadInputError(_("There is no such decision."), code="bad_decision")
        if self.decision in (Decision.REJECT, Decision.RETURN) and not self.reason:
            raise BadInputError(_("Say why, so that people can learn from it."), code="reason_missing")
        require_text(self.reason, most=LONGEST_REASON)
        if self.decision == Decision.FIX:
            require_grade(self.fixed_rating)
        elif self.fixed_rating is not None:
            raise BadInputError(_("Only a fix carries a rating."), code="bad_rating")


def review_queue(*, user: User, project: Project, reason: str = "") -> QuerySet[Item]:
    """Flagged items the person may decide on, longest waiting first, with open flags prefetched.

    Items they voted on are left out: those are somebody else's to decide.
    """
    require_role(user, project, Role.REVIEWER)
    open_flags = Flag.objects.filter(cleared_at=None)
    own = own_work(user, project).filter(item_id=OuterRef("pk"))
    items = Item.objects.filter(project=project, state=Item.State.FLAGGED).exclude(Exists(own))
    if reason:
        items = items.filter(Exists(open_flags.filter(item_id=OuterRef("pk"), reason=reason)))
    waiting_since = Min("flags__raised_at", filter=Q(flags__cleared_at=None))
    return (
        items.annotate(waiting_since=waiting_since)
        .order_by("waiting_since", "pk")
        .select_related("image__product", "consensus")
        .prefetch_related(Prefetch("flags", queryset=open_flags.order_by("id")))
    )


def review_decide(
    *,
    reviewer: User,
    item_id: int,
    decision: str,
    key: UUID,
    reason: str = "",
    fixed_rating: int | None = None,
    version: int | None = None,
    author_id: int | None = None,
) -> Review:
    """Approve, reject, return to an author, or fix an item.

    The same key gives the decision it made before. ``version`` is the one the page showed; without it
    only items nobody has decided yet can be decided. ``author_id`` says whom to return to; else it is
    the person whose vote lies furthest from the label.
    """
    wish = Wish(decision, reason.strip(), fixed_rating)
    try:
        with transaction.atomic():
            item = item_lock(item_id)
            _require_reviewer(reviewer, item.project)
            return _decide(reviewer, item, wish, key, version=version, author_id=author_id)
    except IntegrityError:  # the key was used for another item at the same moment
        return _same(Review.objects.get(key=key), reviewer, item_id, wish)


@transaction.atomic
def review_decide_many(
    *, reviewer: User, item_ids: Collection[int], decision: str, key: UUID, reason: str = ""
) -> list[Review]:
    """One decision for many items, all or none; items decided meanwhile are left out of the answer."""
    wish = Wish(decision, reason.strip(), None)
    if len(item_ids) > MOST_AT_ONCE:
        raise BadInputError(_("Decide on at most {most} images at once.").format(most=MOST_AT_ONCE))
    items = items_lock(item_ids)
    for project in {item.project_id: item.project for item in items}.values():
        _require_reviewer(reviewer, project)
    made = []
    for item in items:
        own_key = uuid.uuid5(key, str(item.pk))
        known = Review.objects.filter(key=own_key).exists()
        if item.state not in DECIDED or known:
            made.append(_decide(reviewer, item, wish, own_key, version=None, author_id=None))
    return made


def _require_reviewer(user: User, project: Project) -> None:
    """Refuse who is not a reviewer, and who is paused."""
    require_labeler(user, project)
    require_role(user, project, Role.REVIEWER)


def _decide(
    reviewer: User, item: Item, wish: Wish, key: UUID, *, version: int | None, author_id: int | None
) -> Review:
    twin = Review.objects.filter(key=key).first()
    if twin is not None:
        return _same(twin, reviewer, item.pk, wish)
    if own_work(reviewer, item.project).filter(item_id=item.pk).exists():
        raise NotAllowedError(
            _("You voted on this image yourself; another reviewer decides."), code="own_work"
        )
    _require_current(item, version)
    if item.is_due:  # the decision is on the label of every vote, those of the last second too
        consensus_settle(item_id=item.pk)
    if wish.decision == Decision.APPROVE and not Consensus.objects.filter(item=item).exists():
        raise BadInputError(_("Nobody has voted on this image; give it a rating instead."), code="no_label")
    review = Review.objects.create(
        item=item,
        reviewer_id=reviewer.pk,
        decision=wish.decision,
        reason=wish.reason,
        fixed_rating=wish.fixed_rating,
        key=key,
    )
    event_note(
        actor=reviewer,
        verb=f"review.{wish.decision}",
        target=item,
        before={"state": item.state},
        after={"state": STATE_AFTER[Decision(wish.decision)], "reason": wish.reason}
        | ({"rating": wish.fixed_rating} if wish.fixed_rating else {}),
    )
    _carry_out(item, review, author_id)
    return review


def _same(twin: Review, reviewer: User, item_id: int, wish: Wish) -> Review:
    said = (twin.decision, twin.reason, twin.fixed_rating, twin.item_id, twin.reviewer_id)
    if said != (wish.decision, wish.reason, wish.fixed_rating, item_id, reviewer.pk):
        raise BadInputError(_("This key was used for another decision."), code="key_reused")
    return twin


def _require_current(item: Item, version: int | None) -> None:
    if version is None and item.state in DECIDED:
        raise ConflictError(_("Another reviewer has decided on this image."), code="decided")
    if version is not None and version != item.version:
        raise ConflictError(_("This image changed while you looked at it; look again."), code="stale")


def _carry_out(item: Item, review: Review, author_id: int | None) -> None:
    author = None
    if review.decision == Decision.RETURN:
        author = _return(item, review, author_id)
    else:
        Assignment.objects.filter(item_id=item.pk, state__in=[Slot.FREE, Slot.LEASED]).update(
            state=Slot.CLOSED, lease_until=None
        )
        if review.decision == Decision.FIX:
            label_fix(item_id=item.pk, rating=review.fixed_rating or 0)
    flags_clear(item_id=item.pk)
    Item.objects.filter(pk=item.pk).update(
        state=STATE_AFTER[Decision(review.decision)],
        version=F("version") + 1,
        returned_to_id=author,
        is_due=review.decision == Decision.RETURN,
    )


def _return(item: Item, review: Review, author_id: int | None) -> int:
    """Take the author's vote back and lease the slot to them; returns who that is."""
    vote = _vote_to_return(item, author_id)
    digest = f"return {review.key}"
    withdrawal_write(vote, key=uuid.uuid5(review.key, "return"), digest=digest[:64])
    now = timezone.now()
    Assignment.objects.filter(pk=vote.assignment_id).update(
        state=Slot.LEASED, user_id=vote.rater_id, leased_at=now, lease_until=now + RETURN_KEPT_FOR
    )
    return vote.rater_id


def _vote_to_return(item: Item, author_id: int | None) -> Annotation:
    able = Membership.objects.filter(
        project_id=item.project_id, is_paused=False, user__is_active=True
    ).values("user_id")
    votes = list(live_annotations().filter(item_id=item.pk, rater_id__in=able).order_by("id"))
    if author_id is not None:
        votes = [vote for vote in votes if vote.rater_id == author_id]
    if not votes:
        raise ConflictError(_("Nobody who voted on this image can take it back."), code="no_author")
    label = Consensus.objects.filter(item=item).first()
    middle = label.mos if label else 3.0
    return max(votes, key=lambda vote: (abs((vote.rating or 0) - middle), vote.pk))
