"""Station 3, queue, beside the slots: which probe whom, and when.

Drawn by chance at the project's rates, so that the usual request asks the database nothing more. A probe
drawn is a row; it waits for its person through reloads and sessions until it is answered or skipped.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from psycopg.types.numeric import Int8

from labeling.models import Annotation, Probe, ProbeAnswer
from labeling.permissions import Labeler
from labeling.prepared import rows_of

Kind, State = Probe.Kind, Probe.State
REPEAT_AFTER_VOTES = 40  # a picture comes again when so many others lie between
REPEAT_AFTER = timedelta(minutes=30)
REPEATS_FROM = 2000  # the votes behind those, of which one is drawn
SESSION_GAP = timedelta(minutes=30)  # who comes back after that begins a session

_dice = random.SystemRandom()  # nobody may foresee which picture is a question

# Never beside a picture of the same product: what the person holds, and what they rated last.
NEAR = """
SELECT i.product_id FROM labeling_assignment a JOIN labeling_item t ON t.id = a.item_id
JOIN scoring_image i ON i.id = t.image_id
WHERE a.user_id = %(me)s AND a.project_id = %(project)s AND a.state = 'leased' AND a.lease_until >= %(now)s
UNION ALL
SELECT i.product_id
FROM (SELECT item_id FROM labeling_annotation WHERE rater_id = %(me)s ORDER BY id DESC LIMIT 1) v
JOIN labeling_item t ON t.id = v.item_id JOIN scoring_image i ON i.id = t.image_id
"""
COLUMNS = """project_id, user_id, kind, image_id, scored_as_id, item_id, gold_id, repeats_id, is_blind,
  expected_low, expected_high, lease_until, opened_at"""
GOLD = f"""
INSERT INTO labeling_probe ({COLUMNS})
SELECT %(project)s, %(me)s, 'gold', g.image_id, g.source_id, NULL, g.id, NULL, random() < %(blind)s,
       g.expected_low, g.expected_high, %(until)s, %(now)s
FROM labeling_goldquestion g JOIN scoring_image i ON i.id = g.image_id
WHERE g.project_id = %(project)s AND g.retired_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM labeling_probe b WHERE b.user_id = %(me)s AND b.gold_id = g.id)
  AND NOT EXISTS (SELECT 1 FROM labeling_item t JOIN labeling_assignment a ON a.item_id = t.id
                  WHERE t.project_id = %(project)s AND t.image_id = g.image_id AND a.user_id = %(me)s)
  AND i.product_id NOT IN ({NEAR})
ORDER BY random() LIMIT %(count)s
ON CONFLICT DO NOTHING RETURNING id
"""  # noqa: S608  (our own words)
REPEAT = f"""
WITH past AS (
  SELECT id, item_id, assignment_id, is_withdrawn, is_planted, created_at
  FROM labeling_annotation WHERE rater_id = %(me)s
  ORDER BY id DESC OFFSET {REPEAT_AFTER_VOTES} LIMIT {REPEATS_FROM}
)
INSERT INTO labeling_probe ({COLUMNS})
SELECT %(project)s, %(me)s, 'repeat', t.image_id, t.image_id, t.id, NULL, v.id, a.is_blind, NULL, NULL,
       %(until)s, %(now)s
FROM past v JOIN labeling_item t ON t.id = v.item_id JOIN labeling_assignment a ON a.id = v.assignment_id
JOIN scoring_image i ON i.id = t.image_id
WHERE t.project_id = %(project)s AND NOT v.is_withdrawn AND NOT v.is_planted AND NOT i.is_hidden
  AND v.created_at < %(before)s
  AND NOT EXISTS (SELECT 1 FROM labeling_annotation later WHERE later.supersedes_id = v.id)
  AND NOT EXISTS (SELECT 1 FROM labeling_probe b WHERE b.user_id = %(me)s AND b.item_id = t.id)
  AND i.product_id NOT IN ({NEAR})
