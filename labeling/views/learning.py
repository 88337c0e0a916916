"""Learning: what the labels have bought, what the next ones would cost, and which they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from django import forms
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from labeling.again import items_again
from labeling.current import current_project
from labeling.holdout import sellers_judged, yardstick_of
from labeling.learning import (
    FEWEST,
    Cost,
    Measured,
    cost_of,
    learning_ask,
    learning_busy,
    learning_measured,
)
from labeling.models import Item, Project
from labeling.permissions import Role, require_role
from labeling.reasons import Asked, reasons_kept, why
from scoring.core.learning_curve import (
    Checked,
    Forecast,
    StopAdvice,
    curve_points,
    forecast_check,
    forecast_gain,
    stop_advice,
)
from scoring.models import Score
from scoring.registry import serving
from scoring.score import scores_of
from scoring.views.asked import asks_for
from scoring.views.doors import person_of

NEXT_LABELS = 100
NEXT_SHOWN = 8
SESSION_KEY = "learning-money"

ADVICE: dict[str, Promise] = {
    "no_gain": gettext_lazy("Stop: more labels of this kind are not expected to help."),
    "too_dear": gettext_lazy("Stop: even at best, a point would cost more than it is worth to you."),
    "worth_it": gettext_lazy("Go on: the next labels are worth their money."),
}


class MoneyForm(forms.Form):
    """What people cost and what accuracy is worth, in one currency."""

    wage = forms.FloatField(label=gettext_lazy("Wage an hour"), min_value=0, max_value=10_000)
    worth = forms.FloatField(label=gettext_lazy("Worth of a point of SRCC"), min_value=0, max_value=1e9)
    currency = forms.CharField(
        label=gettext_lazy("Currency"),
        help_text=gettext_lazy("As it should stand behind every sum, such as EUR."),
        max_length=8,
        required=False,
    )


@dataclass(frozen=True, slots=True)
class Next:
    """An item about to be asked for, why it, and what the model says of it so far."""

    item: Item
    why: str
    score: Score | None


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The whole page, or the curve alone while it is being measured."""
    project = current_project(request)
    require_role(person_of(request), project, Role.ADMIN)
    measured, cost = learning_measured(project=project), cost_of(project=project)
    money = _money(request)
    forecast = _forecast(measured)
    context = {
        "project": project,
        "busy": learning_busy(project=project),
        "measured": measured,
        "measured_at": parse_datetime(measured.at) if measured else None,
        "fewest": FEWEST,
        "lines": _lines(measured),
        "cost": cost,
        "money": money,
        "spent": cost.hours * money["wage"],
        "label_price": cost.seconds_per_label / 3600 * money["wage"],
        "form": MoneyForm(request.GET if "wage" in request.GET else None, initial=money),
        "forecast": forecast,
        "checked": _checked(measured),
        "advice": (advice := _advice(forecast, cost, money)),
        "hours_per_point": _hours(advice, money),
        "again": _again(measured) if project.asks_again != Project.AsksAgain.OFF else None,
        "asked_again": items_again(project=project).count(),
        "model": serving().champion,
        "yardstick": yardstick_of(project=project),
        "sellers": _sellers(project),
    }
    if asks_for(request, "curve"):
        return render(request, "labeling/learning.html#renewed", context)
    context |= {"next": _next(project), "next_labels": NEXT_LABELS}
    return render(request, "labeling/learning.html", context)


@require_POST
def measure(request: HttpRequest) -> HttpResponse:
    """Have the curve measured by a worker."""
    learning_ask(project=current_project(request), by=person_of(request))
    return HttpResponseRedirect(reverse("learning"))


def _money(request: HttpRequest) -> dict[str, Any]:
    """Wage, worth and their currency as last set by this person."""
    form = MoneyForm(request.GET)
    if form.is_valid():
        request.session[SESSION_KEY] = form.cleaned_data
    return {"wage": 15.0, "worth": 50.0, "currency": "", **request.session.get(SESSION_KEY, {})}


def _lines(measured: Measured | None) -> list[dict[str, Any]]:
    """Both curves with their bands; SRCC in hundredths, as points."""
    if measured is None:
        return []
    found = []
    for name, runs in ((_("as they came"), measured.came), (_("drawn at random"), measured.random)):
        points = curve_points(measured.counts, np.array(runs) * 100)
        found.append(
            {
                "name": name,
                "points": [(point.labels, point.srcc) for point in points],
                "low": [point.low for point in points],
                "high": [point.high for point in points],
            }
        )
    return found


def _forecast(measured: Measured | None) -> Forecast | None:
    """What the next labels should buy; None with fewer than three counts measured."""
    if measured is None or len(measured.counts) < 3:
        return None
    rng = np.random.default_rng(0)
    return forecast_gain(
        labels=measured.counts, runs=measured.came, next_labels=NEXT_LABELS, rng=rng, draws=60
    )


def _checked(measured: Measured | None) -> Checked | None:
    """What the same forecast would have said of the last labels measured, and what they did."""
    if measured is None:
        return None
    rng = np.random.default_rng(0)
    return forecast_check(labels=measured.counts, runs=measured.came, rng=rng)


def _advice(forecast: Forecast | None, cost: Cost, money: dict[str, Any]) -> tuple[StopAdvice, Any] | None:
    if forecast is None or cost.seconds_per_vote == 0:
        return None
    advice = stop_advice(
        forecast=forecast,
        seconds_per_label=cost.seconds_per_label,
        wage_per_hour=money["wage"],
        worth_per_point=money["worth"],
    )
    return advice, ADVICE[advice.reason]


def _hours(advice: tuple[StopAdvice, Any] | None, money: dict[str, Any]) -> float | None:
    """Hours of people's time in a point of SRCC; None where it has no price."""
    if advice is None or advice[0].money_per_point is None or money["wage"] == 0:
        return None
    return advice[0].money_per_point / float(money["wage"])


def _again(measured: Measured | None) -> dict[str, Any] | None:
    """Whether the next vote should go to a new picture or to one that has a label."""
    if measured is None or measured.again is None:
        return None
    asks_again = measured.again > 1
    words = _("Ask again about labelled pictures.") if asks_again else _("Ask about new pictures.")
    return {"worth": measured.again, "words": words}


def _sellers(project: Project) -> dict[str, int] | None:
    """Sellers that judge the model, where some of them teach it too."""
    judged, both = sellers_judged(project=project)
    return {"judged": judged, "both": both} if both else None


def _next(project: Project) -> list[Next]:
    """The first of the queue, each with the reason for its place."""
    waiting = Item.objects.filter(project=project, state=Item.State.OPEN) | items_again(project=project)
    counted = waiting.annotate(
        slots=Count("assignments"), votes=Count("assignments", filter=Q(assignments__state="submitted"))
    )
    items = list(counted.select_related("image__product").order_by("-priority", "id")[:NEXT_SHOWN])
    scores = scores_of(image_ids=[item.image_id for item in items])
    reasons = reasons_kept(project=project)
    found = []
    for item in items:
        score = scores.get(item.image_id)
        asked = Asked(item, score.overall_std if score else None, item.votes, item.slots)
        found.append(Next(item, why(asked, project, reasons), score))
    return found
