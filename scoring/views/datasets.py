"""Dataset versions as files to take away."""

from __future__ import annotations

import io
import tempfile
from typing import IO

from django.http import FileResponse, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from scoring.dataset import csv_lines, dataset_export
from scoring.errors import NotThereError
from scoring.events import event_note
from scoring.models import DatasetVersion
from scoring.views.doors import admins_only, person_of

# format: (ending of the file, media type)
FILES = {
    "csv": ("csv", "text/csv; charset=utf-8"),
    "jsonl": ("jsonl", "application/jsonl; charset=utf-8"),
    "coco": ("coco.json", "application/json"),
    "label-studio": ("label-studio.json", "application/json"),
}


@require_safe
@admins_only
def export(request: HttpRequest, dataset_id: int, fmt: str) -> HttpResponseBase:
    """A version in one of the formats; CSV line by line, the others by way of a file on disk."""
    dataset = DatasetVersion.objects.filter(pk=dataset_id).first()
    if dataset is None or fmt not in FILES:
        raise NotThereError(_("There is no such dataset version or format."))
    event_note(actor=person_of(request), verb="dataset.export", target=dataset, after={"format": fmt})
    ending, content_type = FILES[fmt]
    name = f"vitrine-{dataset.digest[:12]}.{ending}"
    if fmt == "csv":
        response = StreamingHttpResponse(csv_lines(dataset), content_type=content_type)
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response
    return FileResponse(_written(dataset, fmt), as_attachment=True, filename=name, content_type=content_type)


def _written(dataset: DatasetVersion, fmt: str) -> IO[bytes]:
    """The version in a nameless file, which is gone once it has been sent."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the answer closes it
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    dataset_export(dataset=dataset, fmt=fmt, out=text)
    text.detach()  # which flushes, and keeps the file open when the wrapper goes
    file.seek(0)
    return file
