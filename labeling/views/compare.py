"""The Compare page. Its script works through the API; without script the same page is a plain form.

Each button carries its answer; the form answers with a redirect, and the key in it makes a double click one
comparison.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from labeling.compare import (
    compared_today,
    comparison_submit,
    comparison_withdraw,
    no_pairs_words,
    pairs_next,
    recent_comparisons,
)
from labeling.current import current_project
from labeling.models import Comparison, Project
from labeling.queue import why_nothing
from labeling.views.label_words import compare_words
from scoring.errors import BadInputError, ConflictError, NotThereError

AHEAD = 2  # pairs fetched and decoded behind the one on the stage
UNDO_SHOWN = 20
SCRIPTS = [f"js/{name}.js" for name in ("compare", "frame", "journal", "keys", "queue")]
API = {"pairs": "api-label-pairs", "compare": "api-label-compare", "undo": "api-label-compare-undo"}


@require_http_methods(["GET", "HEAD", "POST"])
def compare(request: HttpRequest) -> HttpResponse:
    """The next pair of the person who asks, or what the form says of one."""
    user, project = request.user, current_project(request)
    assert isinstance(user, User)  # noqa: S101  (nobody else passes the login)
    if request.method == "POST":
        return _answered(request, user)
    pair = next(iter(pairs_next(user=user, project=project)), None)
    given = recent_comparisons(user=user, project=project, limit=UNDO_SHOWN)
    context = {
        "pair": pair,
        "project": project,
        "nothing": None if pair else why_nothing(user=user, project=project),
        "nothing_words": "" if pair else no_pairs_words(user=user, project=project),
        "last": given[0] if given else None,
        "today": compared_today(user=user, project=project),
        "keys": {"answer": str(uuid4()), "undo": str(uuid4())},
        "scripts": SCRIPTS,
        "config": _config(request, user, project, pair, given),
    }
    return render(request, "labeling/compare.html", context)


def _answered(request: HttpRequest, user: User) -> HttpResponse:
    said = request.POST
    try:
        if "undo" in said:
            comparison_withdraw(user=user, comparison_id=_number(said, "undo"), key=_key(said, "undo_key"))
        else:
            comparison_submit(
                user=user,
                left_id=_number(said, "left"),
                right_id=_number(said, "right"),
                answer=said.get("answer", ""),
                key=_key(said, "key"),
            )
    except (ConflictError, NotThereError, BadInputError) as refusal:
        messages.warning(request, str(refusal))
    return HttpResponseRedirect(reverse("compare"))


def _number(said: QueryDict, name: str) -> int:
    text = said.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BadInputError(_("The form is incomplete; load the page again."))
    return int(text)


def _key(said: QueryDict, name: str) -> UUID:
    try:
        return UUID(said.get(name, ""))
    except ValueError:
        raise BadInputError(_("The form is incomplete; load the page again.")) from None


def _config(
    request: HttpRequest, user: User, project: Project, pair: Any, given: list[Comparison]
) -> dict[str, Any]:
    """What the script starts with."""
    return {
        "user": user.pk,
        "project": project.pk,
        "ahead": AHEAD,
        "sessionMinutes": project.session_minutes,
        "csrf": get_token(request),
        "csrfCookie": settings.CSRF_COOKIE_NAME,
        "urls": {name: reverse(url) for name, url in API.items()} | {"login": reverse("login")},
        "pair": pair,
        "given": [{"key": str(row.key), "answer": row.answer} for row in given],
        "words": compare_words(),
    }
