"""Station 8, train: a worker fits a candidate, tries it against the champion, and the gate decides.

The row is the job: claimed by token and lease, kept by a heartbeat at every stage, taken over when
silent. The constraints allow one running and one waiting run.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from importlib.metadata import version
from typing import Any
from uuid import UUID, uuid4

import numpy as np
from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from scoring.access import require_reached
from scoring.core.checkpoint import write_tensors
from scoring.core.head import head_to_tensors
from scoring.core.promotion import GateRules, Verdict, judge
from scoring.core.splits import HOLDOUT
from scoring.errors import BadInputError, ConflictError
from scoring.events import event_note
from scoring.locks import training_run_lock
from scoring.models import DatasetVersion, ModelVersion, TrainingRun
from scoring.promote import model_promote
from scoring.registry import head_of, models_folder, serving
from scoring.trial import Labels, evaluate, fit_on, load_labels, metrics_of, root_of
from scoring.wake import wake

TASK = "train.run"
ATTEMPTS = 3
FEWEST_ROWS = 10
KINDS = (TrainingRun.Kind.FAST,)  # what people may ask for

State = TrainingRun.State


class StoppedError(Exception):
    """The run was cancelled or taken over; nothing more is written."""


def training_start(
    *,
    dataset: DatasetVersion,
    kind: str,
    trigger: str,
    started_by: User | None,
    seed: int = 0,
    promote: bool = True,
    origin: str = "",
) -> TrainingRun:
    """Queue one retrain; another one waiting is a ConflictError that names it.

    ``origin`` says in a word whose rule or button asked for it, so that it can be found again.
    """
    require_reached(started_by, "admin")
    if kind not in KINDS:
        raise BadInputError(_("There is no such kind of retrain."), code="unknown_kind")
    if dataset.row_count < FEWEST_ROWS:
        words = _("A retrain needs at least {fewest} finished labels; this dataset has {rows}.")
        raise BadInputError(words.format(fewest=FEWEST_ROWS, rows=dataset.row_count), code="too_few_labels")
    try:
        with transaction.atomic():
            run = TrainingRun.objects.create(
                kind=kind,
                trigger=trigger,
                dataset=dataset,
                started_by=started_by,
                seed=seed,
                options={"promote": promote, "origin": origin},
                enqueued_at=timezone.now(),
                step="waiting",
            )
            event_note(actor=started_by, verb="train.start", target=run, after={"dataset": dataset.name})
            wake(TASK, run.pk)
    except IntegrityError as error:
        waiting = TrainingRun.objects.filter(state=State.QUEUED).first()
        words = _("A retrain is waiting already (run {run}).")
        raise ConflictError(
            words.format(run=waiting.pk if waiting else "?"), code="already_queued"
        ) from error
    return run


@transaction.atomic
def training_cancel(*, run_id: int, by: User | None) -> TrainingRun:
    """Cancel a run: at once while it waits, at its next stage while it runs."""
    require_reached(by, "admin")
    run = training_run_lock(run_id)
    if run.state == State.QUEUED:
        run.state, run.finished_at = State.CANCELLED, timezone.now()
    if run.state == State.RUNNING:
        run.is_cancel_asked = True
    run.save(update_fields=["state", "finished_at", "is_cancel_asked"])
    event_note(actor=by, verb="train.cancel", target=run)
    return run


def training_execute(*, run_id: int) -> str:
    """Claim and do one run; returns its state. A run claimed elsewhere is left alone."""
    token = _claim(run_id)
    if token is None:
        return "not ours"
    run = TrainingRun.objects.select_related("dataset").get(pk=run_id)
    try:
        _fit_and_judge(run, token)
    except StoppedError:
        _end(run, token, state=State.CANCELLED)
    except (ValueError, BadInputError) as error:
        _end(run, token, state=State.FAILED, error=str(error)[:500])
    return str(TrainingRun.objects.values_list("state", flat=True).get(pk=run_id))


def _claim(run_id: int) -> UUID | None:
    token, now = uuid4(), timezone.now()
    try:
        with transaction.atomic():
            taken = TrainingRun.objects.filter(pk=run_id, state=State.QUEUED).update(
                state=State.RUNNING,
                token=token,
                lease_until=now + timedelta(seconds=settings.TRAIN_LEASE_S),
                started_at=now,
                environment=_environment(),
                step="loading",
                progress=0.02,
            )
    except IntegrityError:  # another one runs; this one stays queued
        return None
    return token if taken else None


def _fit_and_judge(run: TrainingRun, token: UUID) -> None:
    champion = serving().champion
    labels = load_labels(run.dataset, feature_version=champion.feature_version)
    if len(labels.targets) < FEWEST_ROWS:
        words = _("Only {rows} of the labelled images have features yet; score them first.")
        raise BadInputError(words.format(rows=len(labels.targets)))
    prior = head_of(root_of(champion))
    _beat(run, token, step="fitting", progress=0.2)
    fitted = fit_on(labels, labels.splits != HOLDOUT, prior)  # the holdout never teaches
    _beat(run, token, step="evaluating", progress=0.5)
    evaluation = evaluate(
        labels,
        fitted,
        prior,
        head_of(champion),
        seed=run.seed,
        taught=_taught(champion),
        usual_error=_usual_error(champion),
    )
    _beat(run, token, step="judging", progress=0.8)
    rng = np.random.default_rng(run.seed)
    verdict = judge(evaluation.trial, rules=GateRules(), rng=rng)
    metrics = metrics_of(evaluation, rng)
    digest = write_tensors(
        models_folder(), head_to_tensors(fitted), {"run": run.pk, "dataset": run.dataset.digest}
    )
    _beat(run, token, step="registering", progress=0.95)
    _register(run, token, champion, digest, metrics, verdict, provisional=evaluation.provisional)


def _taught(champion: ModelVersion) -> Labels | None:
    """What a champion that came from a fast retrain has learned from."""
    if champion.kind != ModelVersion.Kind.FAST or champion.dataset is None:
        return None
    return load_labels(champion.dataset, feature_version=champion.feature_version)


def _usual_error(champion: ModelVersion) -> float | None:
    """The champion's RMSE on the holdout it was let in by; None where it never had one."""
    told = champion.metrics
    return float(told["candidate"]["rmse"]["value"]) if told and not told["provisional"] else None


