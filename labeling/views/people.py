"""People: who works in the project, how they vote, and what an admin may change about it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from labeling.current import current_project
from labeling.figures import figures_of
from labeling.login_links import login_link_permit
from labeling.models import Membership, Project
from labeling.pause import appeal_answer, appeals_open
from labeling.people import (
    leases_take_back,
    member_add,
    member_pause,
    member_resume,
    member_set_role,
    people_of,
)
from labeling.permissions import Role, require_role
from labeling.qualify import member_qualify
from labeling.queue import leases_held
from labeling.views.people_charts import charts_of
from scoring.errors import StationError

LINK_KEY = "people_link"  # a login link just made, shown once


class AddPersonForm(forms.Form):
    """Somebody new in a project."""

    username = forms.CharField(
        label=gettext_lazy("Name to log in with"),
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none"}),
    )
    role = forms.ChoiceField(
        label=gettext_lazy("Role"), choices=Membership.Role.choices, initial=Membership.Role.ANNOTATOR
    )


@never_cache
@require_safe
def people(request: HttpRequest) -> HttpResponse:
    """Members with what their votes say about them."""
    user, project = _admin_and_project(request)
    return _page(request, user, project, AddPersonForm())


@never_cache
@require_POST
def person_add(request: HttpRequest) -> HttpResponse:
    """Give somebody a role; a new account gets a link that logs it in once."""
    user, project = _admin_and_project(request)
    form = AddPersonForm(request.POST)
    if not form.is_valid():
        return _page(request, user, project, form, status=422)
    try:
        added = member_add(by=user, project=project, **form.cleaned_data)
    except StationError as refused:
        form.add_error("username", str(refused))
        return _page(request, user, project, form, status=refused.status)
    if added.password:
        _keep_link(request, added.membership.user)
    said = _("{name} is in the project now.").format(name=added.membership.user.get_username())
    return _back(request, said)


@require_POST
def person_set_role(request: HttpRequest, user_id: int) -> HttpResponse:
    """Change somebody's role."""
    user, project = _admin_and_project(request)
    changed = member_set_role(by=user, project=project, user_id=user_id, role=request.POST.get("role", ""))
    role = Role(changed.role).label
    return _back(request, _("{name}: {role}").format(name=changed.user.get_username(), role=role))


@require_POST
def person_pause(request: HttpRequest, user_id: int) -> HttpResponse:
    """Stop somebody's labeling for now; they read why."""
    user, project = _admin_and_project(request)
    paused = member_pause(by=user, project=project, user_id=user_id, reason=request.POST.get("reason", ""))
    return _back(request, _("{name} is paused.").format(name=paused.user.get_username()))


@require_POST
def person_resume(request: HttpRequest, user_id: int) -> HttpResponse:
    """Let a paused person label again."""
    user, project = _admin_and_project(request)
    resumed = member_resume(by=user, project=project, user_id=user_id)
    return _back(request, _("{name} can label again.").format(name=resumed.user.get_username()))


@require_POST
def person_release(request: HttpRequest, user_id: int) -> HttpResponse:
    """Give what somebody holds to others now."""
    user, project = _admin_and_project(request)
    freed = leases_take_back(by=user, project=project, user_id=user_id)
    said = ngettext("{count} picture is free again.", "{count} pictures are free again.", freed)
    return _back(request, said.format(count=freed))


@require_POST
def person_qualify(request: HttpRequest, user_id: int) -> HttpResponse:
    """Let a newcomer label without the round."""
    user, project = _admin_and_project(request)
    member = member_qualify(by=user, project=project, user_id=user_id)
    return _back(request, _("{name} can label.").format(name=member.user.get_username()))


@require_POST
def appeal_decide(request: HttpRequest, appeal_id: int) -> HttpResponse:
    """Answer a paused person's question."""
    user, project = _admin_and_project(request)
    said = request.POST
    decided = appeal_answer(
        by=user,
        project=project,
        appeal_id=appeal_id,
        answer=said.get("answer", ""),
        reply=said.get("reply", ""),
    )
    name = decided.membership.user.get_username()
    words = _("{name} can label again.") if decided.answer == "resume" else _("{name} stays paused.")
    return _back(request, words.format(name=name))


@never_cache
@require_POST
def person_link(request: HttpRequest, user_id: int) -> HttpResponse:
    """A fresh link that logs somebody in once, for an admin to hand on."""
    user, project = _admin_and_project(request)
    _keep_link(request, login_link_permit(by=user, project=project, user_id=user_id))
    return _back(request, "")


def _admin_and_project(request: HttpRequest) -> tuple[User, Project]:
    assert isinstance(request.user, User)  # noqa: S101  (the middleware let nobody else in)
    project = current_project(request)
    require_role(request.user, project, Role.ADMIN)
    return request.user, project


def _page(
    request: HttpRequest, user: User, project: Project, form: AddPersonForm, *, status: int = 200
) -> HttpResponse:
    known, told = people_of(project=project), figures_of(project=project)
    context: dict[str, Any] = {
        "people": known,
        "charts": charts_of(people=known, told=told, project=project),
        "panel": told.panel,
        "holds": Counter(lease.user_id for lease in leases_held(project=project)),
        "appeals": [
            (appeal, told.of.get(appeal.membership.user_id)) for appeal in appeals_open(project=project)
        ],
        "project": project,
        "roles": Membership.Role.choices,
        "form": form,
        "link": request.session.pop(LINK_KEY, None),
        "me": user,
    }
    return render(request, "labeling/people.html", context, status=status)


def _keep_link(request: HttpRequest, person: User) -> None:
    path = import_string(settings.VITRINE_ONE_TIME_PATH)(person)
    request.session[LINK_KEY] = {
        "name": person.get_username(),
        "address": request.build_absolute_uri(path) + "?ask",
    }


def _back(request: HttpRequest, said: str) -> HttpResponse:
    if said:
        messages.success(request, said)
    return HttpResponseRedirect(reverse("people"))
