"""One dataset version: its splits, the votes it was made of, and what another one has that it has not."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from labeling.current import current_project
from labeling.permissions import Role, require_role
from labeling.votes import voters_of_version
from scoring.changes import dataset_changes
from scoring.dataset import dataset_diff, split_counts
from scoring.errors import NotThereError
from scoring.models import DatasetRow, DatasetVersion, ModelVersion
from scoring.views.doors import person_of

CHANGES_SHOWN, OTHERS_SHOWN = 60, 100
LONGEST_NUMBER = 18


@require_safe
def page(request: HttpRequest, dataset_id: int) -> HttpResponse:
    """The version, held against the one before it or the one asked for."""
    require_role(person_of(request), current_project(request), Role.ADMIN)
    version = DatasetVersion.objects.select_related("created_by").filter(pk=dataset_id).first()
    if version is None:
        raise NotThereError(_("There is no such dataset version."))
    others = DatasetVersion.objects.exclude(pk=version.pk)
    old = _against(request, version)
    splits = split_counts(version)
    context = {
        "version": version,
        "splits": [(split.label, splits[split]) for split in DatasetRow.Split],
        "voters": voters_of_version(version),
        "models": ModelVersion.objects.filter(dataset=version),
        "others": others[:OTHERS_SHOWN],
        "old": old,
        "nav_current": "data",
    }
    if old is not None:
        context |= {
            "diff": dataset_diff(old=old, new=version),
            "changes": dataset_changes(old=old, new=version, limit=CHANGES_SHOWN),
            "changes_shown": CHANGES_SHOWN,
        }
    return render(request, "labeling/version.html", context)


def _against(request: HttpRequest, version: DatasetVersion) -> DatasetVersion | None:
    """The version asked for; without a wish the one before, None for the first."""
    text = request.GET.get("against", "")
    if text.isdecimal() and len(text) <= LONGEST_NUMBER:
        return DatasetVersion.objects.filter(pk=int(text)).exclude(pk=version.pk).first()
    return DatasetVersion.objects.filter(pk__lt=version.pk).first()
