"""Imports: begun by files, addresses or a folder; watched row by row; stopped and taken up again."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from scoring.core.exports import safe_cell
from scoring.errors import BadInputError, NotThereError
from scoring.import_rows import PASSING_CODES
from scoring.ingest import (
    import_add,
    import_cancel,
    import_progress,
    import_resume,
    import_start,
)
from scoring.models import ImportJob, ImportRow
from scoring.outside import told_by
from scoring.refusals import refusal_words
from scoring.views.asked import asks_for, wants_json
from scoring.views.doors import admins_only, person_of
from scoring.views.uploads import by_kind, kind_of, streamed

Kind, State, RowState = ImportJob.Kind, ImportJob.State, ImportRow.State
ROWS_A_PAGE = 50
LONGEST_NUMBER = 18  # digits of the largest id the database has
ACTIVE = (State.READING, State.RUNNING)
REFUSED_COLUMNS = ("position", "reference", "product_id", "title", "category", "seller", "code", "reason")


@csrf_exempt  # streamed() checks the token once the upload's limits are in place
@require_POST
@admins_only
@streamed
def start(request: HttpRequest) -> HttpResponseBase:
    """Begin an import for each thing the form holds: pictures together, archives and tables one each."""
    files = request.FILES.getlist("files")
    jobs = [*_jobs_of_files(request, files), *_jobs_of_words(request)]
    if not jobs:
        raise BadInputError(_("Choose files, or name addresses or a folder."), code="nothing_sent")
    if wants_json(request):
        return JsonResponse({"imports": [_told(job) for job in jobs]}, status=201)
    if len(jobs) == 1:
        return HttpResponseRedirect(reverse("import", args=[jobs[0].pk]))
    messages.success(request, _("{count} imports have begun.").format(count=len(jobs)))
    return HttpResponseRedirect(reverse("data"))


@csrf_exempt  # see start()
@require_POST
@admins_only
@streamed
def add(request: HttpRequest, job_id: int) -> HttpResponseBase:
    """More pictures for an import that the browser sends in several requests."""
    files = request.FILES.getlist("files")
    if not files:
        raise BadInputError(_("Choose files."), code="nothing_sent")
    job = import_add(job_id=job_id, uploads=[_upload(file) for file in files], by=person_of(request))
    if wants_json(request):
        return JsonResponse(_told(job))
    return HttpResponseRedirect(reverse("import", args=[job.pk]))


def _jobs_of_files(request: HttpRequest, files: list[UploadedFile[Any]]) -> Iterator[ImportJob]:
    pictures, others = by_kind(files)
    if pictures:
        label = pictures[0].name or "" if len(pictures) == 1 else ""
        uploads = [_upload(file) for file in pictures]
        yield import_start(kind=Kind.UPLOAD, created_by=person_of(request), label=label, uploads=uploads)
    for file in others:
        name = file.name or ""
        yield import_start(
            kind=kind_of(name),
            created_by=person_of(request),
            label=name,
            uploads=[_upload(file)],
            votes_for=_votes_for(request),
        )


def _jobs_of_words(request: HttpRequest) -> Iterator[ImportJob]:
    addresses, path = request.POST.get("addresses", "").strip(), request.POST.get("folder", "").strip()
    if addresses:
        text = addresses.encode("utf-8", "replace")
        yield import_start(kind=Kind.URLS, created_by=person_of(request), uploads=[("addresses.txt", text)])
    if path:
        yield import_start(
            kind=_kind_of_path(path),
            created_by=person_of(request),
            label=Path(path).name,
            path=path,
            votes_for=_votes_for(request),
        )


def _kind_of_path(path: str) -> str:
    """An archive or a table by its ending, else a folder; whether it is there only a worker finds out."""
    found = kind_of(path)
    return Kind.FOLDER if found == Kind.UPLOAD else found


def _votes_for(request: HttpRequest) -> int | None:
    """The project in which votes of other tools shall count, where the form names one."""
    text = request.POST.get("votes_for", "")
    return int(text) if text.isdecimal() and len(text) <= LONGEST_NUMBER else None


def _upload(file: UploadedFile[Any]) -> tuple[str, Any]:
    return file.name or "", file.file


def _told(job: ImportJob) -> dict[str, Any]:
    return {
        "id": job.pk,
        "url": reverse("import", args=[job.pk]),
        "files_url": reverse("import-add", args=[job.pk]),
    }


@require_safe
@admins_only
def page(request: HttpRequest, job_id: int) -> HttpResponse:
    """One import with its rows; the same address answers with the live part alone while it runs."""
    job = _job(job_id)
    progress = import_progress(job=job)
    state = request.GET.get("state", "")
    rows = ImportRow.objects.filter(job=job).select_related("image").order_by("position")
    if state in RowState.values:
        rows = rows.filter(state=state)
    found = Paginator(rows, ROWS_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "job": job,
        "progress": progress,
        "is_active": job.state in ACTIVE,
        "speed": progress.rate if job.state in ACTIVE else None,
        "error": _(job.error) if job.error else "",  # stored in English, known to the catalogue of words
        "can_resume": job.state in (State.CANCELLED, State.FAILED) or _has_passing(job),
        "state": state,
        "choices": [one for one in _choices(progress) if one[2] or one[0] in ("", state)],
        "page": found,
        "rows": [(row, refusal_words(row.code, row.reason)) for row in found],
        "told": told_by(job),
        "nav_current": "data",
    }
    part = "#live" if asks_for(request, "import-live") else ""
    return render(request, f"scoring/import.html{part}", context)


def _choices(progress: Any) -> list[tuple[str, Any, int]]:
    """Filter by outcome: (state, words, rows)."""
    return [
        ("", _("All"), progress.total),
        (RowState.DONE, RowState.DONE.label, progress.done),
        (RowState.DUPLICATE, RowState.DUPLICATE.label, progress.duplicate),
        (RowState.REFUSED, RowState.REFUSED.label, progress.refused),
        (RowState.PENDING, RowState.PENDING.label, progress.pending),
    ]


def _has_passing(job: ImportJob) -> bool:
    return ImportRow.objects.filter(job=job, state=RowState.REFUSED, code__in=PASSING_CODES).exists()


@require_POST
@admins_only
def cancel(request: HttpRequest, job_id: int) -> HttpResponse:
    """Stop an import."""
    import_cancel(job_id=job_id, by=person_of(request))
    return _back(job_id)


@require_POST
@admins_only
def resume(request: HttpRequest, job_id: int) -> HttpResponse:
    """Go on with an import, and try again what was refused for a passing reason."""
    import_resume(job_id=job_id, by=person_of(request))
    return _back(job_id)


def _back(job_id: int) -> HttpResponse:
    return HttpResponseRedirect(reverse("import", args=[job_id]))


@require_safe
@admins_only
def refused_csv(request: HttpRequest, job_id: int) -> StreamingHttpResponse:
    """The refused rows with their reasons, line by line, no cell a spreadsheet would run."""
    job = _job(job_id)
    response = StreamingHttpResponse(_refused_lines(job), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="import-{job.pk}-refused.csv"'
    return response


def _refused_lines(job: ImportJob) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield "\ufeff" + writer.writerow(REFUSED_COLUMNS)
    rows = ImportRow.objects.filter(job=job, state=RowState.REFUSED).order_by("position")
    for values in rows.values_list(*REFUSED_COLUMNS).iterator(chunk_size=2000):
        yield writer.writerow([safe_cell(value) for value in values])


class _Line:
    """A file whose write gives back the line."""

    def write(self, line: str) -> str:
        return line


def _job(job_id: int) -> ImportJob:
    job = ImportJob.objects.select_related("created_by").filter(pk=job_id).first()
    if job is None:
        raise NotThereError(_("There is no such import."))
    return job
