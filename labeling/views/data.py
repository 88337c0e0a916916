"""Data: pictures come in, finished labels are frozen, and frozen versions are taken away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from labeling.current import current_project
from labeling.dataset import dataset_freeze, finished_labels, labels_ready
from labeling.export import OPEN, export_progress, exports_seen
from labeling.models import ExportJob, Project
from labeling.permissions import Role, require_role
from scoring.archive import PICTURE_CAP
from scoring.dataset import DatasetDiff, diffs_of, splits_of
from scoring.ingest import imports_progress
from scoring.models import DatasetRow, DatasetVersion, ImportJob
from scoring.train import FEWEST_ROWS
from scoring.views.asked import asks_for
from scoring.views.doors import person_of

IMPORTS_SHOWN, EXPORTS_SHOWN, EXPORTS_OLDER = 8, 6, 60
VERSIONS_A_PAGE = 10
FORMAT_WORDS: dict[str, Promise] = {
    ExportJob.Form.CSV: gettext_lazy("One line a picture, for a spreadsheet or pandas."),
    ExportJob.Form.JSON_LINES: gettext_lazy(
        "The same, one JSON object a line; what nobody judged is left out."
    ),
    ExportJob.Form.COCO: gettext_lazy(
        "Pictures with their score, and each defect people confirmed as an annotation of the whole picture."
    ),
    ExportJob.Form.LABEL_STUDIO: gettext_lazy(
        "Tasks with the label as a rating of 1 to 5. Label Studio finds the pictures where it serves this "
        "folder."
    ),
    ExportJob.Form.PARQUET: gettext_lazy(
        "A zip as the Hugging Face hub lays datasets out: train, validation and test with a card; "
        "load_dataset reads it."
    ),
    ExportJob.Form.CROISSANT: gettext_lazy("A zip of the CSV and its description for mlcroissant."),
    ExportJob.Form.VOTES: gettext_lazy(
        "Every single vote the labels were made of: who, when, how long, what."
    ),
}
ACTIVE = (ImportJob.State.READING, ImportJob.State.RUNNING)


@dataclass(frozen=True, slots=True)
class SplitShare:
    """One part of a version's split bar: ``x`` and ``width`` in per cent of the bar."""

    name: str
    words: Any
    rows: int
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Version:
    """A dataset version as the page shows it; ``diff`` against the one before it, None for the first."""

    row: DatasetVersion
    parts: list[SplitShare]
    diff: DatasetDiff | None


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The whole page, or the list of imports alone while it renews itself."""
    project = current_project(request)
    require_role(person_of(request), project, Role.ADMIN)
    if asks_for(request, "imports"):
        return render(request, "labeling/data.html#imports", _imports())
    if asks_for(request, "exports"):
        return render(request, "labeling/data.html#exports", _exports(person_of(request), project))
    found = Paginator(DatasetVersion.objects.select_related("created_by"), VERSIONS_A_PAGE).get_page(
        request.GET.get("page")
    )
    ready = labels_ready(project=project)
    newest = found.object_list[0] if found.number == 1 and found.object_list else None
    since = finished_labels(project=project).filter(settled_at__gt=newest.created_at) if newest else None
    context = {
        "ready": ready,
        "newest": newest,
        "fresh": since.count() if since is not None else 0,
        "missing": max(0, FEWEST_ROWS - ready),
        "fewest": FEWEST_ROWS,
        "page": found,
        "versions": versions_of(list(found), before=_before(found)),
        "formats": ExportJob.Form.choices,
        "format_words": [(form.label, FORMAT_WORDS[form]) for form in ExportJob.Form],
        "roots": settings.IMPORT_ROOTS,
        "files_at_once": settings.DATA_UPLOAD_MAX_NUMBER_FILES,
        "byte_cap": PICTURE_CAP,
        **_imports(),
        **_exports(person_of(request), project),
    }
    return render(request, "labeling/data.html", context)


@require_POST
def freeze(request: HttpRequest) -> HttpResponse:
    """Freeze the finished labels as a new version."""
    project = current_project(request)
    newest = DatasetVersion.objects.first()
    version = dataset_freeze(
        project=project,
        by=person_of(request),
        name=_line(request.POST.get("name", "")),
        note=_line(request.POST.get("note", ""))[:500],
    )
    if newest is not None and version.pk <= newest.pk:
        messages.info(request, _("The labels are those of version {name} already.").format(name=version.name))
    else:
        messages.success(
            request,
            _("Version {name} is frozen: {rows} labels.").format(name=version.name, rows=version.row_count),
        )
    return HttpResponseRedirect(reverse("data"))


def _line(text: str) -> str:
    """One line of text that can be stored."""
    return " ".join(text.replace("\x00", "").split())


def _imports() -> dict[str, Any]:
    """The newest imports with their counts, in two queries."""
    jobs = list(ImportJob.objects.select_related("created_by")[:IMPORTS_SHOWN])
    progress = imports_progress(jobs=jobs)
    return {
        "imports": [(job, progress[job.pk]) for job in jobs],
        "imports_run": any(job.state in ACTIVE for job in jobs),
    }


def _before(found: Any) -> DatasetVersion | None:
    """The version just older than the last one shown, which it is compared with."""
    last = found.object_list[-1] if len(found.object_list) else None
    return DatasetVersion.objects.filter(pk__lt=last.pk).first() if last else None


def versions_of(rows: Sequence[DatasetVersion], *, before: DatasetVersion | None = None) -> list[Version]:
    """Versions, newest first, with their splits and with what changed since the one before each."""
    splits = splits_of(rows)
    diffs = diffs_of([*rows, before] if before else rows)
    return [Version(row, _parts(splits[row.pk]), diffs.get(row.pk)) for row in rows]


def _parts(splits: dict[str, int]) -> list[SplitShare]:
    total = sum(splits.values()) or 1
    parts, x = [], 0.0
    for split in DatasetRow.Split:
        width = 100.0 * splits[split] / total
        parts.append(SplitShare(str(split), split.label, splits[split], x, width))
        x += width
    return parts


def _exports(person: User, project: Project) -> dict[str, Any]:
    """The newest files somebody asked for, with how fast they are written."""
    jobs = list(exports_seen(by=person)[: EXPORTS_SHOWN + EXPORTS_OLDER])
    told = [(job, export_progress(job)) for job in jobs]
    kept = (*OPEN, ExportJob.State.DONE)
    return {
        "project": project,
        "exports": told[:EXPORTS_SHOWN],
        "exports_older": [one for one in told[EXPORTS_SHOWN:] if one[0].state in kept],
        "exports_run": any(job.state in OPEN for job in jobs),
        "export_days": settings.EXPORT_DAYS,
    }
