"""The catalogue and the page of one image."""

from __future__ import annotations

from typing import cast

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from labeling.catalogue import Wanted, catalogue_choices, catalogue_counts, catalogue_page, unscored_count
from labeling.comments import talk_of
from labeling.current import current_project
from labeling.life import image_life
from labeling.models import Item
from labeling.views.filters import CatalogueForm
from labeling.views.fragments import wants_fragment

STATE_WORDS = dict(Item.State.choices)
REFUSED = 422


@require_safe
def catalogue(request: HttpRequest) -> HttpResponse:
    """A wall of pictures; htmx gets the region that answers the filters, at the same address."""
    project = current_project(request)
    form = CatalogueForm(request.GET, known=catalogue_choices())
    context: dict[str, object] = {"form": form, "state_words": STATE_WORDS}
    if form.is_valid():
        wanted = form.wanted
        after, before = form.cleaned_data["after"], form.cleaned_data["before"]
        context |= {
            "wanted": wanted,
            "counts": catalogue_counts(project=project, wanted=wanted),
            "page": catalogue_page(project=project, wanted=wanted, after=after, before=before),
            "unscored": unscored_count() if wanted.is_everything else 0,
            "filters": _filters(request.GET, form, wanted),
        }
    template = "labeling/catalogue.html" + ("#results" if wants_fragment(request) else "")
    response = render(request, template, context, status=200 if form.is_valid() else REFUSED)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _filters(asked: QueryDict, form: CatalogueForm, wanted: Wanted) -> list[dict[str, object]]:
    """What is set: its label, the value in words, and the query without it, on the first page."""
    found: list[dict[str, object]] = []
    for name, field in form.fields.items():
        value = getattr(wanted, name, None)
        if name == "sort" or value in (None, ""):
            continue
        known = dict(getattr(field, "choices", ()))
        words = f"{value:g}" if isinstance(value, float) else str(known.get(value, value))
        without = asked.copy()
        for gone in (name, "after", "before"):
            without.pop(gone, None)
        found.append({"label": field.label, "words": words, "without": without})
    return found


@require_safe
def image(request: HttpRequest, image_id: int) -> HttpResponse:
    """One image: what the model and the people said of it, and what became of it."""
    user = cast("User", request.user)
    life = image_life(image_id=image_id, user=user, project=current_project(request))
    context: dict[str, object] = {
        "life": life,
        "state_words": STATE_WORDS,
        "image": life.image,
        "product": life.image.product,
        "shows_heat": "heat" in request.GET,
    }
    if life.item is not None:
        context |= talk_of(item=life.item, user=user, role=life.role)
    return render(request, "labeling/image.html", context)
