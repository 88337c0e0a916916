"""Station 10, rescore: the champion scores the catalogue from cached features; then people see it."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.db.models import F

from scoring.core.predict import score_table
from scoring.core.types import Dimension
from scoring.locks import serving_lock
from scoring.models import ModelVersion, Score, ScoringJob, Serving, StoredFeatures
from scoring.progress import Progress
from scoring.registry import head_of, serving
from scoring.wake import wake

TASK = "rescore.chunks"
CHUNK = 2000
TASK_SECONDS = 60.0
COLUMNS = ("overall", "std", "low", "high", *(str(dimension) for dimension in Dimension))

MISSING = """
SELECT f.id, f.vector, p.category FROM scoring_storedfeatures f
JOIN scoring_image i ON i.id = f.image_id JOIN scoring_product p ON p.id = i.product_id
WHERE f.version = %(version)s AND f.id > %(after)s AND NOT EXISTS (
  SELECT 1 FROM scoring_score s WHERE s.image_id = f.image_id AND s.model_id = %(model)s)
ORDER BY f.id LIMIT %(limit)s
"""

# Findings do not depend on the head, so they are copied inside the database.
WRITE = f"""
INSERT INTO scoring_score (image_id, model_id, overall_score, overall_std, interval_low, interval_high,
  {", ".join(f"{dimension}_score" for dimension in Dimension)}, findings, created_at)
SELECT f.image_id, %(model)s, {", ".join(f'u."{name}"' for name in COLUMNS)}, f.findings, now()
FROM unnest(%(ids)s::bigint[], {", ".join(f"%({name})s::float8[]" for name in COLUMNS)})
  AS u(id, {", ".join(f'"{name}"' for name in COLUMNS)})
JOIN scoring_storedfeatures f ON f.id = u.id
ORDER BY f.image_id
ON CONFLICT (image_id, model_id) DO NOTHING
"""  # noqa: S608 - only the names above are put in


def rescore_begin(*, model: ModelVersion) -> None:
    """Let workers score everything by ``model``; images without its features are queued anew."""
    have = StoredFeatures.objects.filter(version=model.feature_version).values("image_id")
    ScoringJob.objects.filter(state=ScoringJob.State.DONE).exclude(image_id__in=have).update(
        state=ScoringJob.State.PENDING, attempts=0
    )
    wake(TASK)
    wake("score.chunks")


def rescore_chunks(*, seconds: float = TASK_SECONDS) -> int:
    """Score from cached features until all is done or time is up, then let people see it."""
    until = time.monotonic() + seconds
    scored, after, last = 0, 0, 0
    while time.monotonic() < until:
        champion = serving().champion  # asked again for each chunk: it may have changed
        after = after if champion.pk == last else 0
        written, after = _chunk(champion, after=after)
        last, scored = champion.pk, scored + written
        if written == 0:
            rescore_settle()
            return scored
    wake(TASK)
    return scored


def rescore_fill(*, model: ModelVersion, limit: int) -> int:
    """Score what ``model`` lacks, up to about ``limit`` images, at once; returns how many."""
    scored = after = 0
    while scored < limit:
        written, after = _chunk(model, after=after)
        if written == 0:
            break
        scored += written
    return scored


def _chunk(model: ModelVersion, *, after: int) -> tuple[int, int]:
    """Write up to CHUNK missing scores of ``model``; two workers may both do it, the table keeps one."""
    told: dict[str, str | int] = {
        "version": model.feature_version,
        "model": model.pk,
        "after": after,
        "limit": CHUNK,
    }
    with connection.cursor() as cursor:
        cursor.execute(MISSING, told)
        rows = cursor.fetchall()
        if not rows:
            return 0, after
        vectors = np.stack([np.frombuffer(row[1], dtype="<f4") for row in rows])
        table = score_table(head_of(model), vectors, [row[2] for row in rows])
        columns: dict[str, Any] = {name: table[:, n].tolist() for n, name in enumerate(COLUMNS)}
        cursor.execute(WRITE, {"model": model.pk, "ids": [row[0] for row in rows], **columns})
    return len(rows), rows[-1][0]


@transaction.atomic
def rescore_settle() -> bool:
    """Show the champion's scores once it has scored every image that has a displayed score.

    An image whose scoring failed under the champion (its file is gone) holds nobody up.
    """
    if not Serving.objects.exists():
        return False
    row = serving_lock()
    if row.displayed_id == row.champion_id:
        return False
    missing = (
        Score.objects.filter(model_id=row.displayed_id)
        .exclude(image_id__in=Score.objects.filter(model_id=row.champion_id).values("image_id"))
        .exclude(image__scoring_job__state=ScoringJob.State.FAILED)
        .exists()
    )
    if missing:
        return False
    Serving.objects.filter(pk=row.pk).update(displayed=F("champion"))
    return True


def rescore_progress() -> Progress:
    """Images the champion has scored, of all that have a score people see."""
    row = Serving.objects.first()
    if row is None:
        return Progress(done=0, total=0)
    total = Score.objects.filter(model_id=row.displayed_id).count()
    if row.displayed_id == row.champion_id:
        return Progress(done=total, total=total)
    return Progress(done=min(total, Score.objects.filter(model_id=row.champion_id).count()), total=total)
