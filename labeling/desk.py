"""What lies before a reviewer: the flagged pictures that wait, and everything known of one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Count
from django.utils.translation import gettext as _

from labeling.evidence import Evidence, evidence_of
from labeling.life import Place, places_of
from labeling.models import Flag, Item, Project, Review
from labeling.permissions import Role, own_work, require_role, works_alone
from labeling.review import review_queue
from scoring.core.defects import ACCUSED_FROM
from scoring.errors import NotThereError
from scoring.models import Score
from scoring.score import scores_of

LIST_SIZE = 60
LAST_DECISIONS = 5


@dataclass(frozen=True, slots=True)
class Waiting:
    """One line of the queue."""

    item: Item
    score: Score | None


@dataclass(frozen=True, slots=True)
class Case:
    """The picture on the desk, with its neighbours in the queue."""

    item: Item
    score: Score | None
    accused: list[dict[str, Any]]
    places: list[Place]
    evidence: Evidence
    previous_id: int | None
    next_id: int | None
    next_image_id: int | None

    @property
    def is_waiting(self) -> bool:
        """Whether a decision is due; a decided one can be decided anew."""
        return self.item.state == Item.State.FLAGGED


@dataclass(frozen=True, slots=True)
class Desk:
    """The queue (at most sixty lines of ``total``), counts by reason, and the picture looked at."""

    waiting: list[Waiting]
    total: int
    by_reason: dict[str, int]
    own_count: int
    is_alone: bool
    case: Case | None
    last: list[Review]


def item_at(*, item_id: int, user: User, project: Project) -> Item:
    """An item of the project, for a reviewer."""
    require_role(user, project, Role.REVIEWER)
    item = Item.objects.filter(pk=item_id, project=project).select_related("image__product").first()
    if item is None:
        raise NotThereError(_("There is no such picture in this project."))
    return item


def desk_of(
    *, user: User, project: Project, reason: str = "", item_id: int | None = None, waiting_only: bool = False
) -> Desk:
    """The desk, standing at ``item_id`` or at the picture that waits longest.

    With ``waiting_only`` an item that waits no more gives way to the first that does, as after a
    decision; otherwise any item of the project can be looked at.
    """
    queue = review_queue(user=user, project=project, reason=reason)
    items = list(queue[:LIST_SIZE])
    at = next((item for item in items if item.pk == item_id), None)
    if at is None and item_id is not None and not waiting_only:
        at = item_at(item_id=item_id, user=user, project=project)
    if at is None and items:
        at = items[0]
    scores = scores_of(image_ids=[item.image_id for item in (*items, *([at] if at else []))])
    everything = review_queue(user=user, project=project)
    return Desk(
        waiting=[Waiting(item, scores.get(item.image_id)) for item in items],
        total=queue.count() if len(items) == LIST_SIZE else len(items),
        by_reason=_by_reason(everything.values("pk")),
        own_count=_own_count(user, project),
        is_alone=works_alone(user, project),
        case=_case(at, items, scores.get(at.image_id), user) if at else None,
        last=_last_decisions(user, project),
    )


def _by_reason(item_ids: Any) -> dict[str, int]:
    counted = Flag.objects.filter(item_id__in=item_ids, cleared_at=None).order_by().values_list("reason")
    return dict(counted.annotate(count=Count("id")))


def _own_count(user: User, project: Project) -> int:
    """Flagged items left out because the person voted on them."""
    own = own_work(user, project).values("item_id")
    return Item.objects.filter(project=project, state=Item.State.FLAGGED, pk__in=own).count()


def _case(item: Item, items: list[Item], score: Score | None, user: User) -> Case:
    findings = sorted(score.findings, key=lambda f: -float(f["probability"])) if score else []
    accused = [finding for finding in findings if float(finding["probability"]) >= ACCUSED_FROM]
    previous, following = _neighbours(item, items)
    return Case(
        item=item,
        score=score,
        accused=accused,
        places=places_of(accused),
        evidence=evidence_of(item=item, user=user),
        previous_id=previous.pk if previous else None,
        next_id=following.pk if following else None,
        next_image_id=following.image_id if following else None,
    )


def _neighbours(item: Item, items: list[Item]) -> tuple[Item | None, Item | None]:
    """The items before and behind in the queue; one outside the queue stands in front of its first."""
    ids = [each.pk for each in items]
    if item.pk not in ids:
        return None, items[0] if items else None
    at = ids.index(item.pk)
    return items[at - 1] if at else None, items[at + 1] if at + 1 < len(items) else None


def _last_decisions(user: User, project: Project) -> list[Review]:
    """The person's newest decisions, one for each item, to look at again."""
    mine = Review.objects.filter(reviewer_id=user.pk, item__project=project).order_by("-id")
    return list(mine.select_related("item__image__product")[:LAST_DECISIONS])
