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

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Count, Q, QuerySet, Subquery
from django.utils import timezone

from scoring.access import require_reached
from scoring.events import event_note
from scoring.extract import Found, features_of, scores_by
from scoring.models import ModelVersion, Score, ScoringJob, Serving, StoredFeatures
from scoring.progress import Progress
from scoring.records import features_row
from scoring.registry import encoder_of, head_of, is_at_hand, serving
from scoring.shadow import shadow_beside
from scoring.wake import queue_length, wake

State = ScoringJob.State
TASK = "score.chunks"
RESEND_AFTER = timedelta(seconds=15)
RESEND_LIMIT = 500
SHORT_QUEUE = 4
TASK_SECONDS = 60.0  # one message drains chunks for so long, then passes the rest on

CLAIM = """
WITH free AS MATERIALIZED (
  SELECT id FROM scoring_scoringjob
  WHERE (state = 'pending' OR (state = 'running' AND lease_until < %(now)s))
    AND attempts >= %(tried)s AND attempts < %(below)s
  ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
UPDATE scoring_scoringjob AS job SET state = 'running', token = %(token)s, lease_until = %(until)s,
       attempts = attempts + 1
FROM free WHERE job.id = free.id
RETURNING job.id, job.image_id
"""
SUSPECT_AFTER = 2  # a picture whose workers died twice is tried alone, so that it harms no neighbour


@dataclass(frozen=True, slots=True)
class Claimed:
    """A chunk of jobs under one token: job id by image id."""

    token: UUID
    jobs: Mapping[int, int]


def score_wake() -> None:
    """Wake a score worker after the commit."""
    wake(TASK)


def score_chunks(*, seconds: float = TASK_SECONDS) -> int:
    """Claim and score chunks until none is left or time is up; returns images finished."""
    until = time.monotonic() + seconds
    finished = 0
    while time.monotonic() < until:
        models = _serving_models()  # asked before each claim: weights that cannot be read harm no job
        claimed = score_claim(limit=settings.SCORE_CHUNK)
        if not claimed.jobs:
            return finished
        finished += score_claimed(claimed, models)
    score_wake()
    return finished


def score_claim(*, limit: int) -> Claimed:
    """Take up to ``limit`` waiting or abandoned jobs; no other worker can hold the same."""
    claimed = _claim(limit=limit, tried=0, below=SUSPECT_AFTER)
    return claimed if claimed.jobs else _claim(limit=1, tried=SUSPECT_AFTER, below=settings.SCORE_ATTEMPTS)


def _claim(*, limit: int, tried: int, below: int) -> Claimed:
    token, now = uuid4(), timezone.now()
    until = now + timedelta(seconds=settings.SCORE_LEASE_S)
    with connection.cursor() as cursor:
        cursor.execute(
            CLAIM,
            {"token": token, "until": until, "now": now, "limit": limit, "tried": tried, "below": below},
        )
        return Claimed(token, {image: job for job, image in cursor.fetchall()})


def score_claimed(claimed: Claimed, models: Sequence[ModelVersion] | None = None) -> int:
    """Work on a claimed chunk and finish what is still ours; returns images scored by the first model.

    ``models``: the champion, then the displayed model where that is another. A fault gives the chunk
    back at once instead of letting it wait for its lease.
    """
    models = models or _serving_models()
    began = time.monotonic()
    try:
        found = features_of(list(claimed.jobs), models)
        scores = scores_by(models, found)
    except Exception:
        ScoringJob.objects.filter(token=claimed.token, state=State.RUNNING).update(
            state=State.PENDING, token=None, lease_until=None
        )
        raise
    champion_s = (time.monotonic() - began) / max(1, len(claimed.jobs))
    with transaction.atomic():
        ours = set(
            ScoringJob.objects.select_for_update()
            .filter(token=claimed.token, state=State.RUNNING)
            .order_by("pk")
            .values_list("image_id", flat=True)
        )
        done = ours & found.of[models[0].feature_version].keys()
        _write(found, [score for score in scores if score.image_id in done], done)
        _end_jobs(claimed, done, {pk: why for pk, why in found.refused.items() if pk in ours - done})
    shadow_beside(image_ids=sorted(done), champion_s=champion_s)
    return len(done)


