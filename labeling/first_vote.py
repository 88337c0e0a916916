"""Station 4, annotate, its usual case: the first vote on a slot, by one look and one write.

A person who labels does this all day, so it costs two statements and no open transaction: the first tells
what the vote depends on, the second locks the item, asks again what may have changed meanwhile, and writes
slot, vote, event and item together or not at all. Where either finds anything unusual nothing is written,
and annotate.py goes the long way under the lock, which knows every refusal by name.
"""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone
from psycopg.types.numeric import Int8

from labeling.answer import Answer
from labeling.ballot import ballot_of, told_of
from labeling.models import Annotation, Assignment
from labeling.prepared import columns_of, parts_of, rows_of
from scoring.events import EVENT_INSERT
from scoring.models import Score

SCORE_COLUMNS = ("id", "image_id", "model_id", "overall_score", "overall_std")
KNOWN = f"""
SELECT {", ".join(f"s.{name}" for name in SCORE_COLUMNS)}, {columns_of(Assignment, "a")}
FROM labeling_assignment a
JOIN labeling_item t ON t.id = a.item_id
LEFT JOIN labeling_membership m ON m.project_id = t.project_id AND m.user_id = %(me)s
LEFT JOIN scoring_serving v ON v.id = 1
LEFT JOIN LATERAL (
  SELECT * FROM scoring_score c WHERE c.image_id = t.image_id
    AND (c.id = %(score)s::bigint
         OR (%(score)s::bigint IS NULL AND c.model_id IN (v.displayed_id, v.champion_id)))
  ORDER BY (c.model_id = v.displayed_id) DESC LIMIT 1
) s ON TRUE
WHERE a.id = %(slot)s AND a.user_id = %(me)s AND a.state IN ('leased', 'free')
  AND (NOT m.is_paused OR %(is_superuser)s)
  AND NOT EXISTS (SELECT 1 FROM labeling_annotation said WHERE said.assignment_id = %(slot)s)
"""  # noqa: S608  (names of our own columns)

# Of a vote; ``id`` comes from its sequence, and the first of a chain supersedes nothing.
KINDS = {
    "item_id": "bigint",
    "assignment_id": "bigint",
    "rater_id": "integer",
    "rating": "smallint",
    "is_accepted": "boolean",
    "is_withdrawn": "boolean",
    "dimensions": "jsonb",
    "defects": "jsonb",
    "is_flagged": "boolean",
    "note": "varchar",
    "shown_score": "float8",
    "shown_model_id": "bigint",
    "is_planted": "boolean",
    "duration_ms": "integer",
    "key": "uuid",
    "body_digest": "varchar",
    "created_at": "timestamptz",
}
WRITE = f"""
WITH held AS MATERIALIZED (
  SELECT id FROM labeling_item WHERE id = %(item_id)s AND state NOT IN ('approved', 'rejected')
  FOR NO KEY UPDATE
), taken AS (
  UPDATE labeling_assignment a SET state = 'submitted', lease_until = NULL FROM held
  WHERE a.id = %(assignment_id)s AND a.item_id = held.id AND a.user_id = %(rater_id)s
    AND a.state IN ('leased', 'free')
  RETURNING a.id
), made AS (
  INSERT INTO labeling_annotation ({", ".join(KINDS)})
  SELECT {", ".join(f"%({name})s::{kind}" for name, kind in KINDS.items())} FROM taken
  RETURNING id AS target_id, rater_id AS actor_id, created_at AS at, 'annotate.submit' AS verb,
            'annotation' AS target, '{{}}'::jsonb AS before, %(told)s::jsonb AS after
), noted AS (
  {EVENT_INSERT} FROM made
)
UPDATE labeling_item t
SET version = t.version + 1, is_due = TRUE, returned_to_id = NULLIF(t.returned_to_id, %(rater_id)s)
FROM made WHERE t.id = %(item_id)s
RETURNING made.target_id
"""  # noqa: S608  (names of our own columns)


def first_vote(
    user: User, answer: Answer, key: UUID, duration_ms: int, score_id: int | None
) -> Annotation | None:
    """The stored vote; None, and nothing written, where the long way must be gone."""
    if not user.is_active or answer.is_flagged or answer.supersedes_id is not None:
        return None
    slot, score = _known(user, answer.assignment_id, score_id)
    if slot is None or (score is None and score_id is not None):
        return None
    vote = ballot_of(slot, user.pk, answer, score, key=key, duration_ms=duration_ms)
    vote.created_at = timezone.now()
    with transaction.atomic() if connection.in_atomic_block else nullcontext():
        rows = rows_of(WRITE, _values(vote))
    if not rows:
        return None
    vote.pk, vote._state.adding, vote._state.db = rows[0][0], False, "default"
    return vote


def _known(user: User, slot_id: int, score_id: int | None) -> tuple[Assignment | None, Score | None]:
    """The slot, if it is the person's to vote on as far as one can see, and the score they were shown."""
    asked = {
        "me": Int8(user.pk),
        "slot": Int8(slot_id),
        "score": Int8(score_id) if score_id is not None else None,
        "is_superuser": user.is_superuser,
    }
    for row in rows_of(KNOWN, asked):
        score, rest = row[: len(SCORE_COLUMNS)], row[len(SCORE_COLUMNS) :]
        shown = Score(**dict(zip(SCORE_COLUMNS, score, strict=True))) if score[0] is not None else None
        return parts_of(rest, Assignment)[0], shown
    return None, None


def _values(vote: Annotation) -> dict[str, Any]:
    values = {name: getattr(vote, name) for name in KINDS} | {"told": told_of(vote)}
    return {
        name: json.dumps(value) if isinstance(value, dict) else (Int8(value) if type(value) is int else value)
        for name, value in values.items()
    }
