"""Station 10, rescore: the champion scores the catalogue from cached features; then people see it."""

from __future__ import annotations

import time

from django.db import connection, transaction
from django.db.models import F

from scoring.core.predict import predict_pictures
from scoring.locks import serving_lock
from scoring.models import ModelVersion, Score, ScoringJob, Serving, StoredFeatures
from scoring.progress import Progress
from scoring.records import features_of_row, score_row
from scoring.registry import head_of, serving
from scoring.wake import wake

TASK = "rescore.chunks"
CHUNK = 1000
TASK_SECONDS = 60.0

MISSING = """
SELECT f.id FROM scoring_storedfeatures f
WHERE f.version = %(version)s AND f.id > %(after)s AND NOT EXISTS (
  SELECT 1 FROM scoring_score s WHERE s.image_id = f.image_id AND s.model_id = %(model)s)
ORDER BY f.id LIMIT %(limit)s
"""


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
    scored, after = 0, 0
    while time.monotonic() < until:
        champion = serving().champion  # asked again for each chunk: it may have changed
        written, after = _chunk(champion, after=after)
        if written == 0:
            rescore_settle()
            return scored
        scored += written
    wake(TASK)
    return scored


def _chunk(model: ModelVersion, *, after: int) -> tuple[int, int]:
    """Write up to CHUNK missing scores of ``model``; two workers may both do it, the table keeps one."""
    with connection.cursor() as cursor:
        cursor.execute(
            MISSING, {"version": model.feature_version, "model": model.pk, "after": after, "limit": CHUNK}
        )
        ids = [row[0] for row in cursor.fetchall()]
    if not ids:
        return 0, after
    rows = list(StoredFeatures.objects.filter(pk__in=ids).order_by("pk"))
    predictions = predict_pictures(head=head_of(model), features=[features_of_row(row) for row in rows])
    Score.objects.bulk_create(
        [score_row(row.image_id, model.pk, p) for row, p in zip(rows, predictions, strict=True)],
        ignore_conflicts=True,
    )
    return len(rows), ids[-1]


@transaction.atomic
def rescore_settle() -> bool:
    """Show the champion's scores once it has scored every image that has a displayed score."""
    row = serving_lock()
    if row.displayed_id == row.champion_id:
        return False
    missing = (
        Score.objects.filter(model_id=row.displayed_id)
        .exclude(image_id__in=Score.objects.filter(model_id=row.champion_id).values("image_id"))
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
