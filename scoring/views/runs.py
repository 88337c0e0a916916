"""A training run: how far it is, what it has to go on, what came of it, and the rescore that follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from scoring.deep import PREPARED
from scoring.deep_candidate import TAUGHT
from scoring.duel import Duel, champion_when
from scoring.errors import NotThereError
from scoring.models import Serving, TrainingRun
from scoring.registry import serving
from scoring.rescore import rescore_progress
from scoring.train import training_cancel
from scoring.verdicts import verdict_lines
from scoring.views.asked import asks_for
from scoring.views.doors import admins_only, person_of
from scoring.views.whiskers import panels_of

State = TrainingRun.State
ACTIVE = (State.QUEUED, State.RUNNING)
EPOCHS_SHARE = TAUGHT - PREPARED  # of the bar that a deep run's epochs take
SURE_SHARE = 0.1  # before that the time left is anybody's guess

STEPS: dict[str, Promise] = {
    "waiting": gettext_lazy("Waiting for a worker"),
    "loading": gettext_lazy("Loading labels"),
    "fitting": gettext_lazy("Fitting"),
    "evaluating": gettext_lazy("Trying it out"),
    "judging": gettext_lazy("Holding it against the champion"),
    "registering": gettext_lazy("Entering it in the registry"),
    "done": gettext_lazy("Done"),
}
DEEP_STEPS: dict[str, Promise] = {
    "waiting": STEPS["waiting"],
    "loading": STEPS["loading"],
    "preparing": gettext_lazy("Preparing the pictures"),
    "training": gettext_lazy("Training the network"),
    "extracting": gettext_lazy("Looking at every labelled picture anew"),
    "evaluating": STEPS["evaluating"],
    "judging": STEPS["judging"],
    "registering": STEPS["registering"],
    "done": STEPS["done"],
}


@dataclass(frozen=True, slots=True)
class Step:
    """A stage of the run: ``state`` is done, now or next."""

    words: Promise | str
    state: str


@dataclass(frozen=True, slots=True)
class Live:
    """How far a run is. ``percent`` 0-100; seconds so far and left, None where nobody can tell."""

    is_active: bool
    percent: int
    step: Promise | str
    steps: list[Step]
    seconds: float | None
    left_s: float | None


@dataclass(frozen=True, slots=True)
class Rescore:
    """How far the new champion's scores are; people see the old ones until ``done`` is ``total``."""

    done: int
    total: int
    rate: float | None
    left_s: float | None


def active_run() -> TrainingRun | None:
    """The run under way, else the one that waits."""
    runs = TrainingRun.objects.select_related("dataset").filter(state__in=ACTIVE)
    return max(runs, key=lambda run: run.state == State.RUNNING, default=None)


def live_of(run: TrainingRun) -> Live:
    """What the row says of a run, in words and seconds."""
    seconds = None
    if run.started_at is not None:
        seconds = ((run.finished_at or timezone.now()) - run.started_at).total_seconds()
    is_sure = run.state == State.RUNNING and seconds is not None and run.progress >= SURE_SHARE
    return Live(
        is_active=run.state in ACTIVE,
        percent=round(100 * min(1.0, max(0.0, run.progress))),
        step=_step_words(run),
        steps=_steps(run),
        seconds=seconds,
        left_s=_left_s(run, seconds) if is_sure and seconds is not None else None,
    )


def _step_words(run: TrainingRun) -> Promise | str:
    """What the run is doing; of a deep one also which epoch."""
    words = _steps_of(run).get(run.step, run.step)
    if run.step != "training":
        return words
    epochs = run.environment.get("epochs", 0)
    epoch = min(len(run.curve) + 1, max(1, epochs))
    return _("Training the network: epoch {epoch} of {epochs}").format(epoch=epoch, epochs=epochs)


def _left_s(run: TrainingRun, seconds: float) -> float:
    """Seconds left: by the clock of the epochs where there are some, since a run may have been taken up in
    the middle; else as the bar has gone so far."""
    epochs = [point["seconds"] for point in run.curve if "seconds" in point]
    if not epochs or run.step != "training":
        return seconds * (1 - run.progress) / run.progress
    whole = sum(epochs) / len(epochs) * run.environment.get("epochs", len(epochs))
    return float(whole * (1 - run.progress) / EPOCHS_SHARE)


def _steps_of(run: TrainingRun) -> dict[str, Promise]:
    return DEEP_STEPS if run.kind == TrainingRun.Kind.DEEP else STEPS


def _steps(run: TrainingRun) -> list[Step]:
    steps = _steps_of(run)
    names = list(steps)
    if run.step not in names:
        return []
    here = names.index(run.step)
    ended = run.state == State.EVALUATED
    return [
        Step(steps[name], "done" if ended or i < here else "now" if i == here else "next")
        for i, name in enumerate(names)
    ]


def rescore_of(row: Serving) -> Rescore | None:
    """Progress of the rescore after a promotion; None once people see the champion's scores."""
    if row.displayed_id == row.champion_id:
        return None
    progress = rescore_progress()
    seconds = (timezone.now() - row.switched_at).total_seconds()
    rate = progress.done / seconds if seconds > 0 and progress.done else None
    left = (progress.total - progress.done) / rate if rate else None
    return Rescore(progress.done, progress.total, rate, left)


@require_safe
@admins_only
def page(request: HttpRequest, run_id: int) -> HttpResponse:
    """One run; the same address answers with the live part alone while something moves."""
    run = _run(run_id)
    row = serving()
    is_champion = run.candidate_id is not None and run.candidate_id == row.champion_id
    context = {
        "run": run,
        "live": live_of(run),
        "serving": row,
        "is_champion": is_champion,
        "rescore": rescore_of(row) if is_champion else None,
        "curves": _curves(run.curve),
        "nav_current": "models",
        **_outcome(run),
    }
    part = "#live" if asks_for(request, "run-live") else ""
    return render(request, f"scoring/run.html{part}", context)


def _outcome(run: TrainingRun) -> dict[str, Any]:
    """What the trial of the candidate showed."""
    if run.candidate is None:
        return {}
    duel = Duel(tested=run.candidate, against=champion_when(run.candidate))
    return {"duel": duel, "panels": panels_of(duel), "verdict": verdict_lines(run.candidate.verdict)}


def _curves(curve: Sequence[dict[str, float]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """A chart per figure a run with epochs kept; a fast fit has none and is drawn as before and after."""
    if not any("loss" in point for point in curve):
        return []
    found = []
    for key, name in (("srcc", _("SRCC on pictures held back")), ("loss", _("Loss"))):
        points = [(point["epoch"], point[key]) for point in curve if key in point and "epoch" in point]
        if points:
            found.append((name, [{"name": name, "points": points}]))
    return found


@require_POST
@admins_only
def cancel(request: HttpRequest, run_id: int) -> HttpResponse:
    """Cancel a run: at once while it waits, at its next stage while it runs."""
    training_cancel(run_id=run_id, by=person_of(request))
    return HttpResponseRedirect(reverse("run", args=[run_id]))


def _run(run_id: int) -> TrainingRun:
    run = TrainingRun.objects.select_related("dataset", "candidate", "started_by").filter(pk=run_id).first()
    if run is None:
        raise NotThereError(_("There is no such training run."))
    return run
