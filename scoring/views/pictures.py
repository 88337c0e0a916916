"""Pictures for the page: our own re-encoded bytes, for people with a role and for nobody else.

A picture never changes under its address, so a browser may keep it for good; only its own cache may.
Should something slip through the gate, the headers leave it nothing to run in.
"""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.files.base import File
from django.http import FileResponse, HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from scoring.access import require_reached, role_reached
from scoring.errors import NotThereError
from scoring.models import Image
from scoring.storage import picture_file, thumbnail_file

HEADERS = {
    "Cache-Control": "private, max-age=31536000, immutable",
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
TYPES = {"jpeg": ("image/jpeg", "jpg"), "png": ("image/png", "png"), "webp": ("image/webp", "webp")}
THUMBNAIL_FORMAT = "webp"


@login_required
@require_safe
def picture(request: HttpRequest, image_id: int) -> HttpResponseBase:
    """The picture as stored, at its native pixels."""
    image = image_for(request, image_id)
    return _answer(request, image, picture_file, stored_format=image.stored_format)


@login_required
@require_safe
def thumbnail(request: HttpRequest, image_id: int) -> HttpResponseBase:
    """The small form of the picture."""
    return _answer(request, image_for(request, image_id), thumbnail_file, stored_format=THUMBNAIL_FORMAT)


def image_for(request: HttpRequest, image_id: int) -> Image:
    user = request.user
    assert isinstance(user, User)  # noqa: S101  (login_required has seen to it)
    require_reached(user, "annotator")
    image = Image.objects.filter(pk=image_id).first()
    # A picture made here is hidden from every list, yet people are asked about it on the Label page.
    if image is None or (image.is_hidden and not image.is_made and not role_reached(user, "admin")):
        raise NotThereError(_("There is no such image."))
    return image


def _answer(
    request: HttpRequest, image: Image, opened: Callable[[Image], File[bytes]], *, stored_format: str
) -> HttpResponseBase:
    etag = f'"{image.digest}"'
    known = get_conditional_response(request, etag=etag)
    response = known or _whole(image, opened, stored_format=stored_format)
    for name, value in HEADERS.items():
        response[name] = value
    response["ETag"] = etag
    return response


def _whole(image: Image, opened: Callable[[Image], File[bytes]], *, stored_format: str) -> FileResponse:
    content_type, ending = TYPES[stored_format]
    name = f"vitrine-{image.pk}.{ending}"
    return FileResponse(opened(image), filename=name, content_type=content_type)
