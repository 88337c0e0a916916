"""Station 8, train: a worker fits a candidate, tries it against the champion, and the gate decides.

The row is the job: claimed by token and lease, kept by a heartbeat at every stage, taken over when
silent (run_lease.py). The constraints allow one running and one waiting run. A fast run fits a head on
cached features, a deep one tunes the network on the pictures (deep.py); the registry is candidate.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from scoring.access import require_reached
from scoring.candidate import Made, candidate_judge
from scoring.core.checkpoint import write_tensors
from scoring.core.head import head_to_tensors
from scoring.core.splits import HOLDOUT
from scoring.deep import deep_forget, deep_made, deep_require
from scoring.deep_candidate import usual_error
from scoring.errors import BadInputError, ConflictError
from scoring.events import event_note
from scoring.locks import training_run_lock
from scoring.models import DatasetVersion, ModelVersion, TrainingRun
from scoring.registry import head_of, models_folder, serving
from scoring.run_lease import StoppedError, lease_kept, run_beat, run_claim, run_end
from scoring.trial import Labels, evaluate, fit_on, load_labels, root_of
from scoring.wake import wake

TASK = "train.run"
ATTEMPTS = {"fast": 3, "deep": 8}  # workers that may die on a run one after another with nothing gained
FEWEST_ROWS = 10

Kind, State = TrainingRun.Kind, TrainingRun.State


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
    if kind not in Kind.values:
        raise BadInputError(_("There is no such kind of retrain."), code="unknown_kind")
    if dataset.row_count < FEWEST_ROWS:
        words = _("A retrain needs at least {fewest} finished labels; this dataset has {rows}.")
        raise BadInputError(words.format(fewest=FEWEST_ROWS, rows=dataset.row_count), code="too_few_labels")
    if kind == Kind.DEEP:
        deep_require(dataset)
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
    token = run_claim(run_id)
    if token is None:
        return "not ours"
    run = TrainingRun.objects.select_related("dataset").get(pk=run_id)
    try:
        with lease_kept(run, token):
            made = deep_made(run, token) if run.kind == Kind.DEEP else _fast_made(run, token)
            candidate_judge(run, token, made)
    except StoppedError:
        run_end(run, token, state=State.CANCELLED)
    except (ValueError, ArithmeticError, RuntimeError, BadInputError) as error:
        run_end(run, token, state=State.FAILED, error=str(error)[:500])
    state = str(TrainingRun.objects.values_list("state", flat=True).get(pk=run_id))
    if run.kind == Kind.DEEP and state not in (State.QUEUED, State.RUNNING):
        deep_forget(run)
    return state


def _fast_made(run: TrainingRun, token: UUID) -> Made:
    """Fit the head on cached features, and try it out."""
    champion = serving().champion
    labels = load_labels(run.dataset, feature_version=champion.feature_version)
    if len(labels.targets) < FEWEST_ROWS:
        words = _("Only {rows} of the labelled images have features yet; score them first.")
        raise BadInputError(words.format(rows=len(labels.targets)))
    prior = head_of(root_of(champion))
    run_beat(run, token, step="fitting", progress=0.2)
    fitted = fit_on(labels, labels.splits != HOLDOUT, prior)  # the holdout never teaches
    run_beat(run, token, step="evaluating", progress=0.5)
    evaluation = evaluate(
        labels,
        fitted,
        prior,
        head_of(champion),
        seed=run.seed,
        taught=_taught(champion),
        usual_error=usual_error(champion),
    )
    digest = write_tensors(
        models_folder(), head_to_tensors(fitted), {"run": run.pk, "dataset": run.dataset.digest}
    )
    return Made(root_of(champion), champion.feature_version, digest, evaluation)


def _taught(champion: ModelVersion) -> Labels | None:
    """What a champion that came from a fast retrain has learned from."""
    if champion.kind != ModelVersion.Kind.FAST or champion.dataset is None:
        return None
    return load_labels(champion.dataset, feature_version=champion.feature_version)


def training_sweep() -> dict[str, int]:
    """Queue abandoned runs again, give up hopeless ones, wake a worker for what waits."""
    now = timezone.now()
    silent = TrainingRun.objects.filter(state=State.RUNNING, lease_until__lt=now)
    failed = sum(
        silent.filter(kind=kind, attempts__gte=attempts).update(
            state=State.FAILED,
            token=None,
            lease_until=None,
            finished_at=now,
            error=f"Given up: {attempts} workers died on it one after another, and none got anything done."
            " Most often there is too little memory for it.",
        )
        for kind, attempts in ATTEMPTS.items()
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


def latest_runs(limit: int = 10) -> Sequence[TrainingRun]:
    """The newest runs with their candidates."""
    return list(TrainingRun.objects.select_related("dataset", "candidate", "started_by")[:limit])
