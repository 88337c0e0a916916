"""A candidate enters the registry: tried, judged, and promoted where the gate says yes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

import numpy as np
from django.db import transaction
from django.utils import timezone

from scoring.core.promotion import GateRules, Verdict, judge
from scoring.core.types import ImageFeatures
from scoring.events import event_note
from scoring.locks import training_run_lock
from scoring.models import ModelVersion, StoredFeatures, TrainingRun
from scoring.promote import model_promote
from scoring.records import features_row
from scoring.run_lease import StoppedError, run_beat
from scoring.trial import Evaluation, metrics_of
from scoring.wake import wake

State = TrainingRun.State


@dataclass(frozen=True, slots=True)
class Made:
    """What a run made: weights by digest, how the trial went, and the features it had to make for it."""

    parent: ModelVersion
    feature_version: str
    weights_digest: str
    evaluation: Evaluation
    curve: Sequence[dict[str, float]] = ()
    features: Sequence[tuple[int, ImageFeatures]] = field(default_factory=list)


def candidate_judge(run: TrainingRun, token: UUID, made: Made) -> None:
    """Hold what a run made against the champion, and enter it with the gate's verdict."""
    run_beat(run, token, step="judging", progress=0.9)
    rng = np.random.default_rng(run.seed)
    verdict = judge(made.evaluation.trial, rules=GateRules(), rng=rng)
    metrics = metrics_of(made.evaluation, rng)
    run_beat(run, token, step="registering", progress=0.95)
    _register(run, token, made, metrics, verdict)


@transaction.atomic
def _register(run: TrainingRun, token: UUID, made: Made, metrics: dict[str, Any], verdict: Verdict) -> None:
    """Enter the candidate into the registry, end the run, and promote if the gate says yes."""
    held = training_run_lock(run.pk)
    if held.token != token or held.state != State.RUNNING:
        raise StoppedError
    model = ModelVersion.objects.create(
        name=f"{run.kind}-{run.pk}",
        kind=run.kind,
        state=ModelVersion.State.CANDIDATE if verdict.promote else ModelVersion.State.REFUSED,
        parent=made.parent,
        dataset=run.dataset,
        feature_version=made.feature_version,
        weights_digest=made.weights_digest,
        metrics=metrics,
        verdict={
            "promote": verdict.promote,
            "provisional": made.evaluation.provisional,
            "reasons": [asdict(reason) for reason in verdict.reasons],
            "unjudged": [asdict(category) for category in verdict.unjudged],
        },
    )
    TrainingRun.objects.filter(pk=run.pk).update(
        state=State.EVALUATED,
        candidate=model,
        token=None,
        lease_until=None,
        progress=1.0,
        step="done",
        curve=list(made.curve) or _before_and_after(metrics),
        finished_at=timezone.now(),
    )
    event_note(actor=None, verb="train.evaluated", target=run, after=_told(model, verdict))
    if verdict.promote:  # a refused model's features would only take room
        rows = [features_row(pk, features) for pk, features in made.features]
        StoredFeatures.objects.bulk_create(rows, ignore_conflicts=True)
    if verdict.promote and run.options.get("promote", True):
        model_promote(model=model, by=None)
    wake("maintenance.train_sweep")


def _told(model: ModelVersion, verdict: Verdict) -> dict[str, Any]:
    """What the audit trail keeps of a verdict; of categories nothing guarded, how many pictures each had."""
    told: dict[str, Any] = {"model": model.name, "passed": verdict.promote}
    if verdict.unjudged:
        told["too_few_to_judge"] = {each.category: each.pictures for each in verdict.unjudged}
        told["needed_to_judge"] = verdict.unjudged[0].needed
    return told


def _before_and_after(metrics: dict[str, Any]) -> list[dict[str, float]]:
    """A fast fit has no epochs: before and after is its curve."""
    return [
        {
            "epoch": epoch,
            "srcc": metrics[side]["srcc"]["value"],
            "rmse": metrics[side]["rmse"]["value"],
        }
        for epoch, side in enumerate(("champion", "candidate"))
    ]
