"""Station 8, train, over the API: list the retrains, start one on what people have labelled."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes, throttle_classes
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.project import project_of
from labeling.train import retrain
from scoring.access import IsAdmin, person_of
from scoring.api.paging import PageQuery, page, page_of
from scoring.api.strict import Strict, body_of, query_of
from scoring.api.throttles import TrainingThrottle
from scoring.api.train import RunShape, runs_told
from scoring.models import TrainingRun


class RunInput(Strict):
    project = serializers.IntegerField(required=False, help_text="Default: your first project.")
    kind = serializers.ChoiceField(choices=TrainingRun.Kind.choices, default=str(TrainingRun.Kind.FAST))
    promote = serializers.BooleanField(
        default=True, help_text="Whether its model serves at once where the gate lets it pass."
    )


@extend_schema(methods=["GET"], parameters=[PageQuery], responses=page_of(RunShape), tags=["training-runs"])
@extend_schema(methods=["POST"], request=RunInput, responses={201: RunShape}, tags=["training-runs"])
@api_view(["GET", "POST"])
@permission_classes([IsAdmin])
@throttle_classes([TrainingThrottle])
def training_runs(request: Request) -> Response:
    """Retrains, newest first; or start one: labels are frozen where they changed, then a worker fits."""
    if request.method == "GET":
        query_of(request, PageQuery)
        return page(request, TrainingRun.objects.all(), told=runs_told)
    body: dict[str, Any] = body_of(request, RunInput)
    person = person_of(request)
    run = retrain(
        project=project_of(person, body.get("project")),
        by=person,
        kind=body["kind"],
        trigger=str(TrainingRun.Trigger.API),
        promote=body["promote"],
    )
    return Response(RunShape(run).data, status=201)
