"""Station 7, dataset, over the API: which versions there are, and each of them as a file."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from typing import Any

from django.http import FileResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from scoring.access import IsAdmin
from scoring.api.paging import PageQuery, page, page_of
from scoring.api.strict import query_of
from scoring.dataset import FORMATS, dataset_export, split_counts
from scoring.errors import NotThereError
from scoring.models import DatasetVersion

TYPES = {"csv": "text/csv", "jsonl": "application/x-ndjson"}
ENDINGS = {"csv": "csv", "jsonl": "jsonl"}


class DatasetShape(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    digest = serializers.CharField(help_text="SHA-256 of the rows: the same content, the same digest.")
    row_count = serializers.IntegerField()
    split_seed = serializers.IntegerField()
    note = serializers.CharField()
    created_at = serializers.DateTimeField()


class SplitsShape(serializers.Serializer[Any]):
    train = serializers.IntegerField()
    calibration = serializers.IntegerField()
    holdout = serializers.IntegerField()


class DatasetDetailShape(DatasetShape):
    splits = serializers.SerializerMethodField()

    @extend_schema_field(SplitsShape)
    def get_splits(self, dataset: DatasetVersion) -> dict[str, int]:
        return split_counts(dataset)


@extend_schema(parameters=[PageQuery], responses=page_of(DatasetShape), tags=["exports"])
@api_view(["GET"])
@permission_classes([IsAdmin])
def exports(request: Request) -> Response:
    """Frozen dataset versions, newest first."""
    query_of(request, PageQuery)
    return page(request, DatasetVersion.objects.all(), told=_told)


@extend_schema(responses=DatasetDetailShape, tags=["exports"])
@api_view(["GET"])
@permission_classes([IsAdmin])
def export_detail(request: Request, pk: int) -> Response:
    """One dataset version with the size of each split."""
    return Response(DatasetDetailShape(get_object_or_404(DatasetVersion, pk=pk)).data)


@extend_schema(
    parameters=[OpenApiParameter("form", str, OpenApiParameter.PATH, enum=list(FORMATS))],
    responses={(200, kind): OpenApiTypes.BINARY for kind in (*TYPES.values(), "application/json")},
    tags=["exports"],
)
@api_view(["GET"])
@permission_classes([IsAdmin])
def export_file(request: Request, pk: int, form: str) -> HttpResponseBase:
    """A version as CSV, JSON lines, Label Studio tasks or COCO."""
    dataset = get_object_or_404(DatasetVersion, pk=pk)
    if form not in FORMATS:
        raise NotThereError(
            _("There is no form {form}; there are {known}.").format(form=form, known=", ".join(FORMATS))
        )
    kept = tempfile.TemporaryFile()  # noqa: SIM115  (the answer closes it)
    text = io.TextIOWrapper(kept, encoding="utf-8", newline="", write_through=True)
    dataset_export(dataset=dataset, fmt=form, out=text)
    text.detach()
    kept.seek(0)
    name = f"{dataset.digest[:12]}-{form}.{ENDINGS.get(form, 'json')}"
    return FileResponse(
        kept, as_attachment=True, filename=name, content_type=TYPES.get(form, "application/json")
    )


def _told(datasets: Sequence[DatasetVersion]) -> Any:
    return DatasetShape(datasets, many=True).data
