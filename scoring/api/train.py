"""Station 8, train, over the API: how a run is doing, and stopping it. Starting one needs the people's
room (labels are frozen first), so the list's address belongs to ``labeling/api/train.py``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from scoring.access import IsAdmin, person_of
from scoring.models import TrainingRun
from scoring.train import training_cancel


class RunShape(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=TrainingRun.Kind.choices)
    state = serializers.ChoiceField(choices=TrainingRun.State.choices)
    trigger = serializers.ChoiceField(choices=TrainingRun.Trigger.choices)
    dataset = serializers.IntegerField(source="dataset_id")
    candidate = serializers.IntegerField(
        source="candidate_id", allow_null=True, help_text="The model it made, once it is evaluated."
    )
    step = serializers.CharField()
    progress = serializers.FloatField(help_text="0-1")
    curve = serializers.JSONField(help_text="A point an epoch, as far as it is.")
    is_cancel_asked = serializers.BooleanField()
    error = serializers.CharField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


@extend_schema(responses=RunShape, tags=["training-runs"])
@api_view(["GET"])
@permission_classes([IsAdmin])
def training_run(request: Request, pk: int) -> Response:
    """How far a retrain is; ask again as often as you like."""
    return Response(RunShape(get_object_or_404(TrainingRun, pk=pk)).data)


@extend_schema(request=None, responses=RunShape, tags=["training-runs"])
@api_view(["POST"])
@permission_classes([IsAdmin])
def training_run_cancel(request: Request, pk: int) -> Response:
    """Stop a retrain: at once while it waits, at its next stage while it runs."""
    return Response(RunShape(training_cancel(run_id=pk, by=person_of(request))).data)


def runs_told(runs: Sequence[TrainingRun]) -> Any:
    """Runs of one page of a list."""
    return RunShape(runs, many=True).data
