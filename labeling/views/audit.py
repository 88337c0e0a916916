"""Audit: the trail of acts with filters and a file of it, fairness by group, drift of the pictures."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from labeling.views.audit_charts import calibration_charts, fairness_rows
from labeling.words import VERB_WORDS, event_words
from scoring.audit import By, Drifts, Fairness, drift_now, events_found, fairness_now
from scoring.calibration import Calibration, calibration_now
from scoring.core.drift import SMALLEST_SAMPLE, DriftLevel
from scoring.core.exports import safe_cell
from scoring.models import Event
from scoring.views.doors import admins_only
from scoring.words import measure_words

EVENTS_A_PAGE = 50
PARTS = (
    ("events", _("Who did what")),
    ("fairness", _("Fairness")),
    ("calibration", _("Calibration")),
    ("drift", _("Drift")),
)
STATIONS = ("ingest", "score", "annotate", "consensus", "review", "dataset", "train", "promote", "people")
COLUMNS = ("at", "person", "act", "target", "target_id", "before", "after")

GROUPINGS: dict[str, Promise] = {
    By.CATEGORY: _("Category"),
    By.SELLER: _("Seller"),
    By.BACKGROUND: _("Background"),
}
LEVELS: dict[str, tuple[Promise, str]] = {
    DriftLevel.STABLE: (_("stable"), "good"),
    DriftLevel.LOOK: (_("have a look"), "warn"),
    DriftLevel.ACT: (_("changed"), "danger"),
    DriftLevel.UNKNOWN: (_("too few to say"), ""),
}


class EventForm(forms.Form):
    """Filters of the trail; all may be empty."""

    person = forms.CharField(label=_("Person"), required=False, max_length=150)
    verb = forms.ChoiceField(label=_("Act"), required=False)
    target = forms.CharField(label=_("Target"), required=False, max_length=64)
    since = forms.DateField(label=_("From"), required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label=_("To"), required=False, widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stations = [(station, _STATION_WORDS[station]) for station in STATIONS]
        field = self.fields["verb"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  (declared so above)
        field.choices = [("", _("all")), *stations, *VERB_WORDS.items()]
        self.fields["person"].widget.attrs["list"] = "people"
        self.fields["target"].widget.attrs["placeholder"] = "image 12"


_STATION_WORDS: dict[str, Promise] = {
    "ingest": _("all of: Ingest"),
    "score": _("all of: Score"),
    "annotate": _("all of: Annotate"),
    "consensus": _("all of: Consensus"),
    "review": _("all of: Review"),
    "dataset": _("all of: Dataset"),
    "train": _("all of: Train"),
    "promote": _("all of: Promote"),
    "people": _("all of: People"),
}


@require_safe
@admins_only
def page(request: HttpRequest) -> HttpResponse:
    """The trail, fairness, calibration or drift: one part of the page at a time."""
    shown = request.GET.get("show", "events")
    context: dict[str, Any] = {"parts": PARTS, "shown": shown if shown in dict(PARTS) else "events"}
    if shown == "fairness":
        by = _by(request.GET.get("by", ""))
        context |= _fairness(fairness_now(by=by)) | {"by": by, "groupings": GROUPINGS}
    elif shown == "calibration":
        context |= _calibration(calibration_now())
    elif shown == "drift":
        context |= _drift(drift_now())
    else:
        context |= _events(request)
    return render(request, "labeling/audit.html", context)


def _events(request: HttpRequest) -> dict[str, Any]:
    form = EventForm(request.GET)
    found = Paginator(_found(form), EVENTS_A_PAGE).get_page(request.GET.get("page"))
    return {
        "form": form,
        "page": found,
        "acts": [(event, event_words(event)) for event in found],
        "people": User.objects.order_by("username").values_list("username", flat=True)[:500],
    }


def _found(form: EventForm) -> QuerySet[Event]:
    """Events that fit; a filter that cannot be read finds nothing."""
    return events_found(**form.cleaned_data) if form.is_valid() else Event.objects.none()


@require_safe
@admins_only
def events_csv(request: HttpRequest) -> StreamingHttpResponse:
    """The filtered trail as a file, line by line."""
    lines = _lines(_found(EventForm(request.GET)))
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="vitrine-events.csv"'
    return response


def _lines(events: QuerySet[Event]) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield writer.writerow(COLUMNS)
    for event in events.iterator(chunk_size=2000):
        cells = [
            event.at.isoformat(timespec="seconds"),
            event.actor.get_username() if event.actor else "",
            event.verb,
            event.target,
            event.target_id if event.target_id is not None else "",
            json.dumps(event.before, ensure_ascii=False) if event.before else "",
            json.dumps(event.after, ensure_ascii=False) if event.after else "",
        ]
        yield writer.writerow([safe_cell(cell) for cell in cells])


class _Line:
    """A file whose write gives back the line."""

    def write(self, line: str) -> str:
        return line


def _by(asked: str) -> By:
    return By(asked) if asked in GROUPINGS else By.CATEGORY


def _fairness(fairness: Fairness | None) -> dict[str, Any]:
    return {"fairness": fairness, "groups": fairness_rows(fairness) if fairness else []}


def _calibration(found: Calibration | None) -> dict[str, Any]:
    return {"calibration": found, **(calibration_charts(found) if found else {})}


def _drift(found: Drifts) -> dict[str, Any]:
    rows = [(measure_words(drift.name), drift, *LEVELS[drift.level]) for drift in found.drifts]
    return {
        "drift": found,
        "drifts": rows,
        "drift_is_unknown": all(drift.level == DriftLevel.UNKNOWN for drift in found.drifts),
        "drift_fewest": SMALLEST_SAMPLE,
        "edge": timezone.now() - timedelta(days=found.days),
    }
