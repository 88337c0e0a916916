"""Station 7, dataset, over the API: which versions there are. Files of them are exports (labeling/api)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from scoring.access import IsAdmin
from scoring.api.paging import PageQuery, page, page_of
from scoring.api.strict import query_of
from scoring.dataset import split_counts
from scoring.models import DatasetVersion


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


@extend_schema(parameters=[PageQuery], responses=page_of(DatasetShape), tags=["datasets"])
@api_view(["GET"])
@permission_classes([IsAdmin])
def datasets(request: Request) -> Response:
    """Frozen dataset versions, newest first."""
    query_of(request, PageQuery)
    return page(request, DatasetVersion.objects.all(), told=_told)


@extend_schema(responses=DatasetDetailShape, tags=["datasets"])
@api_view(["GET"])
@permission_classes([IsAdmin])
def dataset_detail(request: Request, pk: int) -> Response:
    """One dataset version with the size of each split."""
    return Response(DatasetDetailShape(get_object_or_404(DatasetVersion, pk=pk)).data)


def _told(versions: Sequence[DatasetVersion]) -> Any:
    return DatasetShape(versions, many=True).data
