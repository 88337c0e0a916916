"""Comments on a picture, from its own page or the reviewer's desk, and calls that were seen."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from labeling.comments import call_see, comment_write
from labeling.current import current_project
from labeling.models import Item
from labeling.permissions import Role, require_role
from scoring.errors import BadInputError, NotThereError


@require_POST
def write(request: HttpRequest, image_id: int) -> HttpResponse:
    """Store a comment on the picture in the project at hand; back to where it was written."""
    user, project = cast("User", request.user), current_project(request)
    require_role(user, project, Role.ANNOTATOR)
    item = Item.objects.filter(project=project, image_id=image_id).first()
    if item is None:
        raise NotThereError(_("This picture is not in the queue of this project."))
    text = request.POST.get("text", "")
    try:
        comment_write(user=user, item_id=item.pk, text=text, key=_key(request))
    except BadInputError as refusal:
        messages.warning(request, str(refusal))
    at_desk = request.POST.get("back") == "review"
    address = f"{reverse('review')}?item={item.pk}" if at_desk else reverse("image", args=[image_id])
    return HttpResponseRedirect(f"{address}#comments")


@require_POST
def see(request: HttpRequest, mention_id: int) -> HttpResponse:
    """The person has seen that somebody called them."""
    call_see(user=cast("User", request.user), mention_id=mention_id)
    return HttpResponseRedirect(reverse("home"))


def _key(request: HttpRequest) -> UUID:
    try:
        return UUID(request.POST.get("key", ""))
    except ValueError:
        raise BadInputError(_("The form is incomplete; load the page again."), code="no_key") from None