ORDER BY random() LIMIT %(count)s
ON CONFLICT DO NOTHING RETURNING id
"""  # noqa: S608  (conditions and numbers of our own)
# Finished pictures the person has not voted on first: their own would be recognised.
WARMUP = f"""
INSERT INTO labeling_probe ({COLUMNS})
SELECT %(project)s, %(me)s, 'warmup', t.image_id, t.image_id, t.id, NULL, NULL, random() < %(blind)s,
       NULL, NULL, %(until)s, %(now)s
FROM labeling_item t JOIN scoring_image i ON i.id = t.image_id
WHERE t.project_id = %(project)s AND t.state IN ('settled', 'approved') AND NOT i.is_hidden
ORDER BY EXISTS (SELECT 1 FROM labeling_assignment a WHERE a.item_id = t.id AND a.user_id = %(me)s),
  random() LIMIT %(count)s
RETURNING id
"""  # noqa: S608  (conditions and numbers of our own)


def probes_next(labeler: Labeler, *, count: int, holding: Collection[int]) -> list[Probe]:
    """Up to ``count`` probes for the person now: those that wait for them, then what chance brings."""
    waiting = probes_waiting(labeler, count, holding) if labeler.has_probes else []
    warmups = _warmups(labeler, count) if labeler.project.warmup_count and not waiting else []
    at_hand = (waiting + warmups)[:count]
    return at_hand + _drawn(labeler, count - len(at_hand))


def probes_waiting(labeler: Labeler, count: int, holding: Collection[int]) -> list[Probe]:
    """What was put to the person and not answered, but for what their page has; one query, one write."""
    found = _open(labeler).exclude(pk__in=list(holding)).exclude(image__is_hidden=True, image__is_made=False)
    probes = list(found.order_by("pk")[:count])
    until = timezone.now() + timedelta(minutes=labeler.project.lease_minutes)
    Probe.objects.filter(pk__in=[probe.pk for probe in probes]).update(lease_until=until)
    for probe in probes:
        probe.lease_until = until
    return probes


def _open(labeler: Labeler) -> Any:
    return Probe.objects.filter(user_id=labeler.user.pk, project_id=labeler.project.pk, state=State.OPEN)


def _warmups(labeler: Labeler, count: int) -> list[Probe]:
    """The pictures that begin a session, all of them at once: later requests find them waiting."""
    since = timezone.now() - SESSION_GAP
    if _is_at_work(labeler, since):
        return []
    return _insert(WARMUP, labeler, labeler.project.warmup_count)[:count]


def _is_at_work(labeler: Labeler, since: Any) -> bool:
    me = labeler.user.pk
    return (
        Annotation.objects.filter(rater_id=me, created_at__gte=since).exists()
        or ProbeAnswer.objects.filter(rater_id=me, created_at__gte=since).exists()
        or Probe.objects.filter(user_id=me, kind=Kind.WARMUP, opened_at__gte=since).exists()
    )


def _drawn(labeler: Labeler, count: int) -> list[Probe]:
    """One throw of the dice for each picture asked for."""
    project = labeler.project
    throws = [_dice.random() for _ in range(count)]
    golds = sum(throw < project.gold_rate for throw in throws)
    repeats = sum(project.gold_rate <= throw < project.gold_rate + project.repeat_rate for throw in throws)
    probes = _insert(GOLD, labeler, golds) if golds else []
    return probes + (_insert(REPEAT, labeler, repeats) if repeats else [])


def _insert(statement: str, labeler: Labeler, count: int) -> list[Probe]:
    now, project = timezone.now(), labeler.project
    values = {
        "me": Int8(labeler.user.pk),
        "project": Int8(project.pk),
        "blind": project.blind_rate,
        "count": count,
        "now": now,
        "until": now + timedelta(minutes=project.lease_minutes),
        "before": now - REPEAT_AFTER,
    }
    values = {name: value for name, value in values.items() if f"%({name})s" in statement}
    try:
        with transaction.atomic():
            ids = [row[0] for row in rows_of(statement, values)]
    except IntegrityError:  # another tab was given the same one
        return []
    return list(Probe.objects.filter(pk__in=ids).order_by("pk"))


def places_among(count: int, probes: int) -> list[int]:
    """Where ``probes`` stand in a hand of ``count`` pictures, by chance."""
    return sorted(_dice.sample(range(count), probes))
