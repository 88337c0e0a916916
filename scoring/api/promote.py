"""Station 9, promote, over the API: which models there are, which serves, and the switch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from scoring.access import IsAdmin, person_of
from scoring.api.paging import PageQuery, page, page_of
from scoring.api.strict import Strict, body_of, query_of
from scoring.models import ModelVersion, Serving
from scoring.progress import Progress
from scoring.promote import LONGEST_REASON, model_promote, model_roll_back
from scoring.registry import serving
from scoring.rescore import rescore_progress


class PromoteInput(Strict):
    reason = serializers.CharField(
        default="",
        allow_blank=True,
        max_length=LONGEST_REASON,
        help_text="Why; needed for a model the gate refused, and kept in the audit trail.",
    )


class ModelShape(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=ModelVersion.Kind.choices)
    state = serializers.ChoiceField(choices=ModelVersion.State.choices)
    parent = serializers.IntegerField(source="parent_id", allow_null=True)  # type: ignore[assignment]
    dataset = serializers.IntegerField(source="dataset_id", allow_null=True)
    feature_version = serializers.CharField()
    weights_digest = serializers.CharField()
    metrics = serializers.JSONField(help_text="Candidate and champion on the same labels, with intervals.")
    verdict = serializers.JSONField(
        help_text="What the gate decided, with every figure and bar; `unjudged` names the categories that "
        "had too few `pictures` of the `needed` to be judged by themselves."
    )
    created_at = serializers.DateTimeField()
    promoted_at = serializers.DateTimeField(allow_null=True)


class RescoreShape(serializers.Serializer[Progress]):
    done = serializers.IntegerField()
    total = serializers.IntegerField()


@dataclass(frozen=True, slots=True)
class Served:
    row: Serving
    rescore: Progress


class ServingShape(serializers.Serializer[Served]):
    champion = serializers.CharField(source="row.champion.name", help_text="Makes new scores.")
    displayed = serializers.CharField(
        source="row.displayed.name",
        help_text="Whose scores people see; follows the champion when it has scored everything.",
    )
    previous = serializers.CharField(
        source="row.previous.name", allow_null=True, default=None, help_text="Where roll back goes."
    )
    rescore = RescoreShape()


@extend_schema(parameters=[PageQuery], responses=page_of(ModelShape), tags=["models"])
@api_view(["GET"])
@permission_classes([IsAdmin])
def models(request: Request) -> Response:
    """Every model with its figures, newest first."""
    query_of(request, PageQuery)
    return page(request, ModelVersion.objects.all(), told=_told)


@extend_schema(responses=ModelShape, tags=["models"])
@api_view(["GET"])
@permission_classes([IsAdmin])
def model_detail(request: Request, pk: int) -> Response:
    """One model."""
    return Response(ModelShape(get_object_or_404(ModelVersion, pk=pk)).data)


@extend_schema(responses=ServingShape, tags=["models"])
@api_view(["GET"])
@permission_classes([IsAdmin])
def model_serving(request: Request) -> Response:
    """Which model makes new scores, which is shown, and how far a rescore is."""
    return Response(_served())


@extend_schema(request=PromoteInput, responses=ServingShape, tags=["models"])
@api_view(["POST"])
@permission_classes([IsAdmin])
def promote(request: Request, pk: int) -> Response:
    """Make a model the champion. People see its scores once it has scored the whole catalogue."""
    model = get_object_or_404(ModelVersion, pk=pk)
    model_promote(model=model, by=person_of(request), reason=body_of(request, PromoteInput)["reason"])
    return Response(_served())


@extend_schema(request=None, responses=ServingShape, tags=["models"])
@api_view(["POST"])
@permission_classes([IsAdmin])
def roll_back(request: Request) -> Response:
    """Back to the model before; its scores were kept and show at once."""
    model_roll_back(by=person_of(request))
    return Response(_served())


def _served() -> Any:
    return ServingShape(Served(serving(), rescore_progress())).data


def _told(models: Sequence[ModelVersion]) -> Any:
    return ModelShape(models, many=True).data
