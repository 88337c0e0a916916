"""Every image is scored exactly once by each model that serves, whatever dies on the way."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from scoring.models import Score, ScoringJob, StoredFeatures
from scoring.registry import base_model_ensure, serving
from scoring.score import score_chunks, score_claim, score_claimed, score_progress, score_sweep, scores_of
from scoring.storage import file_drop
from tests.factories import image_make, score_make

pytestmark = pytest.mark.django_db


def test_a_chunk_leaves_features_scores_and_finished_jobs() -> None:
    images = [image_make(stored=True) for _ in range(3)]
    assert score_chunks() == 3
    assert ScoringJob.objects.filter(state="done", token=None).count() == 3
    scores = scores_of(image_ids=[image.pk for image in images])
    assert set(scores) == {image.pk for image in images}
    for score in scores.values():
        assert 0 <= score.interval_low <= score.overall_score <= score.interval_high <= 100
        assert score.overall_std > 0
        assert len(score.findings) == 16
        assert score.model_id == serving().champion_id
    assert StoredFeatures.objects.count() == 3


def test_scoring_again_adds_nothing() -> None:
    image_make(stored=True)
    score_chunks()
    ScoringJob.objects.update(state="pending")
    score_chunks()
    assert Score.objects.count() == StoredFeatures.objects.count() == 1


def test_two_claims_never_share_an_image() -> None:
    for _ in range(4):
        image_make(stored=True)
    first, second = score_claim(limit=3), score_claim(limit=3)
    assert len(first.jobs) == 3
    assert len(second.jobs) == 1
    assert not first.jobs.keys() & second.jobs.keys()


def test_a_worker_taken_for_dead_writes_nothing() -> None:
    image = image_make(stored=True)
    late = score_claim(limit=1)
    ScoringJob.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert score_claim(limit=1).jobs.keys() == {image.pk}
    assert score_claimed(late) == 0
    assert not Score.objects.exists()


def test_the_sweeper_frees_abandoned_jobs_and_gives_up_hopeless_ones(settings: LazySettings) -> None:
    hopeful, hopeless = image_make(stored=True), image_make(stored=True)
    score_claim(limit=2)
    ScoringJob.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    ScoringJob.objects.filter(image=hopeless).update(attempts=settings.SCORE_ATTEMPTS)
    found = score_sweep()
    assert (found["freed"], found["failed"]) == (1, 1)
    assert ScoringJob.objects.get(image=hopeful).state == "pending"
    assert "died" in ScoringJob.objects.get(image=hopeless).error


def test_an_image_whose_file_is_gone_fails_with_its_reason_and_spoils_no_other() -> None:
    lost, kept = image_make(stored=True), image_make(stored=True)
    file_drop(lost.stored_name)
    assert score_chunks() == 1
    assert "missing" in ScoringJob.objects.get(image=lost).error
    assert ScoringJob.objects.get(image=kept).state == "done"
    assert score_progress().failed == 1


def test_scores_for_a_page_cost_two_queries() -> None:
    base_model_ensure()
    images = [image_make() for _ in range(5)]
    for image in images:
        score_make(image)
    with CaptureQueriesContext(connection) as queries:
        assert len(scores_of(image_ids=[image.pk for image in images])) == 5
    assert len(queries) == 2
