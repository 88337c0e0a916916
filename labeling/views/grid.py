"""The Grid page. Its script works through the API; without script the same sheet is a plain form."""

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
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from labeling.current import current_project
from labeling.models import Project
from labeling.progress import my_work
from labeling.queue import why_nothing
from labeling.sheet import SheetCards, TileAnswer, no_sheet_words, sheet_confirm, sheet_next
from labeling.views.label_words import grid_words
from scoring.errors import BadInputError, ConflictError, NotThereError
from scoring.words import VOTE_WORDS

SCRIPTS = [f"js/{name}.js" for name in ("grid", "frame", "journal", "keys", "queue")]
API = {
    "sheet": "api-label-sheet",
    "confirm": "api-label-sheet-confirm",
    "undo": "api-label-sheet-undo",
    "extend": "api-label-extend",
    "release": "api-label-release",
}
SKIP = "skip"


@require_http_methods(["GET", "HEAD", "POST"])
def grid(request: HttpRequest) -> HttpResponse:
    """A sheet of clear cases for the person who asks, or what the form says of one."""
    user, project = request.user, current_project(request)
    assert isinstance(user, User)  # noqa: S101  (nobody else passes the login)
    if request.method == "POST":
        return _answered(request, user)
    sheet = sheet_next(user=user, project=project)
    context = {
        "sheet": sheet,
        "rating_words": VOTE_WORDS[sheet.rating] if sheet else "",
        "project": project,
        "nothing": None if sheet else why_nothing(user=user, project=project),
        "nothing_words": "" if sheet else no_sheet_words(user=user, project=project),
        "today": my_work(user=user, project=project).votes_today,
        "key": str(uuid4()),
        "ratings": list(VOTE_WORDS.items()),
        "scripts": SCRIPTS,
        "config": _config(request, user, project, sheet),
    }
    return render(request, "labeling/grid.html", context)


def _answered(request: HttpRequest, user: User) -> HttpResponse:
    said = request.POST
    try:
        results = sheet_confirm(user=user, key=_key(said), answers=_answers(said))
        lost = sum(bool(result.code) for result in results)
        if lost:
            words = ngettext(
                "{n} picture went to somebody else meanwhile.",
                "{n} pictures went to somebody else meanwhile.",
                lost,
            )
            messages.warning(request, words.format(n=lost))
    except (ConflictError, NotThereError, BadInputError) as refusal:
        messages.warning(request, str(refusal))
    return HttpResponseRedirect(reverse("grid"))


def _answers(said: QueryDict) -> list[TileAnswer]:
    """One answer a picture: the field of a picture is empty where it is confirmed."""
    return [
        TileAnswer(
            assignment_id=_number(slot),
            score_id=_number(said.get(f"score-{slot}", "")),
            rating=_number(answer) if (answer := said.get(f"answer-{slot}", "")).isdigit() else None,
            skip=answer == SKIP,
        )
        for slot in said.getlist("assignment")
    ]


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BadInputError(_("The form is incomplete; load the page again."))
    return int(text)


def _key(said: QueryDict) -> UUID:
    try:
        return UUID(said.get("key", ""))
    except ValueError:
        raise BadInputError(_("The form is incomplete; load the page again.")) from None


def _config(request: HttpRequest, user: User, project: Project, sheet: SheetCards | None) -> dict[str, Any]:
    """What the script starts with."""
    return {
        "user": user.pk,
        "project": project.pk,
        "leaseMinutes": project.lease_minutes,
        "sessionMinutes": project.session_minutes,
        "csrf": get_token(request),
        "csrfCookie": settings.CSRF_COOKIE_NAME,
        "urls": {name: reverse(url) for name, url in API.items()} | {"login": reverse("login")},
        "sheet": {"rating": sheet.rating, "cards": sheet.cards} if sheet else None,
        "ratings": {vote: str(words) for vote, words in VOTE_WORDS.items()},
        "words": grid_words(),
    }
