"""What the machine is busy with now: imports, scoring, training, rescoring, each as one bar."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from labeling.export import OPEN, export_progress
from labeling.models import ExportJob
from scoring.ingest import imports_progress
from scoring.models import ImportJob, TrainingRun
from scoring.rescore import rescore_progress
from scoring.score import score_progress

Importing = (ImportJob.State.READING, ImportJob.State.RUNNING)
Training = (TrainingRun.State.QUEUED, TrainingRun.State.RUNNING)


@dataclass(frozen=True, slots=True)
class Underway:
    """One piece of long work. ``rate``: things a second; ``left_s``: seconds left; None: nobody knows."""

    label: str | Promise
    note: str
    done: float
    total: float
    url_name: str
    url_id: int | None = None
    rate: float | None = None
    left_s: float | None = None
    is_share: bool = False  # ``done`` is a share of ``total`` and not a count


def work_underway() -> list[Underway]:
    """Everything long that is not finished, in the order of the stations; six queries."""
    return [*_imports(), *_scoring(), *_exports(), *_training(), *_rescoring()]


def _imports() -> list[Underway]:
    jobs = list(ImportJob.objects.filter(state__in=Importing).order_by("pk"))
    counted = imports_progress(jobs=jobs) if jobs else {}
    return [
        Underway(
            _("Bringing in pictures"),
            job.label or str(job.get_kind_display()),
            (found := counted[job.pk]).total - found.pending,
            found.total,
            "import",
            job.pk,
            rate=found.rate or None,
            left_s=found.eta_s,
        )
        for job in jobs
    ]


def _scoring() -> list[Underway]:
    told = score_progress()
    if told.done >= told.total:
        return []
    return [Underway(_("Scoring pictures"), "", told.done, told.total, "catalogue")]


def _exports() -> list[Underway]:
    jobs = ExportJob.objects.filter(state__in=OPEN, project=None).select_related("dataset").order_by("pk")
    return [
        Underway(
            _("Writing a file"),
            str(job),
            job.done,
            job.total,
            "data",
            rate=(found := export_progress(job)).rate,
            left_s=found.left_s,
        )
        for job in jobs
    ]


def _training() -> list[Underway]:
    runs = TrainingRun.objects.filter(state__in=Training).order_by("pk")
    return [
        Underway(
            _("Training a model"),
            run.step or str(run.get_state_display()),
            run.progress,
            1,
            "run",
            run.pk,
            is_share=True,
        )
        for run in runs
    ]


def _rescoring() -> list[Underway]:
    told = rescore_progress()
    if told.done >= told.total:
        return []
    return [Underway(_("Scoring anew with the new model"), "", told.done, told.total, "models")]
