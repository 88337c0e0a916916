"""Comparing, beside station 4: a person says which of two pictures is better, for good.

Pairs are chosen near the limits of grades (labeling/core/pairs.py) for the person who asks; nobody is asked
about a pair twice, and the database keeps one chain a person and pair. There are no leases: several people
may compare the same two pictures, and each of their answers counts. No score is shown beside a pair, so
there is nothing to be swayed by. Writers hold the lock of both items.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict
from uuid import UUID

import numpy as np
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.annotate import DECIDED, LONGEST_MS, SETTLE
from labeling.core.pairs import LIMITS, Candidates, pairs_of
from labeling.locks import items_lock
from labeling.models import Comparison, Item, Project
from labeling.permissions import labeler_of, qualify_words, require_labeler
from scoring.errors import BadInputError, ConflictError, NotThereError
from scoring.events import event_note
from scoring.wake import knock

Answer = Comparison.Answer
MOST_PAIRS = 12
MOST_CANDIDATES = 200  # pictures nearest to a limit, in doubts of their own
KEPT_SECONDS = 60  # a list that old is as good as new: it only says what to ask

# A label is surer than the model, so where there is one it says how close a picture is to a limit.
CANDIDATES = f"""
SELECT t.id, k.score, k.std, i.product_id, p.category
FROM labeling_item t
JOIN scoring_image i ON i.id = t.image_id AND NOT i.is_hidden
JOIN scoring_product p ON p.id = i.product_id
LEFT JOIN labeling_consensus c ON c.item_id = t.id
LEFT JOIN scoring_score s ON s.image_id = t.image_id
  AND s.model_id = (SELECT displayed_id FROM scoring_serving WHERE id = 1)
CROSS JOIN LATERAL (
  SELECT coalesce(c.mos_score, s.overall_score) AS score,
         greatest(coalesce(c.std_error * 25, s.overall_std), 0.5) AS std
) k
WHERE t.project_id = %(project)s AND t.state IN ('open', 'settled') AND k.score IS NOT NULL
ORDER BY least({", ".join(f"abs(k.score - {limit})" for limit in LIMITS)}) / k.std, t.id
LIMIT {MOST_CANDIDATES}
"""  # noqa: S608  (numbers of our own)

PAIRS_ASKED = """
SELECT left_id, right_id FROM labeling_comparison
WHERE rater_id = %(me)s AND project_id = %(project)s
  AND left_id = ANY (%(items)s) AND right_id = ANY (%(items)s)
"""


class Side(TypedDict):
    """One picture of a pair as the Compare page shows it: nothing that sways."""

    item: int
    image: int
    picture: str
    thumbnail: str
    width: int
    height: int
    title: str
    category: str


class PairCard(TypedDict):
    """Two pictures side by side."""

    left: Side
    right: Side


@dataclass(frozen=True, slots=True)
class Said:
    """What a person sent for a pair, checked for shape."""

    left_id: int
    right_id: int
    answer: str

    def __post_init__(self) -> None:
        if self.answer not in Answer.values:
            raise BadInputError(_("Say left, right, or that you can't say."), code="bad_answer")
        if self.left_id == self.right_id:
            raise BadInputError(_("Two different pictures are needed."), code="bad_pair")

    @property
    def digest(self) -> str:
        """SHA-256 of what was said."""
        return hashlib.sha256(json.dumps([self.left_id, self.right_id, self.answer]).encode()).hexdigest()


def live_comparisons() -> QuerySet[Comparison]:
    """The comparisons that count: ends of chains that are not withdrawn."""
    return Comparison.objects.filter(is_withdrawn=False, successor__isnull=True)


def recent_comparisons(*, user: User, project: Project, limit: int = 20) -> list[Comparison]:
    """The person's comparisons that count, newest first: what undo walks through."""
    found = live_comparisons().filter(rater_id=user.pk, project=project).order_by("-id")
    return list(found.select_related("left__image__product", "right__image__product")[:limit])


