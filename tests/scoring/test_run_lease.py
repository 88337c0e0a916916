"""A worker at a long step keeps its run; one that is stopped, or stuck for ever, does not."""

from __future__ import annotations

import time
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.utils import timezone

from scoring import run_lease
from scoring.models import DatasetVersion, TrainingRun
from scoring.run_lease import lease_kept
from scoring.train import training_sweep

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def run(settings: LazySettings) -> TrainingRun:
    """A run somebody has just claimed, with a lease of a second."""
    settings.TRAIN_LEASE_S = 1
    dataset = DatasetVersion.objects.create(name="v1", digest="0" * 64, row_count=10)
    return TrainingRun.objects.create(
        kind="deep",
        state="running",
        trigger="button",
        dataset=dataset,
        token=uuid4(),
        lease_until=timezone.now(),
        step="training",
    )


def test_a_step_longer_than_the_lease_loses_nothing(run: TrainingRun) -> None:
    assert run.token is not None
    with lease_kept(run, run.token):
        time.sleep(1.3)
        assert training_sweep()["freed"] == 0
    time.sleep(1.1)
    assert training_sweep()["freed"] == 1


def test_whoever_lost_the_run_or_tells_nothing_new_keeps_nothing(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lease_kept(run, uuid4()):
        time.sleep(0.3)
        assert training_sweep()["freed"] == 1
    TrainingRun.objects.update(state="running", token=run.token, lease_until=timezone.now())
    monkeypatch.setattr(run_lease, "STUCK_S", -1.0)
    assert run.token is not None
    with lease_kept(run, run.token):
        time.sleep(0.6)
        assert training_sweep()["freed"] == 1
