"""The reviewer's desk: what was flagged, why, and one key for each decision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID, uuid4

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from labeling.comments import talk_of
from labeling.current import current_project
from labeling.desk import Desk, desk_of, item_at
from labeling.models import Flag, Review
from labeling.permissions import Role
from labeling.review import review_decide, review_decide_many
from labeling.views.fragments import wants_fragment
from labeling.words import REASON_HELP
from scoring.errors import BadInputError, NotThereError, StationError

Decision = Review.Decision
LONGEST_NUMBER = 18
SAID = {
    Decision.APPROVE: lambda title: _("Approved: {title}.").format(title=title),
    Decision.REJECT: lambda title: _("Rejected: {title}.").format(title=title),
    Decision.RETURN: lambda title: _("Returned: {title}.").format(title=title),
    Decision.FIX: lambda title: _("Fixed and approved: {title}.").format(title=title),
}


@dataclass(frozen=True, slots=True)
class Note:
    """What happened, for the top of the desk; ``undo`` is the item to look at again."""

    level: str
    text: str
    undo: int | None = None


@require_safe
def review(request: HttpRequest) -> HttpResponse:
    """The queue beside the picture it stands at; htmx gets the desk alone."""
    chosen, following = _number(request.GET.get("item")), _number(request.GET.get("next"))
    return _desk(
        request, item_id=chosen or following, reason=_reason(request.GET), waiting_only=chosen is None
    )


@require_POST
def decide(request: HttpRequest, item_id: int) -> HttpResponse:
    """One decision; then the next picture, or this one again with what is in the way."""
    user, reason = cast("User", request.user), _reason(request.POST)
    item = item_at(item_id=item_id, user=user, project=current_project(request))
    try:
        made = review_decide(
            reviewer=user,
            item_id=item.pk,
            decision=_decision(request),
            key=_key(request),
            reason=_why(request),
            fixed_rating=_number(request.POST.get("fixed_rating")),
            version=_number(request.POST.get("version")),
            author_id=_number(request.POST.get("author")),
        )
    except StationError as error:
        return _refused(request, error, item_id=item.pk, reason=reason)
    note = Note("success", SAID[Decision(made.decision)](item.image.product), undo=item.pk)
    return _decided(request, note, next_id=_number(request.POST.get("next")), reason=reason)


@require_POST
def decide_many(request: HttpRequest) -> HttpResponse:
    """One decision for everything that is ticked."""
    user, reason = cast("User", request.user), _reason(request.POST)
    item_ids = [int(number) for number in request.POST.getlist("items") if number.isdecimal()]
    at = _number(request.POST.get("at"))
    try:
        if not item_ids:
            raise BadInputError(_("Tick the pictures first."), code="nothing_ticked")
        made = review_decide_many(
            reviewer=user,
            item_ids=item_ids,
            decision=_decision(request),
            key=_key(request),
            reason=_why(request),
        )
    except StationError as error:
        return _refused(request, error, item_id=at, reason=reason)
    return _decided(request, _note_many(len(made), len(item_ids)), next_id=at, reason=reason)


def _note_many(made: int, wanted: int) -> Note:
    text = ngettext("Decided on {count} picture.", "Decided on {count} pictures.", made).format(count=made)
    left = wanted - made
    if left:
        text += " " + ngettext(
            "{count} was decided by somebody else meanwhile.",
            "{count} were decided by somebody else meanwhile.",
            left,
        ).format(count=left)
    return Note("success", text)


def _decided(request: HttpRequest, note: Note, *, next_id: int | None, reason: str) -> HttpResponse:
    """The next picture: at once for htmx, by a redirect for a plain form."""
    if getattr(request, "htmx", None):
        return _desk(request, item_id=next_id, reason=reason, note=note, waiting_only=True)
    messages.success(request, note.text)
    asked = {"reason": reason, "next": next_id}
    address = {name: value for name, value in asked.items() if value}
    return HttpResponseRedirect(reverse("review") + (f"?{urlencode(address)}" if address else ""))


def _refused(request: HttpRequest, error: StationError, *, item_id: int | None, reason: str) -> HttpResponse:
    """The same picture as it stands now, with what was typed and what is in the way."""
    if isinstance(error, NotThereError):
        raise error
    note = Note("error", str(error))
    return _desk(request, item_id=item_id, reason=reason, note=note, status=error.status)


def _desk(
    request: HttpRequest,
    *,
    item_id: int | None,
    reason: str,
    note: Note | None = None,
    waiting_only: bool = False,
    status: int = 200,
) -> HttpResponse:
    desk: Desk = desk_of(
        user=cast("User", request.user),
        project=current_project(request),
        reason=reason,
        item_id=item_id,
        waiting_only=waiting_only,
    )
    context: dict[str, Any] = {
        "desk": desk,
        "note": note,
        "reason": reason,
        "reasons": Flag.Reason.choices,
        "reason_help": REASON_HELP,
        "reject_reasons": reject_reasons(),
        "return_reasons": return_reasons(),
        "key": uuid4(),
        "bulk_key": uuid4(),
        "draft": request.POST.get("why", ""),
    }
    if desk.case is not None:
        context |= talk_of(item=desk.case.item, user=cast("User", request.user), role=Role.REVIEWER)
    template = "labeling/review.html" + ("#desk" if wants_fragment(request) else "")
    response = render(request, template, context, status=status)
    response.headers["Vary"] = "Cookie, HX-Request"
    return response


def reject_reasons() -> list[str]:
    """Why pictures are mostly rejected."""
    return [
        _("Shows another product"),
        _("Shows no product"),
        _("Broken or unreadable"),
        _("Breaks a marketplace rule"),
    ]


def return_reasons() -> list[str]:
    """Why votes are mostly returned."""
    return [
        _("Look again at native pixels"),
        _("The defect is on the product, not the picture"),
        _("Wrong key?"),
        _("Your note and your vote do not fit"),
    ]


def _decision(request: HttpRequest) -> str:
    return request.POST.get("decision", "") or (Decision.FIX if request.POST.get("fixed_rating") else "")


def _why(request: HttpRequest) -> str:
    """The reason picked and the one typed, together; what is approved needs none."""
    if _decision(request) not in (Decision.REJECT, Decision.RETURN):
        return ""
    said = [request.POST.get(name, "").strip() for name in ("quick", "why")]
    return ". ".join(filter(None, said))


def _key(request: HttpRequest) -> UUID:
    try:
        return UUID(request.POST.get("key", ""))
    except ValueError:
        raise BadInputError(_("The form is incomplete; load the page again."), code="no_key") from None


def _reason(asked: Any) -> str:
    reason = str(asked.get("reason", ""))
    return reason if reason in Flag.Reason.values else ""


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) <= LONGEST_NUMBER else None