def compared_today(*, user: User, project: Project) -> int:
    """How many pairs the person has answered today."""
    return (
        live_comparisons()
        .filter(rater_id=user.pk, project=project, created_at__date=timezone.localdate())
        .count()
    )


# --- what to ask ----------------------------------------------------------------------------------------
def pairs_next(
    *, user: User, project: Project, count: int = 1, holding: Collection[int] = ()
) -> list[PairCard]:
    """Up to ``count`` pairs worth comparing; empty when nothing is left to ask this person.

    ``holding`` are items the page has already: it gets pairs of others. Refuses strangers and paused people.
    """
    if not 1 <= count <= MOST_PAIRS:
        raise BadInputError(_("Ask for 1 to {most} pairs.").format(most=MOST_PAIRS))
    labeler = labeler_of(user, project.pk)
    held = set(holding)
    rows = [] if labeler.must_qualify else [row for row in _candidates(project) if row[0] not in held]
    if len(rows) < 2:
        return []
    place = {row[0]: number for number, row in enumerate(rows)}
    asked = [(place[left], place[right]) for left, right in _asked(user, project, list(place))]
    chosen = pairs_of(
        _columns(rows),
        count=count,
        asked=asked,
        rng=np.random.default_rng(random.SystemRandom().getrandbits(64)),
    )
    return pair_cards([(rows[left][0], rows[right][0]) for left, right in chosen])


def no_pairs_words(*, user: User, project: Project) -> str:
    """Why ``pairs_next`` has nothing, and what to do."""
    if labeler_of(user, project.pk).must_qualify:
        return qualify_words()
    if not Item.objects.filter(project=project).exists():
        return _("No pictures are in this project yet. An admin can bring some in.")
    return _("You have compared every pair that is close to call. More come as pictures and votes come in.")


def pair_cards(pairs: Sequence[tuple[int, int]]) -> list[PairCard]:
    """A card for each pair of item ids, in one query; pairs with an item that is gone are left out."""
    ids = {item for pair in pairs for item in pair}
    items = Item.objects.filter(pk__in=ids).select_related("image__product")
    sides = {item.pk: _side(item) for item in items}
    return [
        PairCard(left=sides[left], right=sides[right])
        for left, right in pairs
        if left in sides and right in sides
    ]


def _side(item: Item) -> Side:
    image = item.image
    return Side(
        item=item.pk,
        image=image.pk,
        picture=reverse("picture", args=[image.pk]),
        thumbnail=reverse("thumbnail", args=[image.pk]),
        width=image.width,
        height=image.height,
        title=str(image.product),
        category=image.product.category,
    )


def _candidates(project: Project) -> list[list[Any]]:
    key = f"pairs:{project.pk}"
    known: list[list[Any]] | None = cache.get(key)
    if known is not None:
        return known
    with connection.cursor() as cursor:
        cursor.execute(CANDIDATES, {"project": project.pk})
        found = [list(row) for row in cursor.fetchall()]
    if len(found) >= MOST_CANDIDATES:  # a small project changes with every vote, and is read as fast
        cache.set(key, found, timeout=KEPT_SECONDS)
    return found


def _asked(user: User, project: Project, item_ids: list[int]) -> list[tuple[int, int]]:
    with connection.cursor() as cursor:
        cursor.execute(PAIRS_ASKED, {"me": user.pk, "project": project.pk, "items": item_ids})
        return [(left, right) for left, right in cursor.fetchall()]


def _columns(rows: Sequence[Sequence[Any]]) -> Candidates:
    categories = {name: number for number, name in enumerate(sorted({row[4] for row in rows}))}
    return Candidates(
        score=np.array([row[1] for row in rows], dtype=np.float64),
        std=np.array([row[2] for row in rows], dtype=np.float64),
        product=np.array([row[3] for row in rows], dtype=np.int64),
        category=np.array([categories[row[4]] for row in rows], dtype=np.int64),
    )


