"""Projects over the API: those the person has a role in, and the votes people gave in them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib.auth.models import User
from django.http import StreamingHttpResponse
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.annotate import live_annotations
from labeling.models import Annotation, Membership, Project
from labeling.permissions import Role, projects_of, require_role
from scoring.access import IsAnnotator, person_of
from scoring.api.paging import PageQuery, page, page_of
from scoring.api.strict import query_of
from scoring.core.exports import safe_cell
from scoring.core.types import Dimension
from scoring.errors import NotThereError

VOTE_COLUMNS = (
    "vote",
    "image",
    "digest",
    "product_id",
    "rater",
    "rating",
    "accepted",
    "shown_score",
    "planted",
    "duration_ms",
    "given_at",
    *(str(dimension) for dimension in Dimension),
)
BATCH = 2000


class ProjectShape(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    role = serializers.SerializerMethodField(help_text="Yours.")
    overlap = serializers.IntegerField(help_text="Votes each picture gets.")
    max_overlap = serializers.IntegerField(help_text="Most votes, where people disagree.")
    created_at = serializers.DateTimeField()

    def get_role(self, project: Project) -> str:
        return str(self.context["roles"].get(project.pk, Role.ADMIN))


@extend_schema(parameters=[PageQuery], responses=page_of(ProjectShape), tags=["projects"])
@api_view(["GET"])
@permission_classes([IsAnnotator])
def projects(request: Request) -> Response:
    """The projects you have a role in, oldest first."""
    query_of(request, PageQuery)
    person = person_of(request)

    def told(rows: Sequence[Project]) -> Any:
        roles = dict(Membership.objects.filter(user_id=person.pk).values_list("project_id", "role"))
        return ProjectShape(rows, many=True, context={"roles": roles}).data

    return page(request, projects_of(person), ordering="id", told=told)


@extend_schema(
    responses={(200, "text/csv"): OpenApiResponse(OpenApiTypes.STR, description="One line per live vote.")},
    tags=["projects"],
)
@api_view(["GET"])
@permission_classes([IsAnnotator])
def project_votes(request: Request, pk: int) -> StreamingHttpResponse:
    """Every live vote of a project as CSV: corrected and withdrawn ones are left out. Admins only."""
    person = person_of(request)
    project = project_of(person, pk)
    require_role(person, project, Role.ADMIN)
    answer = StreamingHttpResponse(_vote_lines(project), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="votes-{project.pk}.csv"'
    return answer


def project_of(person: User, pk: int | None) -> Project:
    """The project if the person has a role in it, else their first."""
    mine = projects_of(person)
    found = mine.first() if pk is None else mine.filter(pk=pk).first()
    if found is None:
        raise NotThereError(_("There is no such project for you."))
    return found


def _vote_lines(project: Project) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(VOTE_COLUMNS)
    votes = live_annotations().filter(item__project=project).select_related("item__image__product", "rater")
    for vote in votes.order_by("id").iterator(chunk_size=BATCH):
        yield writer.writerow(_cells(vote))


def _cells(vote: Annotation) -> list[object]:
    image = vote.item.image
    return [
        vote.pk,
        image.pk,
        image.digest,
        safe_cell(image.product.external_id),
        safe_cell(vote.rater.get_username()),
        vote.rating,
        int(vote.is_accepted),
        vote.shown_score,
        int(vote.is_planted),
        vote.duration_ms,
        vote.created_at.isoformat(),
        *(vote.dimensions.get(str(dimension), "") for dimension in Dimension),
    ]


class _Echo:
    """A file whose write gives back the line."""

    def write(self, line: str) -> str:
        return line
