"""Station 8, train: a worker fits a candidate, tries it against the champion, and the gate decides.

The row is the job: claimed by token and lease, kept by a heartbeat at every stage, taken over when
silent. The constraints allow one running and one waiting run.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from importlib.metadata import version
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import numpy.typing as npt
from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from scoring.access import require_reached
from scoring.core.calibrate import conformal_factor
from scoring.core.checkpoint import write_tensors
from scoring.core.head import Head, fit_head, head_to_tensors
from scoring.core.metrics import bootstrap, plcc, rmse, srcc
from scoring.core.promotion import GateRules, Trial, Verdict, judge
from scoring.core.splits import CALIBRATION, HOLDOUT, grouped_folds
from scoring.core.types import Dimension, FloatArray, score_from_vote
from scoring.errors import BadInputError, ConflictError
from scoring.events import event_note
from scoring.locks import training_run_lock
from scoring.models import DatasetRow, DatasetVersion, ModelVersion, StoredFeatures, TrainingRun
from scoring.promote import model_promote
from scoring.registry import head_of, models_folder, serving
from scoring.wake import wake

TASK = "train.run"
ATTEMPTS = 3
FEWEST_ROWS = 10
FEWEST_HOLDOUT = 30  # below this the trial is a cross-validation over all rows, and says so
FEWEST_CALIBRATION = 30
FOLDS = 5

State = TrainingRun.State
Array = npt.NDArray[np.float64]


class StoppedError(Exception):
    """The run was cancelled or taken over; nothing more is written."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Labelled rows in image order: ``vectors`` (N, F), ``targets`` (N,) 0-100, ``dimensions`` (N, 5)."""

    vectors: FloatArray
    targets: Array
    weights: Array
    dimensions: Array
    groups: list[str]
    categories: list[str]
    splits: npt.NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Candidate and champion on the same rows. ``provisional``: by cross-validation, not on a holdout."""

    trial: Trial
    provisional: bool


def training_start(
    *,
    dataset: DatasetVersion,
    kind: str,
    trigger: str,
    started_by: User | None,
    seed: int = 0,
    promote: bool = True,
) -> TrainingRun:
    """Queue one retrain; another one waiting is a ConflictError that names it."""
    require_reached(started_by, "admin")
    if dataset.row_count < FEWEST_ROWS:
        raise BadInputError(
            f"A retrain needs at least {FEWEST_ROWS} approved labels; this dataset has {dataset.row_count}.",
            code="too_few_labels",
        )
    try:
        with transaction.atomic():
            run = TrainingRun.objects.create(
                kind=kind,
                trigger=trigger,
                dataset=dataset,
                started_by=started_by,
                seed=seed,
                options={"promote": promote},
                enqueued_at=timezone.now(),
                step="waiting",
            )
            event_note(actor=started_by, verb="train.start", target=run, after={"dataset": dataset.name})
            wake(TASK, run.pk)
    except IntegrityError as error:
        waiting = TrainingRun.objects.filter(state=State.QUEUED).first()
        raise ConflictError(
            f"A retrain is waiting already (run {waiting.pk if waiting else '?'}).", code="already_queued"
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
        if run.kind == TrainingRun.Kind.DEEP:
            raise BadInputError("Deep retraining is not part of this version yet.", code="not_yet")
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
        raise BadInputError(
            f"Only {len(labels.targets)} of the labelled images have features yet; score them first."
        )
    prior = head_of(_root(champion))
    _beat(run, token, step="fitting", progress=0.2)
    fitted = fit_on(labels, labels.splits != HOLDOUT, prior)  # the holdout never teaches
    _beat(run, token, step="evaluating", progress=0.5)
    evaluation = evaluate(labels, fitted, prior, head_of(champion), seed=run.seed)
    _beat(run, token, step="judging", progress=0.8)
    rng = np.random.default_rng(run.seed)
    verdict = judge(evaluation.trial, rules=GateRules(), rng=rng)
    metrics = _metrics(evaluation, rng)
    digest = write_tensors(
        models_folder(), head_to_tensors(fitted), {"run": run.pk, "dataset": run.dataset.digest}
    )
    _beat(run, token, step="registering", progress=0.95)
    _register(run, token, champion, digest, metrics, verdict, provisional=evaluation.provisional)


def fit_on(labels: Labels, rows: npt.NDArray[np.bool_], prior: Head) -> Head:
    """Fit the residual over the prior on these rows, its interval recalibrated on rows held back."""
    calibration = rows & (labels.splits == CALIBRATION)
    head = fit_head(
        vectors=labels.vectors[rows],
        overall=labels.targets[rows],
        dimensions=labels.dimensions[rows],
        weights=labels.weights[rows],
        prior=prior,
        feature_version=prior.feature_version,
    )
    if int(calibration.sum()) < FEWEST_CALIBRATION:
        return head
    apart = fit_head(
        vectors=labels.vectors[rows & ~calibration],
        overall=labels.targets[rows & ~calibration],
        weights=labels.weights[rows & ~calibration],
        prior=prior,
        feature_version=prior.feature_version,
    )
    output = apart.predict(labels.vectors[calibration])
    factor = conformal_factor(output.overall, labels.targets[calibration], output.overall_std)
    return replace(head, interval_factor=factor)


def evaluate(labels: Labels, fitted: Head, prior: Head, champion: Head, *, seed: int) -> Evaluation:
    """Both on the holdout; where that is too small, the candidate by grouped cross-validation over all."""
    holdout = labels.splits == HOLDOUT
    if int(holdout.sum()) >= FEWEST_HOLDOUT:
        output = fitted.predict(labels.vectors[holdout])
        guess, half = output.overall, fitted.interval_factor * output.overall_std
        rows, provisional = holdout, False
    else:
        guess, half = _cross_validated(labels, prior, seed=seed)
        rows, provisional = np.ones(len(holdout), dtype=bool), True
    trial = Trial(
        candidate=guess,
        champion=champion.predict(labels.vectors[rows]).overall,
        people=labels.targets[rows],
        categories=[name for name, kept in zip(labels.categories, rows, strict=True) if kept],
        half_widths=half,
    )
    return Evaluation(trial, provisional)


def _cross_validated(labels: Labels, prior: Head, *, seed: int) -> tuple[Array, Array]:
    """Out-of-fold predictions and interval half-widths, products kept together."""
    folds = grouped_folds(labels.groups, folds=FOLDS, rng=np.random.default_rng(seed))
    guess, half = np.zeros(len(folds)), np.zeros(len(folds))
    for fold in range(FOLDS):
        test = folds == fold
        if test.any() and int((~test).sum()) >= 2:
            head = fit_on(labels, ~test, prior)
            output = head.predict(labels.vectors[test])
            guess[test], half[test] = output.overall, head.interval_factor * output.overall_std
    return guess, half


def load_labels(dataset: DatasetVersion, *, feature_version: str) -> Labels:
    """Rows of a dataset that have features of this version, in image order, in two queries."""
    rows = list(DatasetRow.objects.filter(dataset=dataset).order_by("image_id"))
    vectors = {
        image_id: np.frombuffer(vector, dtype="<f4")
        for image_id, vector in StoredFeatures.objects.filter(
            version=feature_version, image_id__in=[row.image_id for row in rows]
        ).values_list("image_id", "vector")
    }
    rows = [row for row in rows if row.image_id in vectors]
    if not rows:
        raise BadInputError("None of the labelled images has features yet; score them first.")
    return Labels(
        vectors=np.stack([vectors[row.image_id] for row in rows]),
        targets=np.array([row.target_score for row in rows]),
        weights=np.array([row.weight for row in rows]),
        dimensions=np.array([_dimension_scores(row) for row in rows]),
        groups=[row.group for row in rows],
        categories=[row.category for row in rows],
        splits=np.array([row.split for row in rows]),
    )


def _dimension_scores(row: DatasetRow) -> list[float]:
    """Dimension MOS 1-5 of a row as scores 0-100, NaN where nobody voted."""
    return [
        score_from_vote(float(row.dimensions[d])) if d in row.dimensions else float("nan") for d in Dimension
    ]


def _root(model: ModelVersion) -> ModelVersion:
    """The base model a champion descends from: every fast retrain corrects it, not each other."""
    while model.kind == ModelVersion.Kind.FAST and model.parent is not None:
        model = model.parent
    return model


def _metrics(evaluation: Evaluation, rng: np.random.Generator) -> dict[str, Any]:
    trial = evaluation.trial
    told: dict[str, Any] = {
        "provisional": evaluation.provisional,
        "rows": len(np.asarray(trial.people)),
    }
    for name, guess in (("candidate", trial.candidate), ("champion", trial.champion)):
        told[name] = {
            metric.__name__: {
                key: round(value, 4)
                for key, value in asdict(
                    bootstrap(metric, guess, trial.people, rng=rng, resamples=400)
                ).items()
            }
            for metric in (srcc, plcc, rmse)
        }
    return told


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
        parent=_root(champion),
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
