"""Home: what waits for me, and for admins the loop in one line."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from labeling.current import choose_project, my_projects


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """What waits for the person who asks."""
    return render(request, "labeling/home.html", {"has_project": bool(my_projects(request))})


@require_POST
def project_choose(request: HttpRequest) -> HttpResponse:
    """Make another project the one the pages are about."""
    choose_project(request, int(request.POST.get("project", "0") or 0))
    return HttpResponseRedirect("/")
