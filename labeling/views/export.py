"""Exports: asked for on the Data page, written by a worker, fetched while they are kept."""

from __future__ import annotations

from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from labeling.export import export_cancel, export_start, export_take
from labeling.models import Project
from labeling.permissions import projects_of
from scoring.errors import NotThereError
from scoring.models import DatasetVersion
from scoring.views.doors import admins_only, person_of

LONGEST_NUMBER = 18  # digits of the largest id the database has


@require_POST
@admins_only
def start(request: HttpRequest) -> HttpResponse:
    """Ask for a file; the page then shows how far it is."""
    dataset, project = _dataset(request), _project(request)
    export_start(form=request.POST.get("form", ""), by=person_of(request), dataset=dataset, project=project)
    return _back()


def _dataset(request: HttpRequest) -> DatasetVersion | None:
    pk = _number(request, "dataset")
    if pk is None:
        return None
    found = DatasetVersion.objects.filter(pk=pk).first()
    if found is None:
        raise NotThereError(_("There is no such dataset version."))
    return found


def _project(request: HttpRequest) -> Project | None:
    pk = _number(request, "project")
    if pk is None:
        return None
    found = projects_of(person_of(request)).filter(pk=pk).first()
    if found is None:
        raise NotThereError(_("There is no such project for you."))
    return found


def _number(request: HttpRequest, name: str) -> int | None:
    text = request.POST.get(name, "")
    if not text:
        return None
    return int(text) if text.isdecimal() and len(text) <= LONGEST_NUMBER else 0


@require_safe
@admins_only
def file(request: HttpRequest, job_id: int) -> FileResponse:
    """The finished file."""
    job, content = export_take(job_id=job_id, by=person_of(request))
    return FileResponse(content, as_attachment=True, filename=job.file_name)


@require_POST
@admins_only
def cancel(request: HttpRequest, job_id: int) -> HttpResponse:
    """Stop writing a file."""
    export_cancel(job_id=job_id, by=person_of(request))
    return _back()


def _back() -> HttpResponse:
    return HttpResponseRedirect(reverse("data") + "#exports")
