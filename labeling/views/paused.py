"""A paused person's page: why, what to look at again, and how to ask an admin."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from labeling.card import examples_of
from labeling.current import current_project
from labeling.models import Membership, Project
from labeling.pause import LONGEST_APPEAL, appeal_make, appeals_of, misses_of, standing_of
from labeling.permissions import Role, require_role
from scoring.errors import BadInputError


class AppealForm(forms.Form):
    """A line to the admin."""

    text = forms.CharField(
        label=gettext_lazy("What should the admin know?"),
        max_length=LONGEST_APPEAL,
        widget=forms.Textarea(attrs={"rows": 4}),
    )


@never_cache
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Why the person's work is paused; whoever is not paused goes on labeling."""
    user, project = _person(request)
    membership = Membership.objects.filter(project=project, user_id=user.pk).first()
    if membership is None or not membership.is_paused:
        return HttpResponseRedirect(reverse("label"))
    return _page(request, project, membership, AppealForm())


@require_POST
def appeal(request: HttpRequest) -> HttpResponse:
    """Ask an admin to look again."""
    user, project = _person(request)
    membership = Membership.objects.filter(project=project, user_id=user.pk).first()
    form = AppealForm(request.POST)
    if membership is not None and membership.is_paused and not form.is_valid():
        return _page(request, project, membership, form, status=422)
    text = str(form.cleaned_data.get("text", "")) if form.is_valid() else ""
    try:
        appeal_make(user=user, project=project, text=text)
    except BadInputError as refused:
        assert membership is not None  # noqa: S101  (the station refuses strangers otherwise)
        form.add_error("text", str(refused))
        return _page(request, project, membership, form, status=refused.status)
    messages.success(request, _("Sent. An admin answers here; you need not wait on this page."))
    return HttpResponseRedirect(reverse("paused"))


def _person(request: HttpRequest) -> tuple[User, Project]:
    assert isinstance(request.user, User)  # noqa: S101  (the middleware let nobody else in)
    project = current_project(request)
    require_role(request.user, project, Role.ANNOTATOR)
    return request.user, project


def _page(
    request: HttpRequest, project: Project, membership: Membership, form: AppealForm, *, status: int = 200
) -> HttpResponse:
    is_by_rule = membership.paused_by == Membership.PausedBy.RULE
    appeals = appeals_of(membership)
    context = {
        "project": project,
        "membership": membership,
        "is_by_rule": is_by_rule,
        "standing": standing_of(membership) if is_by_rule else None,
        "misses": misses_of(membership) if is_by_rule else [],
        "examples": examples_of(project=project),
        "appeals": appeals,
        "is_waiting": any(not each.answer for each in appeals),
        "form": form,
    }
    return render(request, "labeling/paused.html", context, status=status)
