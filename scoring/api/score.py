"""Station 2, score, in real time: one picture in, its score in the answer."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view, parser_classes, permission_classes, throttle_classes
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from scoring.access import IsAnnotator, person_of, require_reached
from scoring.api.shapes import Said, ScoreShape
from scoring.api.strict import Strict, body_of
from scoring.api.throttles import ScoresThrottle
from scoring.archive import PICTURE_CAP
from scoring.ingest import import_start
from scoring.instant import picture_score
from scoring.models import ImportJob


class PictureInput(Strict):
    file = serializers.FileField(allow_empty_file=True)
    keep = serializers.BooleanField(
        default=False, help_text="Also bring the picture into the catalogue; admins only."
    )


@dataclass(frozen=True, slots=True)
class Instant:
    digest: str
    width: int
    height: int
    score: Said
    measures: dict[str, float]
    job: int | None


class InstantShape(serializers.Serializer[Instant]):
    digest = serializers.CharField(help_text="SHA-256 of the bytes that came in.")
    width = serializers.IntegerField()
    height = serializers.IntegerField()
    score = ScoreShape()
    measures = serializers.DictField(child=serializers.FloatField())
    job = serializers.IntegerField(allow_null=True, help_text="The import, where the picture is kept.")


@extend_schema(
    request={"multipart/form-data": PictureInput},
    responses=InstantShape,
    tags=["scores"],
)
@api_view(["POST"])
@parser_classes([MultiPartParser])
@permission_classes([IsAnnotator])
@throttle_classes([ScoresThrottle])
def scores(request: Request) -> Response:
    """Score one picture at once. It is not kept unless `keep` is set; a refusal says why in its code."""
    body = body_of(request, PictureInput)
    if body["keep"]:
        require_reached(person_of(request), "admin")
    data = body["file"].read(PICTURE_CAP + 1)  # the gate says that more is too much
    found = picture_score(data=data)
    job = _kept(request, body, data) if body["keep"] else None
    told = Instant(
        digest=found.picture.digest,
        width=found.picture.width,
        height=found.picture.height,
        score=Said.of_prediction(found.prediction, model=found.model.name),
        measures=dict(found.prediction.measures),
        job=job.pk if job else None,
    )
    return Response(InstantShape(told).data)


def _kept(request: Request, body: dict[str, Any], data: bytes) -> ImportJob:
    return import_start(
        kind=ImportJob.Kind.UPLOAD,
        created_by=person_of(request),
        label=body["file"].name,
        uploads=[(body["file"].name, io.BytesIO(data))],
    )
