"""Which project the pages are about: the person's choice, kept in the session, else their oldest."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.translation import gettext as _

from labeling.models import Project
from labeling.permissions import projects_of
from scoring.errors import NotThereError

SESSION_KEY = "project"


def my_projects(request: HttpRequest) -> list[Project]:
    """Live projects of the person who asks, oldest first; asked for once per request."""
    if not hasattr(request, "_vitrine_projects"):
        user = request.user
        request._vitrine_projects = list(projects_of(user)) if user.is_authenticated else []  # type: ignore[attr-defined]
    return request._vitrine_projects  # type: ignore[attr-defined,no-any-return]


def current_project(request: HttpRequest) -> Project:
    """The chosen project if the person still has a role in it, else their oldest one."""
    projects = my_projects(request)
    if not projects:
        raise NotThereError(_("You are in no project yet. Ask an admin to add you."), code="no_project")
    chosen = request.session.get(SESSION_KEY)
    return next((project for project in projects if project.pk == chosen), projects[0])


def choose_project(request: HttpRequest, project_id: int) -> Project:
    """Remember a project of theirs for the pages to come."""
    for project in my_projects(request):
        if project.pk == project_id:
            request.session[SESSION_KEY] = project.pk
            return project
    raise NotThereError(_("There is no such project for you."))