@transaction.atomic
def _register(
    run: TrainingRun,
    token: UUID,
    champion: ModelVersion,
    digest: str,
    metrics: dict[str, Any],
    verdict: Verdict,
    *,
    provisional: bool,
) -> None:
    """Enter the candidate into the registry, end the run, and promote if the gate says yes."""
    held = training_run_lock(run.pk)
    if held.token != token or held.state != State.RUNNING:
        raise StoppedError
    model = ModelVersion.objects.create(
        name=f"fast-{run.pk}",
        kind=ModelVersion.Kind.FAST,
        state=ModelVersion.State.CANDIDATE if verdict.promote else ModelVersion.State.REFUSED,
        parent=root_of(champion),
        dataset=run.dataset,
        feature_version=champion.feature_version,
        weights_digest=digest,
        metrics=metrics,
        verdict={
            "promote": verdict.promote,
            "provisional": provisional,
            "reasons": [asdict(reason) for reason in verdict.reasons],
        },
    )
    TrainingRun.objects.filter(pk=run.pk).update(
        state=State.EVALUATED,
        candidate=model,
        token=None,
        lease_until=None,
        progress=1.0,
        step="done",
        curve=_curve(metrics),
        finished_at=timezone.now(),
    )
    event_note(
        actor=None, verb="train.evaluated", target=run, after={"model": model.name, "passed": verdict.promote}
    )
    if verdict.promote and run.options.get("promote", True):
        model_promote(model=model, by=None)
    wake("maintenance.train_sweep")


def _curve(metrics: dict[str, Any]) -> list[dict[str, float]]:
    """A fast fit has no epochs: before and after is its curve."""
    return [
        {
            "epoch": 0,
            "srcc": metrics["champion"]["srcc"]["value"],
            "rmse": metrics["champion"]["rmse"]["value"],
        },
        {
            "epoch": 1,
            "srcc": metrics["candidate"]["srcc"]["value"],
            "rmse": metrics["candidate"]["rmse"]["value"],
        },
    ]


def _beat(run: TrainingRun, token: UUID, *, step: str, progress: float) -> None:
    """Show the stage and keep the lease; a cancelled or lost run stops here."""
    kept = TrainingRun.objects.filter(
        pk=run.pk, token=token, state=State.RUNNING, is_cancel_asked=False
    ).update(
        step=step,
        progress=progress,
        lease_until=timezone.now() + timedelta(seconds=settings.TRAIN_LEASE_S),
    )
    if not kept:
        raise StoppedError


def _end(run: TrainingRun, token: UUID, *, state: str, error: str = "") -> None:
    TrainingRun.objects.filter(pk=run.pk, token=token, state=State.RUNNING).update(
        state=state, token=None, lease_until=None, error=error, finished_at=timezone.now()
    )


def training_sweep() -> dict[str, int]:
    """Queue abandoned runs again, give up hopeless ones, wake a worker for what waits."""
    now = timezone.now()
    silent = TrainingRun.objects.filter(state=State.RUNNING, lease_until__lt=now)
    failed = silent.filter(attempts__gte=ATTEMPTS).update(
        state=State.FAILED,
        token=None,
        lease_until=None,
        finished_at=now,
        error=f"Given up after {ATTEMPTS} workers died on it.",
    )
    freed = 0
    for run in silent.order_by("pk"):
        freed += _requeue(run)
    woken = 0
    if not TrainingRun.objects.filter(state=State.RUNNING).exists():
        for pk in TrainingRun.objects.filter(state=State.QUEUED).values_list("pk", flat=True)[:1]:
            wake(TASK, pk)
            woken += 1
    return {"freed": freed, "failed": failed, "woken": woken}


def _requeue(run: TrainingRun) -> int:
    """Back to the queue; where another one waits already, the abandoned one ends as failed."""
    mine = TrainingRun.objects.filter(pk=run.pk, state=State.RUNNING, token=run.token)
    try:
        with transaction.atomic():
            return mine.update(state=State.QUEUED, token=None, lease_until=None, attempts=run.attempts + 1)
    except IntegrityError:
        mine.update(state=State.FAILED, token=None, lease_until=None, error="Its worker died.")
        return 0


def _environment() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "scipy": version("scipy"),
        "revision": os.environ.get("VITRINE_REVISION", ""),
    }


def latest_runs(limit: int = 10) -> Sequence[TrainingRun]:
    """The newest runs with their candidates."""
    return list(TrainingRun.objects.select_related("dataset", "candidate", "started_by")[:limit])
