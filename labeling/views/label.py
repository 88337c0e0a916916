"""The Label page. Its script works through the API; without script the same page is a plain form.

Every button of the form carries its own answer, so one click is one label there too. A form answers with
a redirect: going back or loading again sends nothing twice, and the key in the form makes a double click
one vote.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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

from labeling.card import Card, examples_of
from labeling.current import current_project
from labeling.label import (
    Given,
    card_held,
    given_lately,
    picture_skip,
    pictures_next,
    vote_give,
    vote_take_back,
)
from labeling.models import Project
from labeling.progress import my_work
from labeling.queue import nothing_words, skips_forget, why_nothing
from labeling.views.label_words import actions, script_words
from scoring.core.types import Defect, Dimension
from scoring.errors import BadInputError, ConflictError, NotAllowedError, NotThereError
from scoring.words import DEFECT_WORDS, DIMENSION_WORDS, VOTE_WORDS

AHEAD = 4  # pictures leased and decoded behind the one on the stage
UNDO_SHOWN = 20
ELSEWHERE = {"paused": "paused", "qualify_first": "qualify"}  # code of a refusal -> its page
SCRIPTS = [f"js/{name}.js" for name in ("label", "frame", "journal", "keys", "panel", "queue", "stage")]
API = ("next", "submit", "undo", "skip", "extend", "release")


@require_http_methods(["GET", "HEAD", "POST"])
def label(request: HttpRequest) -> HttpResponse:
    """The next picture of the person who asks, or what the form says of one."""
    user, project = request.user, current_project(request)
    assert isinstance(user, User)  # noqa: S101  (nobody else passes the login)
    if request.method == "POST":
        return _answered(request, user, project)
    try:
        card = _card(user, project, at=_whole(request.GET.get("at", "")))
    except NotAllowedError as refusal:
        return _elsewhere(refusal)
    votes = given_lately(user=user, project=project, limit=UNDO_SHOWN)
    nothing = None if card else why_nothing(user=user, project=project)
    context = {
        "card": card,
        "nothing": nothing,
        "nothing_words": nothing_words(nothing) if nothing else "",
        "project": project,
        "work": my_work(user=user, project=project),
        "last": votes[0] if votes else None,
        "form": _Form(card),
        "scripts": SCRIPTS,
        "examples": examples_of(project=project),
        "config": _config(request, user, project, card, votes),
    }
    return render(request, "labeling/label.html", context)


# --- what the form says -------------------------------------------------------------------------------
def _answered(request: HttpRequest, user: User, project: Project) -> HttpResponse:
    said = request.POST
    act = ACTS.get("rate" if "rating" in said else said.get("act", ""), _act_none)
    back = reverse("label")
    try:
        at = act(user, project, said)
    except NotAllowedError as refusal:
        return _elsewhere(refusal)
    except (ConflictError, NotThereError, BadInputError) as refusal:
        messages.warning(request, str(refusal))
        at = _whole(said.get("assignment", "")) if isinstance(refusal, BadInputError) else None
    return HttpResponseRedirect(f"{back}?at={at}" if at else back)


def _elsewhere(refusal: NotAllowedError) -> HttpResponse:
    """Refusals that have a page of their own lead there; the others rise."""
    if refusal.code not in ELSEWHERE:
        raise refusal
    return HttpResponseRedirect(reverse(ELSEWHERE[refusal.code]))


def _act_vote(user: User, project: Project, said: QueryDict) -> int | None:
    """Store the vote; the next picture follows."""
    accept = "rating" not in said
    vote_give(
        user=user,
        assignment_id=_number(said, "assignment"),
        key=_key(said),
        rating=None if accept else _number(said, "rating"),
        accept=accept,
        dimensions={str(d): _number(said, d) for d in Dimension if said.get(d)},
        defects=_defects(said),
        is_flagged="is_flagged" in said,
        note=said.get("note", ""),
        score_id=_whole(said.get("score", "")),
    )
    return None


def _defects(said: QueryDict) -> dict[str, bool]:
    """What the person changed: ticked what the model had not found, or unticked what it had."""
    ticked, found = set(said.getlist("defect")), set(said.getlist("found"))
    return {str(d): d in ticked for d in Defect if (d in ticked) != (d in found)}


def _act_skip(user: User, project: Project, said: QueryDict) -> int | None:
    picture_skip(user=user, assignment_id=_number(said, "assignment"))
    return None


def _act_undo(user: User, project: Project, said: QueryDict) -> int | None:
    """Take the last vote back and show its picture again."""
    last = _number(said, "vote")
    key = _key(said, "undo_key")
    return vote_take_back(user=user, vote_id=last, key=key).assignment_id


def _act_again(user: User, project: Project, said: QueryDict) -> int | None:
    """Offer what they skipped once more."""
    skips_forget(user=user, project=project)
    return None


def _act_none(user: User, project: Project, said: QueryDict) -> int | None:
    """The Enter key in a field sends the form with no answer in it."""
    raise BadInputError(_("Nothing was sent: choose a rating from 1 to 5."), code="empty")


ACTS: dict[str, Callable[[User, Project, QueryDict], int | None]] = {
    "rate": _act_vote,
    "accept": _act_vote,
    "skip": _act_skip,
    "undo": _act_undo,
    "again": _act_again,
}


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _number(said: QueryDict, name: str) -> int:
    value = _whole(said.get(name, ""))
    if value is None:
        raise BadInputError(_("The form is incomplete; load the page again."))
    return value


def _key(said: QueryDict, name: str = "key") -> UUID:
    try:
        return UUID(said.get(name, ""))
    except ValueError:
        raise BadInputError(_("The form is incomplete; load the page again.")) from None


# --- what the page shows ------------------------------------------------------------------------------
def _card(user: User, project: Project, *, at: int | None) -> Card | None:
    """The picture asked for if it is theirs, else the next."""
    held = card_held(user=user, project=project, assignment_id=at) if at else None
    return held or next(iter(pictures_next(user=user, project_id=project.pk)[1]), None)


@dataclass(frozen=True, slots=True)
class _Form:
    """What the template needs to draw the panel of a card; all of it also without one."""

    card: Card | None

    @property
    def keys(self) -> dict[str, str]:
        return {"vote": str(uuid4()), "undo": str(uuid4())}

    @property
    def ratings(self) -> list[tuple[int, Any]]:
        return list(VOTE_WORDS.items())

    @property
    def dimensions(self) -> list[dict[str, Any]]:
        scores = self.card["dimensions"] if self.card else {}
        return [
            {"code": str(d), "words": words, "score": scores.get(str(d))}
            for d, words in DIMENSION_WORDS.items()
        ]

    @property
    def defects(self) -> list[dict[str, Any]]:
        found = {one["defect"]: one for one in self.card["findings"]} if self.card else {}
        return [
            {"code": str(d), "words": words, "found": found.get(str(d))} for d, words in DEFECT_WORDS.items()
        ]


def _config(
    request: HttpRequest, user: User, project: Project, card: Card | None, votes: list[Given]
) -> dict[str, Any]:
    """What the script starts with."""
    return {
        "user": user.pk,
        "project": project.pk,
        "ahead": AHEAD,
        "leaseMinutes": project.lease_minutes,
        "sessionMinutes": project.session_minutes,
        "csrf": get_token(request),
        "csrfCookie": settings.CSRF_COOKIE_NAME,
        "urls": {name: reverse(f"api-label-{name}") for name in API}
        | {"login": reverse("login")}
        | {code: reverse(page) for code, page in ELSEWHERE.items()},
        "card": card,
        "votes": [
            {
                "key": str(vote.key),
                "rating": vote.rating,
                "title": vote.title,
                "thumbnail": reverse("thumbnail", args=[vote.image_id]),
            }
            for vote in votes
        ],
        "actions": actions(),
        "words": script_words(),
    }
