"""Station 1, ingest, over the API: pictures, rows or addresses in; per-row reasons out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes, throttle_classes
from rest_framework.request import Request
from rest_framework.response import Response

from scoring.access import IsAdmin, person_of
from scoring.api.paging import PageQuery, page, page_of
from scoring.api.strict import Strict, body_of, query_of
from scoring.api.throttles import ImportsThrottle
from scoring.ingest import (
    ImportProgress,
    import_add,
    import_cancel,
    import_progress,
    import_resume,
    import_start,
    imports_progress,
)
from scoring.models import ImportJob, ImportRow
from scoring.rows import ADDRESS_CHARS, parse_rows

ROWS_AT_ONCE = 10_000
LISTED_AT_ONCE = 500  # more are read by a worker and not while the caller waits
Kind = ImportJob.Kind
FROM_FILES = [str(kind) for kind in (Kind.UPLOAD, Kind.ARCHIVE, Kind.TABLE, Kind.URLS)]


class RowInput(Strict):
    """One picture by its address. A row that cannot be used is refused with its reason, the rest go in."""

    image = serializers.CharField(
        allow_blank=True, max_length=ADDRESS_CHARS * 2, help_text="Public address of the picture."
    )
    product_id = serializers.CharField(allow_blank=True, default="")
    title = serializers.CharField(allow_blank=True, default="")
    category = serializers.CharField(allow_blank=True, default="")
    seller = serializers.CharField(allow_blank=True, default="")
    votes = serializers.ListField(
        child=serializers.DictField(),
        required=False,
        help_text='What people said elsewhere: `{"rater": "…", "rating": 1-5}` each.',
    )
    predictions = serializers.ListField(
        child=serializers.DictField(),
        required=False,
        help_text='What other models said: `{"model": "…", "score": 0-100}` each.',
    )


class VotesFor(Strict):
    """Where votes that come along shall count."""

    project = serializers.IntegerField(
        required=False,
        min_value=1,
        help_text="Id of a project you administer, in which votes of other tools shall count; else they are"
        " only shown.",
    )


class RowsInput(VotesFor):
    """An import as JSON: ``rows`` with what is known of each picture, or plain ``urls``."""

    rows = RowInput(many=True, required=False)
    urls = serializers.ListField(
        child=serializers.CharField(allow_blank=True, max_length=ADDRESS_CHARS * 2),
        required=False,
        help_text="Public addresses of pictures, when nothing else is known of them.",
    )
    label = serializers.CharField(allow_blank=True, max_length=255, default="")  # type: ignore[assignment]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        given = [name for name in ("rows", "urls") if attrs.get(name)]
        if len(given) != 1:
            raise serializers.ValidationError(_("Give either rows or urls, and at least one of them."))
        if len(attrs[given[0]]) > ROWS_AT_ONCE:
            raise serializers.ValidationError({given[0]: [_("At most 10,000 rows at once.")]})
        return attrs


class FilesInput(VotesFor):
    """An import as files: pictures, or the one archive, table or list of addresses that ``kind`` says."""

    files = serializers.ListField(child=serializers.FileField(allow_empty_file=True), min_length=1)
    kind = serializers.ChoiceField(choices=FROM_FILES, default=str(Kind.UPLOAD))
    label = serializers.CharField(allow_blank=True, max_length=255, default="")  # type: ignore[assignment]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["kind"] != Kind.UPLOAD and len(attrs["files"]) != 1:
            raise serializers.ValidationError({"files": [_("An import of this kind is made from one file.")]})
        return attrs


class MoreFilesInput(Strict):
    files = serializers.ListField(child=serializers.FileField(allow_empty_file=True), min_length=1)


class CountsShape(serializers.Serializer[ImportProgress]):
    total = serializers.IntegerField()
    done = serializers.IntegerField()
    duplicate = serializers.IntegerField(help_text="Known already, by the digest of their bytes.")
    refused = serializers.IntegerField()
    pending = serializers.IntegerField()


@dataclass(frozen=True, slots=True)
class Told:
    """A job with its counts."""

    job: ImportJob
    progress: ImportProgress


class ImportShape(serializers.Serializer[Any]):
    id = serializers.IntegerField(source="job.pk")
    kind = serializers.ChoiceField(source="job.kind", choices=Kind.choices)
    state = serializers.ChoiceField(source="job.state", choices=ImportJob.State.choices)
    label = serializers.CharField(source="job.label")  # type: ignore[assignment]
    error = serializers.CharField(source="job.error", help_text="Why the source as a whole was refused.")
    created_at = serializers.DateTimeField(source="job.created_at")
    finished_at = serializers.DateTimeField(source="job.finished_at", allow_null=True)
    rows = CountsShape(source="progress")
    rows_per_second = serializers.FloatField(source="progress.rate")
    seconds_left = serializers.FloatField(source="progress.eta_s", allow_null=True)


class RowShape(serializers.Serializer[Any]):
    position = serializers.IntegerField()
    reference = serializers.CharField(help_text="The address or file name as it was given.")
    product_id = serializers.CharField()
    state = serializers.ChoiceField(choices=ImportRow.State.choices)
    code = serializers.CharField(help_text="Why it was refused, for programs.")
    reason = serializers.CharField(help_text="Why it was refused, for people.")
    image = serializers.IntegerField(source="image_id", allow_null=True)


class RowsQuery(PageQuery):
    state = serializers.ChoiceField(choices=ImportRow.State.choices, required=False)


@extend_schema(methods=["GET"], parameters=[PageQuery], responses=page_of(ImportShape), tags=["imports"])
@extend_schema(
    methods=["POST"],
    request={"application/json": RowsInput, "multipart/form-data": FilesInput},
    responses={201: ImportShape},
    tags=["imports"],
)
@api_view(["GET", "POST"])
@permission_classes([IsAdmin])
@throttle_classes([ImportsThrottle])
def imports(request: Request) -> Response:
    """List imports, newest first; or begin one with pictures, rows or addresses.

    The answer comes at once, the rows are worked on by workers; ask for the import to see how far it is.
    Sending the same pictures again adds nothing twice.
    """
    if request.method == "GET":
        query_of(request, PageQuery)
        return page(request, ImportJob.objects.all(), told=_told)
    job = _start_of_files(request) if _is_form(request) else _start_of_rows(request)
    return Response(_shape(job), status=201)


@extend_schema(responses=ImportShape, tags=["imports"])
@api_view(["GET"])
@permission_classes([IsAdmin])
def import_detail(request: Request, pk: int) -> Response:
    """How far an import is."""
    return Response(_shape(get_object_or_404(ImportJob, pk=pk)))


@extend_schema(parameters=[RowsQuery], responses=page_of(RowShape), tags=["imports"])
@api_view(["GET"])
@permission_classes([IsAdmin])
def import_rows(request: Request, pk: int) -> Response:
    """The rows of an import in order, each with its state and, where it was refused, the reason."""
    job, query = get_object_or_404(ImportJob, pk=pk), query_of(request, RowsQuery)
    rows = ImportRow.objects.filter(job=job)
    if "state" in query:
        rows = rows.filter(state=query["state"])
    return page(request, rows, ordering="position", told=lambda rows: RowShape(rows, many=True).data)


@extend_schema(request={"multipart/form-data": MoreFilesInput}, responses=ImportShape, tags=["imports"])
@api_view(["POST"])
@permission_classes([IsAdmin])
@throttle_classes([ImportsThrottle])
def import_files(request: Request, pk: int) -> Response:
    """Add more pictures to an upload."""
    body = body_of(request, MoreFilesInput)
    job = import_add(job_id=pk, uploads=_uploads(body["files"]), by=person_of(request))
    return Response(_shape(job))


@extend_schema(request=None, responses=ImportShape, tags=["imports"])
@api_view(["POST"])
@permission_classes([IsAdmin])
def import_stop(request: Request, pk: int) -> Response:
    """Cancel an import; what went in stays in."""
    return Response(_shape(import_cancel(job_id=pk, by=person_of(request))))


@extend_schema(request=None, responses=ImportShape, tags=["imports"])
@api_view(["POST"])
@permission_classes([IsAdmin])
def import_again(request: Request, pk: int) -> Response:
    """Go on with a cancelled import, and try again what was refused for a passing reason."""
    return Response(_shape(import_resume(job_id=pk, by=person_of(request))))


def _is_form(request: Request) -> bool:
    return (request.content_type or "").startswith(("multipart/", "application/x-www-form-urlencoded"))


def _start_of_files(request: Request) -> ImportJob:
    body = body_of(request, FilesInput)
    return import_start(
        kind=body["kind"],
        created_by=person_of(request),
        label=body["label"],
        uploads=_uploads(body["files"]),
        votes_for=body.get("project"),
    )


def _start_of_rows(request: Request) -> ImportJob:
    body = body_of(request, RowsInput)
    rows = body.get("rows") or [{"image": url} for url in body["urls"]]
    lines = "\n".join(json.dumps(row) for row in rows).encode()
    asked: dict[str, Any] = {
        "kind": Kind.TABLE if body.get("rows") else Kind.URLS,
        "created_by": person_of(request),
        "label": body["label"],
        "votes_for": body.get("project"),
    }
    if len(rows) <= LISTED_AT_ONCE:
        return import_start(**asked, records=parse_rows(lines, "jsonl"))
    return import_start(**asked | {"kind": Kind.TABLE}, uploads=[("rows.jsonl", lines)])


def _uploads(files: Sequence[Any]) -> list[tuple[str, Any]]:
    return [(str(file.name), file) for file in files]


def _told(jobs: Sequence[ImportJob]) -> Any:
    progress = imports_progress(jobs=jobs)
    return ImportShape([Told(job, progress[job.pk]) for job in jobs], many=True).data


def _shape(job: ImportJob) -> Any:
    return ImportShape(Told(job, import_progress(job=job))).data
