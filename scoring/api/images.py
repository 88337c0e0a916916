"""The catalogue over the API: pictures with their scores, findings and measures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import F, Q, QuerySet
from django.http import FileResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from scoring.access import IsAnnotator
from scoring.api.paging import PageQuery, page, page_of
from scoring.api.shapes import ImageDetailShape, ImageShape, Pictured, Said
from scoring.api.strict import query_of
from scoring.core.types import Defect
from scoring.errors import NotThereError
from scoring.models import Image, StoredFeatures
from scoring.registry import serving
from scoring.score import scores_of
from scoring.storage import picture_file

# word of the query: (column, its kind); by score only pictures that have one
ORDERS: dict[str, tuple[str, type[int] | type[float]]] = {
    "newest": ("-id", int),
    "oldest": ("id", int),
    "best": ("-overall", float),
    "worst": ("overall", float),
}


class ImagesQuery(PageQuery):
    order = serializers.ChoiceField(choices=list(ORDERS), default="newest")
    category = serializers.CharField(required=False, max_length=200)
    seller = serializers.CharField(required=False, max_length=200)
    product_id = serializers.CharField(required=False, max_length=200)
    words = serializers.CharField(
        required=False, max_length=200, help_text="Part of the product's title or id, or of the file name."
    )
    min_score = serializers.FloatField(required=False, min_value=0, max_value=100)
    max_score = serializers.FloatField(required=False, min_value=0, max_value=100)
    defect = serializers.ChoiceField(choices=[str(defect) for defect in Defect], required=False)


@extend_schema(parameters=[ImagesQuery], responses=page_of(ImageShape), tags=["images"])
@api_view(["GET"])
@permission_classes([IsAnnotator])
def images(request: Request) -> Response:
    """Pictures of the catalogue with the scores people see."""
    query = query_of(request, ImagesQuery)
    column, kind = ORDERS[query["order"]]
    found = _found(query, by_score=kind is float)
    return page(request, found, ordering=column, kind=kind, told=_told)


@extend_schema(responses=ImageDetailShape, tags=["images"])
@api_view(["GET"])
@permission_classes([IsAnnotator])
def image_detail(request: Request, pk: int) -> Response:
    """One picture with its score, findings and everything measured on it."""
    image = _image(pk)
    score = scores_of(image_ids=[pk]).get(pk)
    version = (score.model if score else serving().displayed).feature_version
    measured = StoredFeatures.objects.filter(image_id=pk, version=version).values_list("measures", flat=True)
    said = Said.of_score(score) if score else None
    return Response(ImageDetailShape(Pictured(image, said, measured.first() or {})).data)


@extend_schema(
    responses={(200, f"image/{form}"): OpenApiTypes.BINARY for form in ("jpeg", "png")}, tags=["images"]
)
@api_view(["GET"])
@permission_classes([IsAnnotator])
def image_picture(request: Request, pk: int) -> HttpResponseBase:
    """The bytes of a picture as they are kept: re-encoded, without metadata."""
    image = _image(pk)
    answer = FileResponse(picture_file(image), content_type=f"image/{image.stored_format}")
    answer["Cache-Control"] = "private, max-age=31536000, immutable"
    answer["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return answer


def _image(pk: int) -> Image:
    image = Image.objects.filter(pk=pk, is_hidden=False).select_related("product").first()
    if image is None:
        raise NotThereError(_("There is no such image."))
    return image


def _found(query: dict[str, Any], *, by_score: bool) -> QuerySet[Image]:
    found = Image.objects.filter(is_hidden=False).select_related("product")
    for name, column in (("category", "category"), ("seller", "seller"), ("product_id", "external_id")):
        if name in query:
            found = found.filter(**{f"product__{column}": query[name]})
    if "words" in query:
        words = query["words"]
        found = found.filter(
            Q(product__title__icontains=words)
            | Q(product__external_id__icontains=words)
            | Q(name__icontains=words)
        )
    by_score = by_score or bool(query.keys() & {"min_score", "max_score", "defect"})
    return _by_score(found, query) if by_score else found


def _by_score(found: QuerySet[Image], query: dict[str, Any]) -> QuerySet[Image]:
    """Only pictures whose displayed score answers the query; all of it about one score row."""
    wanted = Q(scores__model_id=serving().displayed_id)
    if "min_score" in query:
        wanted &= Q(scores__overall_score__gte=query["min_score"])
    if "max_score" in query:
        wanted &= Q(scores__overall_score__lte=query["max_score"])
    if "defect" in query:
        wanted &= Q(scores__accused__contains=[query["defect"]])
    return found.filter(wanted).annotate(overall=F("scores__overall_score"))


def _told(images: Sequence[Image]) -> Any:
    scores = scores_of(image_ids=[image.pk for image in images])
    said = {pk: Said.of_score(score) for pk, score in scores.items()}
    return ImageShape([Pictured(image, said.get(image.pk)) for image in images], many=True).data
