"""Home: what waits for me, and for admins the loop in one line."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from labeling.annotate import recent_votes
from labeling.comments import calls_open
from labeling.current import choose_project, current_project, my_projects
from labeling.models import Assignment, Item, Membership, Project
from labeling.pause import appeals_open
from labeling.permissions import RANK, Role, require_role, role_of
from labeling.progress import MyWork, loop_state, my_work
from labeling.queue import nothing_words, why_nothing
from labeling.underway import work_underway
from labeling.words import event_words
from scoring.audit import drift_alert
from scoring.models import Event
from scoring.words import measure_words

VOTES_SHOWN, ACTS_SHOWN, ACTS_READ = 8, 8, 400
PEEKED, FEWEST_PEEKED = 6, 3
LONGEST_NUMBER = 20  # digits; Python itself refuses to read thousands of them


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """What waits for the person who asks; for admins also how the loop stands."""
    if not my_projects(request):
        return render(request, "labeling/home.html", {"project": None})
    project, user = current_project(request), _user(request)
    if request.htmx.target == "loop":  # type: ignore[attr-defined]  # django-htmx adds it
        require_role(user, project, Role.ADMIN)
        context = _loop(project) | _next(user, project, Role.ADMIN) | {"is_refresh": True}
        return render(request, "labeling/home.html#refresh", context)
    role = role_of(user, project) or Role.ANNOTATOR
    context = _next(user, project, role) | {
        "project": project,
        "votes": recent_votes(user=user, project=project, limit=VOTES_SHOWN),
        "is_admin": role == Role.ADMIN,
        "calls": calls_open(user=user, project=project),
    }
    if role == Role.ADMIN:
        context |= _loop(project) | {
            "appeals": len(appeals_open(project=project)),
            "acts": _acts(),
            "drifted": [measure_words(n) for n in drift_alert()],
        }
    return render(request, "labeling/home.html", context)


@require_POST
def project_choose(request: HttpRequest) -> HttpResponse:
    """Make another of the person's projects the one the pages are about."""
    wanted = request.POST.get("project", "")
    choose_project(request, int(wanted) if wanted.isdecimal() and len(wanted) < LONGEST_NUMBER else 0)
    return HttpResponseRedirect("/")


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # noqa: S101  (the middleware let nobody else in)
    return request.user


def _next(user: User, project: Project, role: Membership.Role) -> dict[str, Any]:
    """The card with the one thing to do first."""
    work = my_work(user=user, project=project)
    pause, step = _pause_reason(user, project), _next_step(work, role)
    return {
        "work": work,
        "pause": pause,
        "step": step,
        "nothing": "" if step else nothing_words(why_nothing(user=user, project=project)),
        "peek": _peek(user, project) if step == "label" and pause is None else [],
        "is_reviewer": RANK[role] >= RANK[Role.REVIEWER],
    }


def _next_step(work: MyWork, role: Membership.Role) -> str:
    """What to do first: ``label``, ``review``, wait for what is ``coming``, ``bring`` pictures, nothing."""
    if work.left or work.returned:
        return "label"
    if work.reviews_waiting:
        return "review"
    if role == Role.ADMIN and not Item.objects.exists():
        return "coming" if work_underway() else "bring"
    return ""


def _peek(user: User, project: Project) -> list[int]:
    """A few pictures that wait for the person, for the eye only: no score, no order to learn from."""
    mine = Assignment.objects.filter(user_id=user.pk, item_id=OuterRef("pk"))
    free = Assignment.objects.filter(item_id=OuterRef("pk"), state=Assignment.State.FREE)
    waiting = Item.objects.filter(Exists(free), ~Exists(mine), project=project, state=Item.State.OPEN)
    found = list(waiting.order_by("-pk").values_list("image_id", flat=True)[:PEEKED])
    return found if len(found) >= FEWEST_PEEKED else []


def _pause_reason(user: User, project: Project) -> str | None:
    paused = Membership.objects.filter(project=project, user_id=user.pk, is_paused=True)
    return paused.values_list("pause_reason", flat=True).first()


def _loop(project: Project) -> dict[str, Any]:
    return {"stations": loop_state(project=project), "underway": work_underway()}


def _acts() -> list[dict[str, Any]]:
    """The newest acts; the same act of one person many times in a row is one line with a count."""
    newest = Event.objects.select_related("actor")[:ACTS_READ]
    runs = [list(run) for _, run in groupby(newest, key=lambda event: (event.actor_id, event.verb))]
    return [
        {"actor": run[0].actor, "words": event_words(run[0]), "at": run[0].at, "times": len(run)}
        for run in runs[:ACTS_SHOWN]
    ]
