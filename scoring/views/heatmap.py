"""The heatmap of a picture, for the same people as the picture."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from scoring.explain import heatmap_name, heatmap_of
from scoring.views.pictures import HEADERS, image_for

CACHE = "private, no-cache"  # asked again each time: another model may be displayed


@login_required
@require_safe
def heatmap(request: HttpRequest, image_id: int) -> HttpResponseBase:
    """PNG with alpha, to lay over the picture: where the displayed model sees it lose points."""
    image = image_for(request, image_id)
    etag = f'"{heatmap_name(image)}"'
    known = get_conditional_response(request, etag=etag)
    response = known or HttpResponse(heatmap_of(image), content_type="image/png")
    for name, value in {**HEADERS, "Cache-Control": CACHE, "ETag": etag}.items():
        response[name] = value
    return response