# --- what was said --------------------------------------------------------------------------------------
def comparison_submit(
    *, user: User, left_id: int, right_id: int, answer: str, key: UUID, duration_ms: int = 0
) -> Comparison:
    """Store what the person said of two items; after an undo the chain goes on.

    The same key with the same answer gives the row that is there, with another answer it is refused
    (``key_reused``). 409 ``already_compared``: they said something of this pair before.
    """
    said = Said(left_id, right_id, answer)
    try:
        with transaction.atomic():
            return _submit(user, said, key, duration_ms)
    except IntegrityError:  # another tab was a moment quicker
        twin = Comparison.objects.filter(key=key).first()
        if twin is None:
            raise _already() from None
        return _same(twin, user, said.digest)


def _submit(user: User, said: Said, key: UUID, duration_ms: int) -> Comparison:
    items = items_lock([said.left_id, said.right_id])
    if len(items) != 2 or items[0].project_id != items[1].project_id:
        raise NotThereError(_("There is no such pair for you."))
    project = items[0].project
    require_labeler(user, project)
    twin = Comparison.objects.filter(key=key).first()
    if twin is not None:
        return _same(twin, user, said.digest)
    last = _last(user, said)
    if last is not None and not last.is_withdrawn:
        raise _already()
    row = Comparison.objects.create(
        project=project,
        left_id=said.left_id,
        right_id=said.right_id,
        rater_id=user.pk,
        answer=said.answer,
        duration_ms=min(max(0, duration_ms), LONGEST_MS),
        key=key,
        body_digest=said.digest,
        supersedes=last,
    )
    told = {"left": said.left_id, "right": said.right_id, "answer": said.answer}
    event_note(actor=user, verb="compare.submit", target=row, after=told)
    _items_touch(items)
    return row


def _last(user: User, said: Said) -> Comparison | None:
    """The end of the person's chain for this pair, whichever way round."""
    pair = (said.left_id, said.right_id)
    rows = Comparison.objects.filter(rater_id=user.pk, left_id__in=pair, right_id__in=pair)
    return rows.filter(successor__isnull=True).first()


def _same(twin: Comparison, user: User, digest: str) -> Comparison:
    if twin.rater_id != user.pk or twin.body_digest != digest:
        raise BadInputError(_("This key was used for another answer."), code="key_reused")
    return twin


def _already() -> ConflictError:
    return ConflictError(_("You have compared these two pictures before."), code="already_compared")


def _items_touch(items: Sequence[Item]) -> None:
    """The labels of both are settled again after the commit; a reviewer's decision stands."""
    open_ids = [item.pk for item in items if item.state not in DECIDED]
    Item.objects.filter(pk__in=open_ids).update(is_due=True)
    knock(SETTLE)


@transaction.atomic
def comparison_withdraw(*, user: User, comparison_id: int, key: UUID) -> Comparison:
    """Undo: what was said no longer counts, and the pair may be answered again."""
    row = Comparison.objects.filter(pk=comparison_id, rater_id=user.pk).select_related("project").first()
    if row is None:
        raise NotThereError(_("You made no such comparison."))
    items = items_lock([row.left_id, row.right_id])
    digest = hashlib.sha256(f"withdraw {comparison_id}".encode()).hexdigest()
    twin = Comparison.objects.filter(key=key).first()
    if twin is not None:
        return _same(twin, user, digest)
    require_labeler(user, row.project)
    if not live_comparisons().filter(pk=row.pk).exists():
        raise ConflictError(_("This comparison was taken back already."), code="already_superseded")
    withdrawal = Comparison.objects.create(
        project_id=row.project_id,
        left_id=row.left_id,
        right_id=row.right_id,
        rater_id=user.pk,
        is_withdrawn=True,
        key=key,
        body_digest=digest,
        supersedes=row,
    )
    told = {"left": row.left_id, "right": row.right_id, "answer": row.answer}
    event_note(actor=user, verb="compare.withdraw", target=withdrawal, before=told)
    _items_touch(items)
    return withdrawal
