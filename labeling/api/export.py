"""Station 7, dataset, on the way out over the API: ask for a file, see how far it is, fetch it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import FileResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.project import project_of
from labeling.export import (
    ExportProgress,
    export_cancel,
    export_progress,
    export_seen,
    export_start,
    export_take,
    exports_seen,
)
from labeling.models import ExportJob
from scoring.access import IsAdmin, person_of
from scoring.api.paging import PageQuery, page, page_of
from scoring.api.strict import Strict, body_of, query_of
from scoring.models import DatasetVersion


class ExportInput(Strict):
    """A dataset version in a form, or the votes of a project."""

    form = serializers.ChoiceField(choices=ExportJob.Form.choices)
    dataset = serializers.IntegerField(required=False, min_value=1, help_text="Id of a dataset version.")
    project = serializers.IntegerField(
        required=False, min_value=1, help_text="Id of a project, for `votes`: every vote that counts."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("dataset" in attrs) == ("project" in attrs):
            raise serializers.ValidationError(_("Give either a dataset or a project."))
        return attrs


class ExportShape(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    form = serializers.ChoiceField(choices=ExportJob.Form.choices)
    dataset = serializers.IntegerField(source="dataset_id", allow_null=True)
    project = serializers.IntegerField(source="project_id", allow_null=True)
    state = serializers.ChoiceField(choices=ExportJob.State.choices)
    rows_done = serializers.IntegerField(source="done")
    rows_total = serializers.IntegerField(source="total")
    rows_per_second = serializers.SerializerMethodField()
    seconds_left = serializers.SerializerMethodField()
    byte_count = serializers.IntegerField(help_text="Of the finished file.")
    file_name = serializers.CharField()
    error = serializers.CharField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)

    def get_rows_per_second(self, job: ExportJob) -> float | None:
        return self._progress(job).rate

    def get_seconds_left(self, job: ExportJob) -> float | None:
        return self._progress(job).left_s

    def _progress(self, job: ExportJob) -> ExportProgress:
        return export_progress(job)


@extend_schema(methods=["GET"], parameters=[PageQuery], responses=page_of(ExportShape), tags=["exports"])
@extend_schema(methods=["POST"], request=ExportInput, responses={202: ExportShape}, tags=["exports"])
@api_view(["GET", "POST"])
@permission_classes([IsAdmin])
def exports(request: Request) -> Response:
    """List exports, newest first; or ask for one.

    The answer comes at once and a worker writes the file; ask for the export to see how far it is. A
    version never changes, so a file of it that is kept already is the answer.
    """
    if request.method == "GET":
        query_of(request, PageQuery)
        return page(request, exports_seen(by=person_of(request)), told=_told)
    body, person = body_of(request, ExportInput), person_of(request)
    dataset = get_object_or_404(DatasetVersion, pk=body["dataset"]) if "dataset" in body else None
    project = project_of(person, body["project"]) if "project" in body else None
    job = export_start(form=body["form"], by=person, dataset=dataset, project=project)
    return Response(ExportShape(job).data, status=202)


@extend_schema(responses=ExportShape, tags=["exports"])
@api_view(["GET"])
@permission_classes([IsAdmin])
def export_detail(request: Request, pk: int) -> Response:
    """How far an export is."""
    return Response(ExportShape(export_seen(job_id=pk, by=person_of(request))).data)


@extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY}, tags=["exports"])
@api_view(["GET"])
@permission_classes([IsAdmin])
def export_file(request: Request, pk: int) -> FileResponse:
    """The finished file; a 409 says that it is still being written, a 404 that it is no longer kept."""
    job, file = export_take(job_id=pk, by=person_of(request))
    return FileResponse(file, as_attachment=True, filename=job.file_name)


@extend_schema(request=None, responses=ExportShape, tags=["exports"])
@api_view(["POST"])
@permission_classes([IsAdmin])
def export_stop(request: Request, pk: int) -> Response:
    """Stop writing a file; what there is of it is thrown away."""
    return Response(ExportShape(export_cancel(job_id=pk, by=person_of(request))).data)


def _told(jobs: Sequence[ExportJob]) -> Any:
    return ExportShape(jobs, many=True).data
