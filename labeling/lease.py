"""Station 3, queue, its middle: leases, which are claims on one slot of an item for some minutes.

A claim is one statement: candidates are read in order of priority from a partial index, the chosen rows
are locked with SKIP LOCKED, their state is asked again under the lock, and the same statement writes and
returns them. Two UNIQUE constraints (item, slot) and (item, user) are the last word: no image beyond its
overlap, nobody twice on one image.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _
from psycopg.types.numeric import Int8

from labeling.models import Assignment, Project
from labeling.permissions import require_labeler
from labeling.prepared import columns_of, parts_of, rows_of
from scoring.errors import BadInputError, ConflictError

State = Assignment.State
# Index rows looked at. The first is enough to pass over a few people's pictures and one's own votes, the
# second over those of some hundred people; the last is everything, before saying that nothing is left.
WINDOWS = (64, 1024, 2_000_000_000)
CANDIDATES = 48  # of which so many are ranked by product and person
MOST_LEASES = 24  # the grid page's largest sheet
LEVELS = 20  # priorities nearer than a twentieth are equal: there each person has an order of their own
TRIES = 4
RETURN_KEPT_FOR = timedelta(days=7)  # a returned image waits so long for its author before others get it

# What the person already holds comes first (a reloaded page, a returned image). Free slots are looked for
# at the top of the order and from the person's last vote downwards, a bounded number of index rows each:
# somebody far ahead of the others must not wade through thousands of images of their own. `nth` keeps two
# pictures of one product apart; the hash gives each person an order of their own among equals.
# The correlated bool_or is there on purpose: as an anti-join the planner, told by old statistics that the
# person has one row, reads all of their rows for each candidate.
LEASE = """
WITH held AS MATERIALIZED (
  SELECT a.id, a.item_id, a.priority, t.image_id, i.product_id, t.returned_to_id = %(me)s AS back
  FROM labeling_assignment a JOIN labeling_item t ON t.id = a.item_id
  JOIN scoring_image i ON i.id = t.image_id
  WHERE a.user_id = %(me)s AND a.state = 'leased' AND a.lease_until >= %(now)s AND a.project_id = %(project)s
), last AS MATERIALIZED (
  SELECT a.priority, i.product_id
  FROM (SELECT assignment_id FROM labeling_annotation WHERE rater_id = %(me)s ORDER BY id DESC LIMIT 1) v
  JOIN labeling_assignment a ON a.id = v.assignment_id JOIN labeling_item t ON t.id = a.item_id
  JOIN scoring_image i ON i.id = t.image_id
), seen AS MATERIALIZED (
  (SELECT id, item_id, priority, user_id, state, lease_until FROM labeling_assignment
   WHERE project_id = %(project)s AND state IN ('free', 'leased')
   ORDER BY priority DESC, id LIMIT {window})
  UNION ALL
  (SELECT id, item_id, priority, user_id, state, lease_until FROM labeling_assignment
   WHERE project_id = %(project)s AND state IN ('free', 'leased') AND priority <= (SELECT priority FROM last)
   ORDER BY priority DESC, id LIMIT {window})
), open AS MATERIALIZED (
  SELECT DISTINCT ON (item_id) id, item_id, priority FROM seen
  WHERE state = 'free' OR lease_until < %(now)s
  ORDER BY item_id, (user_id = %(me)s) DESC NULLS LAST, id
), top AS (
  SELECT s.id, s.item_id, s.priority FROM open s
  WHERE (SELECT bool_or(m.user_id = %(me)s AND m.id <> s.id)
         FROM labeling_assignment m WHERE m.item_id = s.item_id) IS NOT TRUE
    AND (SELECT bool_or(k.user_id = %(me)s) FROM labeling_skip k WHERE k.item_id = s.item_id) IS NOT TRUE
  ORDER BY s.priority DESC, s.id LIMIT {candidates}
), ranked AS MATERIALIZED (
  SELECT id, image_id, row_number() OVER (
    ORDER BY source, back DESC NULLS LAST, nth, floor(priority * {levels}) DESC,
             hashint8extended(item_id, %(me)s)) AS rank
  FROM (
    SELECT id, item_id, image_id, priority, back, 0 AS source, 0 AS nth
    FROM held WHERE NOT id = ANY (%(holding)s)
    UNION ALL
    SELECT o.id, o.item_id, t.image_id, o.priority, NULL, 1,
           row_number() OVER (PARTITION BY i.product_id ORDER BY o.priority DESC, o.id)
             + (i.product_id IN (SELECT product_id FROM held UNION ALL SELECT product_id FROM last))::int
    FROM top o JOIN labeling_item t ON t.id = o.item_id JOIN scoring_image i ON i.id = t.image_id
  ) found
), chosen AS (
  SELECT a.id, r.image_id, r.rank
  FROM labeling_assignment a JOIN ranked r ON r.id = a.id
  WHERE a.state = 'free' OR (a.state = 'leased' AND (a.lease_until < %(now)s OR a.user_id = %(me)s))
  ORDER BY r.rank
  LIMIT %(count)s
  FOR UPDATE OF a SKIP LOCKED
)
UPDATE labeling_assignment AS a
SET state = 'leased', user_id = %(me)s, leased_at = %(now)s,
    lease_until = CASE WHEN a.state = 'leased' AND a.user_id = %(me)s
                       THEN GREATEST(a.lease_until, %(until)s) ELSE %(until)s END
