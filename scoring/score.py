"""Station 2, score: workers claim images in chunks and leave features and scores behind.

The row is the job (docs/adr/0001). A claim is one conditional UPDATE that leaves a token and a lease;
the finish is an UPDATE on that token in the transaction of the scores, so a worker that was taken for
dead writes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import numpy as np
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from scoring import device
from scoring.core.decode import PictureError
from scoring.core.predict import predict_pictures
from scoring.core.types import ImageFeatures
from scoring.errors import NotThereError
from scoring.models import Image, ModelVersion, Score, ScoringJob, Serving, StoredFeatures
from scoring.progress import Progress
from scoring.records import features_of_row, features_row, score_row
from scoring.registry import head_of, serving
from scoring.storage import picture_bytes
from scoring.wake import queue_length, wake

State = ScoringJob.State
TASK = "score.chunks"
RESEND_AFTER = timedelta(seconds=15)
SHORT_QUEUE = 4
TASK_SECONDS = 60.0  # one message drains chunks for so long, then passes the rest on

CLAIM = """
UPDATE scoring_scoringjob SET state = 'running', token = %(token)s, lease_until = %(until)s,
       attempts = attempts + 1
WHERE id IN (
  SELECT id FROM scoring_scoringjob
  WHERE state = 'pending' OR (state = 'running' AND lease_until < %(now)s)
  ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING id, image_id, attempts
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A chunk of jobs under one token: job id and attempts by image id."""

    token: UUID
    jobs: Mapping[int, int]
    attempts: Mapping[int, int]


def score_wake() -> None:
    """Wake a score worker after the commit."""
    wake(TASK)


def score_chunks(*, seconds: float = TASK_SECONDS) -> int:
    """Claim and score chunks until none is left or time is up; returns images finished."""
    until = time.monotonic() + seconds
    finished = 0
    while time.monotonic() < until:
        claimed = score_claim(limit=settings.SCORE_CHUNK)
        if not claimed.jobs:
            return finished
        finished += score_claimed(claimed)
    score_wake()
    return finished


def score_claim(*, limit: int) -> Claimed:
    """Take up to ``limit`` waiting or abandoned jobs; no other worker can hold the same."""
    token, now = uuid4(), timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(
            CLAIM,
            {
                "token": token,
                "until": now + timedelta(seconds=settings.SCORE_LEASE_S),
                "now": now,
                "limit": limit,
            },
        )
        rows = cursor.fetchall()
    return Claimed(token, {row[1]: row[0] for row in rows}, {row[1]: row[2] for row in rows})


def score_claimed(claimed: Claimed) -> int:
    """Work on a claimed chunk and finish what is still ours; returns images scored."""
    images = {image.pk: image for image in Image.objects.filter(pk__in=claimed.jobs)}
    now_serving = serving()
    features, refused = _features(images, version=now_serving.champion.feature_version)
    scores = _scores(features, [now_serving.champion, now_serving.displayed])
    with transaction.atomic():
        ours = set(
            ScoringJob.objects.select_for_update()
            .filter(token=claimed.token, state=State.RUNNING)
            .order_by("pk")
            .values_list("image_id", flat=True)
        )
        done = ours & set(features)
        _write(
            [features_row(pk, features[pk]) for pk in sorted(done)],
            [score for score in scores if score.image_id in done],
        )
        _end_jobs(claimed, done, {pk: why for pk, why in refused.items() if pk in ours})
    return len(done)


def _features(
    images: Mapping[int, Image], *, version: str
) -> tuple[dict[int, ImageFeatures], dict[int, str]]:
    """Features by image id, cached ones reused, and reasons by image id where there are none."""
    cached = StoredFeatures.objects.filter(image_id__in=images, version=version)
    found = {row.image_id: features_of_row(row) for row in cached}
    refused: dict[int, str] = {}
    blobs: dict[int, bytes] = {}
    for pk in images.keys() - found.keys():
        try:
            blobs[pk] = picture_bytes(images[pk])
        except NotThereError as error:
            refused[pk] = str(error)
    results = device.extract_each(
        list(blobs.values()), jpeg_qualities=[images[pk].jpeg_quality for pk in blobs]
    )
    for pk, result in zip(blobs, results, strict=True):
        if isinstance(result, PictureError):
            refused[pk] = str(result)
        else:
            found[pk] = result
    return found, refused


def _scores(features: Mapping[int, ImageFeatures], models: Iterable[ModelVersion]) -> list[Score]:
    """Scores by each model whose features these are; champion and displayed may be the same."""
    scores: list[Score] = []
    for model in {model.pk: model for model in models}.values():
        usable = {pk: f for pk, f in features.items() if f.version == model.feature_version}
        predictions = predict_pictures(head=head_of(model), features=list(usable.values()))
        scores += [score_row(pk, model.pk, p) for pk, p in zip(usable, predictions, strict=True)]
    return scores


def _write(features: Sequence[StoredFeatures], scores: Sequence[Score]) -> None:
    StoredFeatures.objects.bulk_create(features, ignore_conflicts=True)
    Score.objects.bulk_create(scores, ignore_conflicts=True)


def _end_jobs(claimed: Claimed, done: set[int], refused: Mapping[int, str]) -> None:
    now = timezone.now()
    mine = ScoringJob.objects.filter(token=claimed.token, state=State.RUNNING)
    mine.filter(image_id__in=done).update(
        state=State.DONE, token=None, lease_until=None, error="", finished_at=now
    )
    for pk, reason in refused.items():
        mine.filter(image_id=pk).update(
            state=State.FAILED, token=None, lease_until=None, error=reason[:500], finished_at=now
        )


def score_sweep() -> dict[str, int]:
    """Free abandoned jobs, fail hopeless ones, wake workers while the queue is short."""
    now = timezone.now()
    expired = ScoringJob.objects.filter(state=State.RUNNING, lease_until__lt=now)
    failed = expired.filter(attempts__gte=settings.SCORE_ATTEMPTS).update(
        state=State.FAILED,
        token=None,
        lease_until=None,
        finished_at=now,
        error=f"Given up after {settings.SCORE_ATTEMPTS} workers died on it.",
    )
    freed = expired.update(state=State.PENDING, token=None, lease_until=None)
    waiting = ScoringJob.objects.filter(state=State.PENDING).exists()
    woken = 0
    if waiting and (queue_length("score") or 0) < SHORT_QUEUE:
        score_wake()
        woken = 1
    return {"freed": freed, "failed": failed, "woken": woken}


def displayed_scores() -> QuerySet[Score]:
    """Scores people see: those of the displayed model, for images that are not hidden."""
    displayed = Serving.objects.filter(pk=1).values("displayed_id")[:1]
    return Score.objects.filter(model_id=Subquery(displayed), image__is_hidden=False)


def displayed_score_id() -> Subquery:
    """For annotating images: the id of the score people see, null where there is none."""
    displayed = Serving.objects.filter(pk=1).values("displayed_id")[:1]
    return Subquery(
        Score.objects.filter(image_id=OuterRef("pk"), model_id=Subquery(displayed)).values("id")[:1]
    )


def scores_of(*, image_ids: Iterable[int], model: ModelVersion | None = None) -> dict[int, Score]:
    """Score by image id: of ``model``, else of the displayed model. Unscored images are absent."""
    chosen = model.pk if model is not None else serving().displayed_id
    return {
        score.image_id: score
        for score in Score.objects.filter(image_id__in=list(image_ids), model_id=chosen).select_related(
            "model"
        )
    }


def score_progress() -> Progress:
    """Scoring of the whole catalogue in one query."""
    counts = ScoringJob.objects.aggregate(
        total=Count("id"),
        failed=Count("id", filter=Q(state=State.FAILED)),
        done=Count("id", filter=Q(state__in=[State.DONE, State.FAILED])),
    )
    return Progress(done=counts["done"], total=counts["total"], failed=counts["failed"])


def vectors_of(rows: Sequence[StoredFeatures]) -> np.ndarray:
    """Vectors (N, F) float32 of stored rows."""
    return np.stack([np.frombuffer(row.vector, dtype="<f4") for row in rows])
