"""Labels of other tools: rows that carry some find their picture, and what was said of it is kept.

A row whose picture is here already is not fetched: it is known by the digest in its name (as in our own
exports; import_rows.py sees to that), by the address it came from, or by a file name that only one picture
has. Three statements for a whole import, since ten thousand rows must not be ten thousand questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import Count, Q

from scoring.models import ImportJob, OutsideLabel

WAITING = "r.job_id = %(job)s AND r.state = 'pending' AND r.told <> '[]'"

BY_ADDRESS = f"""
SELECT r.id AS row_id, min(e.image_id) AS image_id
FROM scoring_importrow r
JOIN scoring_importrow e ON e.reference = r.reference AND e.image_id IS NOT NULL
WHERE {WAITING}
GROUP BY r.id HAVING count(DISTINCT e.image_id) = 1
"""  # noqa: S608  (conditions and numbers of our own)

# Label Studio puts folders and eight digits of its own before the name of an uploaded file.
BY_NAME = f"""
WITH wanted AS (
  SELECT r.id, regexp_replace(regexp_replace(r.reference, '^.*[/=]', ''), '^[0-9a-f]{{8}}-', '') AS name
  FROM scoring_importrow r
  WHERE {WAITING} AND r.reference !~* '^https?://'
)
SELECT w.id AS row_id, min(i.id) AS image_id
FROM wanted w JOIN scoring_image i ON i.name = w.name
GROUP BY w.id HAVING count(*) = 1
"""  # noqa: S608  (conditions and numbers of our own)

SETTLE = """
WITH found AS ({found})
UPDATE scoring_importrow r SET state = 'duplicate', image_id = found.image_id
FROM found WHERE r.id = found.row_id AND r.state = 'pending'
"""

KEEP = """
INSERT INTO scoring_outsidelabel (job_id, image_id, kind, who, score, is_counted, created_at)
SELECT r.job_id, r.image_id, t ->> 0, t ->> 1, (t ->> 2)::float8, false, now()
FROM scoring_importrow r CROSS JOIN LATERAL jsonb_array_elements(r.told) AS t
WHERE r.job_id = %(job)s AND r.image_id IS NOT NULL
  AND (%(only)s::bigint[] IS NULL OR r.id = ANY (%(only)s::bigint[]))
ON CONFLICT DO NOTHING
"""


@transaction.atomic
def rows_resolve(job: ImportJob) -> int:
    """Settle the rows with labels whose picture is here, and keep their labels; returns labels kept."""
    with connection.cursor() as cursor:
        for found in (BY_ADDRESS, BY_NAME):
            cursor.execute(SETTLE.format(found=found), {"job": job.pk})
    return labels_keep(job_id=job.pk)


def labels_keep(*, job_id: int, row_ids: Sequence[int] | None = None) -> int:
    """Keep what rows with a picture say of it; the same thing twice is kept once. Returns how many."""
    if row_ids is not None and not row_ids:
        return 0
    with connection.cursor() as cursor:
        only = None if row_ids is None else list(row_ids)
        cursor.execute(KEEP, {"job": job_id, "only": only})
        return int(cursor.rowcount)


@dataclass(frozen=True, slots=True)
class Brought:
    """What an import brought that was said elsewhere: votes of so many ``raters``, those that count here,
    predictions. What somebody had said before is not among it."""

    votes: int
    raters: int
    counted: int
    predictions: int


def told_by(job: ImportJob) -> Brought:
    """Votes and predictions that came in with an import; one query."""
    votes = Q(kind=OutsideLabel.Kind.VOTE)
    found = OutsideLabel.objects.filter(job=job).aggregate(
        votes=Count("id", filter=votes),
        raters=Count("who", filter=votes, distinct=True),
        counted=Count("id", filter=votes & Q(is_counted=True)),
        predictions=Count("id", filter=Q(kind=OutsideLabel.Kind.PREDICTION)),
    )
    return Brought(**found)