FROM chosen c
WHERE a.id = c.id
RETURNING {columns}, c.image_id, c.rank
"""

# Slots that were chosen already, for a sheet: those that are still free.
LEASE_THESE = f"""
UPDATE labeling_assignment AS a
SET state = 'leased', user_id = %(me)s, leased_at = %(now)s, lease_until = %(until)s
WHERE a.id IN (
  SELECT f.id FROM labeling_assignment f
  WHERE f.id = ANY (%(wanted)s) AND f.project_id = %(project)s
    AND (f.state = 'free' OR (f.state = 'leased' AND f.lease_until < %(now)s))
  ORDER BY f.id FOR UPDATE SKIP LOCKED)
RETURNING {columns_of(Assignment, "a")}
"""  # noqa: S608  (names of our own columns)


@dataclass(frozen=True, slots=True)
class Extended:
    """What a heartbeat kept: the end of the leases, and the assignments still held."""

    until: datetime
    held: frozenset[int]


def _statement(window: int) -> str:
    # Written out, not bound: a prepared statement is planned for the window it really reads.
    return LEASE.format(
        window=window, candidates=CANDIDATES, levels=LEVELS, columns=columns_of(Assignment, "a")
    )


LEASES = {window: _statement(window) for window in WINDOWS}


def lease_next(
    *, user: User, project: Project, count: int = 1, holding: Collection[int] = ()
) -> list[Assignment]:
    """Up to ``count`` leased slots for the person, best first; empty when nothing is left for them.

    Leases the person already has come first and are prolonged (a reloaded page continues where it
    was); a page that prefetches names those it has in ``holding`` and gets others. Each row carries
    ``image_id`` beside its columns. Refuses strangers and paused people.
    """
    require_some(count)
    require_labeler(user, project)
    return lease_best(user, project, count=count, holding=holding)


def require_some(count: int) -> None:
    """Refuse to hand out none, or more than a sheet of pictures."""
    if not 1 <= count <= MOST_LEASES:
        raise BadInputError(_("Ask for 1 to {most} images.").format(most=MOST_LEASES))


def lease_best(user: User, project: Project, *, count: int, holding: Collection[int]) -> list[Assignment]:
    """``lease_next`` for somebody whose role has been looked at."""
    for window in WINDOWS:
        leased = _lease(user, project, count=count, holding=holding, window=window)
        if leased:
            return leased
    return []


def _lease(
    user: User, project: Project, *, count: int, holding: Collection[int], window: int
) -> list[Assignment]:
    now = timezone.now()
    statement = LEASES[window]
    values = {
        "me": Int8(user.pk),
        "project": Int8(project.pk),
        "now": now,
        "until": now + timedelta(minutes=project.lease_minutes),
        "count": count,
        "holding": list(holding),
    }
    for attempt in range(TRIES):
        try:
            with transaction.atomic() if connection.in_atomic_block else nullcontext():
                rows = rows_of(statement, values)
            return [_assignment_of(row) for row in sorted(rows, key=lambda row: int(row[-1]))]
        except IntegrityError:  # two tabs of one person took two slots of one image
            if attempt == TRIES - 1:
                raise ConflictError(_("Too many requests at once; ask again.")) from None
    return []


def lease_these(*, user: User, project: Project, assignment_ids: Sequence[int]) -> list[Assignment]:
    """Lease these slots to the person, those that are still free, in the order asked for."""
    require_some(len(assignment_ids))
    require_labeler(user, project)
    now = timezone.now()
    values = {
        "me": Int8(user.pk),
        "project": Int8(project.pk),
        "now": now,
        "until": now + timedelta(minutes=project.lease_minutes),
        "wanted": [Int8(pk) for pk in assignment_ids],
    }
    try:
        with transaction.atomic() if connection.in_atomic_block else nullcontext():
            rows = rows_of(LEASE_THESE, values)
    except IntegrityError:  # another tab of theirs took another slot of one of the images
        raise ConflictError(_("Too many requests at once; ask again.")) from None
    leased = {slot.pk: slot for slot in (parts_of(row, Assignment)[0] for row in rows)}
    return [leased[pk] for pk in assignment_ids if pk in leased]


def _assignment_of(row: Sequence[Any]) -> Assignment:
    assignment: Assignment = parts_of(row, Assignment)[0]
    assignment.image_id = row[-2]  # type: ignore[attr-defined]  # not a column: what the statement knows
    return assignment


def lease_extend(*, user: User, assignment_ids: Collection[int]) -> Extended:
    """Heartbeat of a page: prolong the person's live leases; says which are still theirs, and until when.

    A lease that ran out but that nobody else took is revived. Leases already lost are left alone and
    not named: the page drops those pictures, and a vote for one would be told.
    """
    now = timezone.now()
    mine = Assignment.objects.filter(
        pk__in=list(assignment_ids), user_id=user.pk, state__in=[State.LEASED, State.FREE]
    )
    found = list(mine.values_list("pk", "project__lease_minutes"))
    until = now + timedelta(minutes=min((minutes for _pk, minutes in found), default=0))
    mine.filter(Q(lease_until__lt=until) | Q(lease_until=None)).update(state=State.LEASED, lease_until=until)
    held = mine.filter(state=State.LEASED).values_list("pk", flat=True) if found else ()
    return Extended(until, frozenset(held))


def lease_release(*, user: User, assignment_ids: Collection[int], until: datetime | None = None) -> int:
    """Give leases back, as a closing page does; returned images stay with their author.

    ``until``: only leases that end no later. A page that is loaded again has leased its picture anew
    before the old page's farewell arrives, and keeps it.
    """
    mine = Assignment.objects.filter(
        pk__in=list(assignment_ids), user_id=user.pk, state=State.LEASED
    ).exclude(item__returned_to_id=user.pk)
    if until is not None:
        mine = mine.filter(lease_until__lte=until)
    return mine.update(state=State.FREE, lease_until=None)


def lease_withdraw(*, user_id: int, project: Project) -> int:
    """Free every lease of a person in a project: an admin pauses or removes them."""
    return Assignment.objects.filter(user_id=user_id, project=project, state=State.LEASED).update(
        state=State.FREE, lease_until=None
    )


def leases_held(*, project: Project) -> Sequence[Assignment]:
    """Who holds what right now, for the People page."""
    return list(
        Assignment.objects.filter(project=project, state=State.LEASED, lease_until__gte=timezone.now())
        .select_related("user")
        .annotate(image_id=F("item__image_id"))
        .order_by("lease_until")[:500]
    )