def _serving_models() -> list[ModelVersion]:
    """The champion, and the displayed model where it is another and did not leave with an old release."""
    row = serving()
    head_of(row.champion)
    encoder_of(row.champion)
    is_other = row.displayed != row.champion and is_at_hand(row.displayed)
    return [row.champion, row.displayed] if is_other else [row.champion]


def _write(found: Found, scores: Sequence[Score], done: set[int]) -> None:
    fresh = [features_row(pk, features) for pk, features in found.fresh if pk in done]
    StoredFeatures.objects.bulk_create(fresh, ignore_conflicts=True)
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
    """Free abandoned jobs, fail hopeless ones, wake workers for old ones while the queue is short."""
    now = timezone.now()
    abandoned = ScoringJob.objects.filter(state=State.RUNNING, lease_until__lt=now)
    hopeless = abandoned | ScoringJob.objects.filter(state=State.PENDING)
    failed = hopeless.filter(attempts__gte=settings.SCORE_ATTEMPTS).update(
        state=State.FAILED,
        token=None,
        lease_until=None,
        finished_at=now,
        error=f"Given up after {settings.SCORE_ATTEMPTS} workers died on it.",
    )
    freed = abandoned.update(state=State.PENDING, token=None, lease_until=None, enqueued_at=None)
    return {"freed": freed, "failed": failed, "woken": _wake_for_old()}


def _wake_for_old() -> int:
    """Send wake-ups for jobs that wait since long, never onto a queue that is not short: no storms."""
    waiting = queue_length("score")
    if waiting is None or waiting >= SHORT_QUEUE:
        return 0
    now = timezone.now()
    old = ScoringJob.objects.filter(state=State.PENDING).filter(
        Q(enqueued_at__lt=now - RESEND_AFTER) | Q(enqueued_at=None)
    )
    chosen = list(old.order_by("pk").values_list("pk", flat=True)[:RESEND_LIMIT])
    if not chosen:
        return 0
    ScoringJob.objects.filter(pk__in=chosen).update(enqueued_at=now)
    wakes = min(SHORT_QUEUE - waiting, -(-len(chosen) // settings.SCORE_CHUNK))
    for _ in range(wakes):
        score_wake()
    return wakes


@transaction.atomic
def score_retry(*, by: User | None) -> int:
    """Try again every image whose scoring was given up; returns how many."""
    require_reached(by, "admin")
    count = ScoringJob.objects.filter(state=State.FAILED).update(
        state=State.PENDING, attempts=0, error="", finished_at=None, enqueued_at=timezone.now()
    )
    event_note(actor=by, verb="score.retry", after={"images": count})
    score_wake()
    return count


def displayed_scores() -> QuerySet[Score]:
    """Scores people see: those of the displayed model, for images that are not hidden."""
    displayed = Serving.objects.filter(pk=1).values("displayed_id")[:1]
    return Score.objects.filter(model_id=Subquery(displayed), image__is_hidden=False)


def scores_of(*, image_ids: Iterable[int], model: ModelVersion | None = None) -> dict[int, Score]:
    """Score by image id: of ``model``, else of the displayed model, else of the champion.

    Unscored images are absent. Two queries, three where the displayed model lacks some.
    """
    wanted = list(image_ids)
    if model is not None:
        return _scores_by(wanted, model.pk)
    row = serving()
    found = _scores_by(wanted, row.displayed_id)
    if row.champion_id != row.displayed_id and len(found) < len(wanted):
        found |= _scores_by([pk for pk in wanted if pk not in found], row.champion_id)
    return found


def _scores_by(image_ids: Sequence[int], model_id: int) -> dict[int, Score]:
    rows = Score.objects.filter(image_id__in=image_ids, model_id=model_id).select_related("model")
    return {score.image_id: score for score in rows}


def score_progress() -> Progress:
    """Scoring of the whole catalogue in one query."""
    counts = ScoringJob.objects.aggregate(
        total=Count("id"),
        failed=Count("id", filter=Q(state=State.FAILED)),
        done=Count("id", filter=Q(state__in=[State.DONE, State.FAILED])),
    )
    return Progress(done=counts["done"], total=counts["total"], failed=counts["failed"])
