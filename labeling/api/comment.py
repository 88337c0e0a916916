"""Comments over the API, under the rules of the pages: what one may read, whom one calls, what calls one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.label_shapes import id_field
from labeling.api.project import project_of
from labeling.comments import LONGEST_COMMENT, call_see, calls_waiting, comment_write, comments_readable
from labeling.models import Comment, Item, Mention
from labeling.permissions import Role, require_role
from scoring.access import IsAnnotator, person_of
from scoring.api.paging import PageQuery, page, page_of
from scoring.api.strict import Strict, body_of, query_of
from scoring.errors import NotThereError

TAG = ["comments"]
OF_PROJECT = "The project it is said in; else your first."


class CommentsQuery(PageQuery):
    project = id_field(required=False, help_text=OF_PROJECT)


class CommentInput(Strict):
    """A remark; @name in it calls a member of the project."""

    text = serializers.CharField(max_length=LONGEST_COMMENT)
    key = serializers.UUIDField(help_text="Made by the client: sent twice it is one comment.")
    project = id_field(required=False, help_text=OF_PROJECT)


class CommentShape(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    image = serializers.IntegerField(source="item.image_id")
    author = serializers.CharField(source="author.username")
    text = serializers.CharField()
    called = serializers.SerializerMethodField(help_text="Names of those it calls.")
    key = serializers.UUIDField()
    created_at = serializers.DateTimeField()

    def get_called(self, comment: Comment) -> list[str]:
        return [mention.user.username for mention in comment.mentions.all()]


class CallShape(serializers.Serializer[Any]):
    """A comment that calls you and that you have not marked as seen."""

    id = serializers.IntegerField()
    project = serializers.IntegerField(source="comment.item.project_id")
    comment = CommentShape()


@extend_schema(
    methods=["GET"], parameters=[CommentsQuery], responses=page_of(CommentShape), tags=TAG, summary="Read"
)
@extend_schema(
    methods=["POST"], request=CommentInput, responses={201: CommentShape}, tags=TAG, summary="Write"
)
@api_view(["GET", "POST"])
@permission_classes([IsAnnotator])
def comments(request: Request, pk: int) -> Response:
    """What is said of a picture in a project, the newest first; or say something.

    Whoever may not see others' votes on it yet reads only their own comments and those that call them.
    """
    person = person_of(request)
    said = query_of(request, CommentsQuery) if request.method == "GET" else body_of(request, CommentInput)
    project = project_of(person, said.get("project"))
    item = Item.objects.select_related("project").filter(project=project, image_id=pk).first()
    if item is None:
        raise NotThereError(_("This picture is not in the queue of this project."))
    if request.method == "GET":
        role = require_role(person, project, Role.ANNOTATOR)
        return page(request, comments_readable(item=item, user=person, role=role), told=_told)
    made = comment_write(user=person, item_id=item.pk, text=said["text"], key=said["key"])
    return Response(CommentShape(made).data, status=201)


@extend_schema(parameters=[PageQuery], responses=page_of(CallShape), tags=TAG, summary="Calls that wait")
@api_view(["GET"])
@permission_classes([IsAnnotator])
def calls(request: Request) -> Response:
    """Comments that call you and wait to be seen, in all your projects, the newest first."""
    query_of(request, PageQuery)

    def told(rows: Sequence[Mention]) -> Any:
        return CallShape(rows, many=True).data

    return page(request, calls_waiting(user=person_of(request)), told=told)


@extend_schema(request=None, responses={204: None}, tags=TAG, summary="Mark a call as seen")
@api_view(["POST"])
@permission_classes([IsAnnotator])
def call_seen(request: Request, pk: int) -> Response:
    """You have seen it. Safe to repeat."""
    call_see(user=person_of(request), mention_id=pk)
    return Response(status=204)


def _told(rows: Sequence[Comment]) -> Any:
    return CommentShape(rows, many=True).data
