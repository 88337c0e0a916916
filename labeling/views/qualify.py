"""The page of the round for newcomers: what it is, how it went, and on to labeling."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from labeling.card import examples_of
from labeling.current import current_project
from labeling.models import Project
from labeling.permissions import labeler_of
from labeling.qualify import round_begin, round_can_be_held, round_of, round_take


@never_cache
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """How the round stands; whoever need not qualify goes on labeling."""
    user, project = _person(request)
    if not labeler_of(user, project.pk).must_qualify:
        return HttpResponseRedirect(reverse("label"))
    known = round_of(user=user, project=project)
    if not known.asked and not round_can_be_held(project=project):
        return HttpResponseRedirect(reverse("label"))
    context: dict[str, Any] = {
        "project": project,
        "round": known,
        "mark": project.qualification_pass,
        "examples": [] if known.is_over else examples_of(project=project),
    }
    return render(request, "labeling/qualify.html", context)


@require_POST
def begin(request: HttpRequest) -> HttpResponse:
    """Begin, go on, or try again."""
    user, project = _person(request)
    round_begin(user=user, project=project)
    return HttpResponseRedirect(reverse("label"))


@require_POST
def take(request: HttpRequest) -> HttpResponse:
    """Passed: on to real pictures."""
    user, project = _person(request)
    round_take(user=user, project=project)
    messages.success(request, _("Welcome. What you say counts from here on."))
    return HttpResponseRedirect(reverse("label"))


def _person(request: HttpRequest) -> tuple[User, Project]:
    assert isinstance(request.user, User)  # noqa: S101  (the middleware let nobody else in)
    return request.user, current_project(request)
