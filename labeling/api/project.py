"""Projects over the API: those the person has a role in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import User
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.models import Membership, Project
from labeling.permissions import Role, projects_of
from scoring.access import IsAnnotator, person_of
from scoring.api.paging import PageQuery, page, page_of
from scoring.api.strict import query_of
from scoring.errors import NotThereError


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


def project_of(person: User, pk: int | None) -> Project:
    """The project if the person has a role in it, else their first."""
    mine = projects_of(person)
    found = mine.first() if pk is None else mine.filter(pk=pk).first()
    if found is None:
        raise NotThereError(_("There is no such project for you."))
    return found
