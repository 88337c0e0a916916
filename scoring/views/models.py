"""Models: who serves, who wants to, and why or why not; promote and roll back by one press each."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from scoring.dataset import split_counts
from scoring.duel import Duel, champion_when, duel_now
from scoring.errors import ConflictError, NotThereError
from scoring.models import DatasetRow, Event, ModelVersion, Serving
from scoring.promote import model_promote, model_roll_back
from scoring.registry import serving
from scoring.shadow import shadow_start, shadow_stop
from scoring.train import latest_runs
from scoring.verdicts import verdict_lines
from scoring.views.asked import asks_for
from scoring.views.doors import admins_only, person_of
from scoring.views.runs import active_run, live_of, rescore_of
from scoring.views.shadows import percent_of, shadow_of
from scoring.views.whiskers import panels_of

State = ModelVersion.State
MODELS_A_PAGE = 12
RUNS_SHOWN = 6
CATEGORIES_SHOWN = 12
LIFE_WORDS: dict[str, Promise] = {
    "promote.promote": gettext_lazy("Became champion"),
    "promote.roll_back": gettext_lazy("Serves again after a roll back"),
    "promote.base": gettext_lazy("Serves because it came with Vitrine"),
}


def models_page(request: HttpRequest, *, teaching: Any) -> HttpResponse:
    """The page for an admin. ``teaching`` tells what a retrain would learn from: ``ready``, ``fresh``,
    ``fewest``, ``missing`` labels; the people's room knows."""
    row = serving()
    run = active_run()
    context = {
        "serving": row,
        "run": run,
        "live": live_of(run) if run else None,
        "rescore": rescore_of(row),
        "teaching": teaching,
        "mark": _mark(row),
    }
    if asks_for(request, "models-live"):
        response = render(request, "scoring/models.html#live", context)
        if request.GET.get("mark") != context["mark"]:
            response["HX-Trigger"] = "models-changed"
        return response
    part = "#body" if asks_for(request, "models-body") else ""
    return render(request, f"scoring/models.html{part}", context | _body(request, row))


def _body(request: HttpRequest, row: Serving) -> dict[str, Any]:
    registry = ModelVersion.objects.select_related("dataset", "run")
    found = Paginator(registry, MODELS_A_PAGE).get_page(request.GET.get("page"))
    duel = duel_now(serving=row)
    return {
        "duel": duel,
        "panels": panels_of(duel) if duel else [],
        "verdict": verdict_lines(duel.tested.verdict) if duel else [],
        "shadow": shadow_of(row),
        "page": found,
        "runs": latest_runs(RUNS_SHOWN),
    }


def _mark(row: Serving) -> str:
    """Changes whenever the rest of the page is out of date: another champion, another model, another run."""
    newest = ModelVersion.objects.values_list("pk", flat=True).first()
    run = next(iter(latest_runs(1)), None)
    told = (row.champion_id, row.displayed_id, newest, run.pk if run else 0, run.state if run else "")
    return "-".join(map(str, told))


@require_safe
@admins_only
def card(request: HttpRequest, model_id: int) -> HttpResponse:
    """What one model learned from, how it was tried, and what it cannot do."""
    context = _card(model_id)
    return render(request, "scoring/model.html", context | {"history": _history(context["model"])})


@require_safe
@admins_only
def card_file(request: HttpRequest, model_id: int) -> HttpResponse:
    """The same as Markdown, to lie beside the model wherever it goes."""
    context = _card(model_id)
    panels = context["panels"]
    whiskers = [list(column) for column in zip(*(panel.whiskers for panel in panels), strict=True)]
    context["figures"] = [(row[0].name, [f"{one.value} ({one.interval})" for one in row]) for row in whiskers]
    context["cells"] = [(_cell(name), count) for name, count in context["categories"]]
    context["verdict"] = [
        replace(line, name=_cell(line.name), text=_cell(line.text)) for line in context["verdict"]
    ]
    context["run"] = getattr(context["model"], "run", None)
    response = render(request, "scoring/card.txt", context, content_type="text/markdown; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="model-{model_id}.md"'
    return response


def _cell(text: str) -> str:
    """Words of others as plain text in Markdown."""
    for sign in "\\`*_|<>[]#":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())


def _card(model_id: int) -> dict[str, Any]:
    """What the card tells, as page and as file."""
    model = (
        ModelVersion.objects.select_related("dataset", "parent", "run__started_by")
        .filter(pk=model_id)
        .first()
    )
    if model is None:
        raise NotThereError(_("There is no such model."))
    duel = Duel(tested=model, against=champion_when(model)) if model.metrics else None
    return {
        "model": model,
        "duel": duel,
        "panels": panels_of(duel) if duel else [],
        "verdict": verdict_lines(model.verdict),
        "splits": split_counts(model.dataset) if model.dataset else {},
        "categories": _categories(model),
        "serving": serving(),
        "nav_current": "models",
    }


def _history(model: ModelVersion) -> list[tuple[Event, Promise | str]]:
    """What the audit trail tells of a model, newest first."""
    events = Event.objects.filter(target="modelversion", target_id=model.pk).select_related("actor")
    return [(event, LIFE_WORDS.get(event.verb, event.verb)) for event in events]


def _categories(model: ModelVersion) -> list[tuple[str, int]]:
    """Labelled pictures by category, the largest first, the small ones together."""
    if model.dataset is None:
        return []
    rows = DatasetRow.objects.filter(dataset=model.dataset).values_list("category", flat=True)
    counted = Counter(name or _("no category") for name in rows).most_common()
    rest = sum(count for _name, count in counted[CATEGORIES_SHOWN:])
    return counted[:CATEGORIES_SHOWN] + ([(_("others"), rest)] if rest else [])


@require_POST
@admins_only
def promote(request: HttpRequest, model_id: int) -> HttpResponse:
    """Let a candidate serve; one that the gate refused only where the form says why."""
    model = ModelVersion.objects.filter(pk=model_id).first()
    if model is None:
        raise NotThereError(_("There is no such model."))
    if model.state not in (State.CANDIDATE, State.REFUSED):
        raise ConflictError(_("Only a candidate can be promoted."), code="not_a_candidate")
    model_promote(model=model, by=person_of(request), reason=request.POST.get("reason", ""))
    messages.success(request, _("{name} is the champion now.").format(name=model.name))
    return HttpResponseRedirect(reverse("models"))


@require_POST
@admins_only
def shadow(request: HttpRequest, model_id: int) -> HttpResponse:
    """Let a model score a share of what comes in, unseen."""
    model = ModelVersion.objects.filter(pk=model_id).first()
    if model is None:
        raise NotThereError(_("There is no such model."))
    shadow_start(model=model, share=percent_of(request.POST.get("percent", "")), by=person_of(request))
    messages.success(request, _("{name} runs in the shadow now.").format(name=model.name))
    return HttpResponseRedirect(f"{reverse('models')}#shadow")


@require_POST
@admins_only
def shadow_end(request: HttpRequest) -> HttpResponse:
    """End the shadow; what it scored stays for the comparison."""
    shadow_stop(by=person_of(request))
    messages.success(request, _("The shadow has ended."))
    return HttpResponseRedirect(reverse("models"))


@require_POST
@admins_only
def roll_back(request: HttpRequest) -> HttpResponse:
    """Back to the model before."""
    row = model_roll_back(by=person_of(request))
    messages.success(request, _("Rolled back: {name} serves again.").format(name=row.champion.name))
    return HttpResponseRedirect(reverse("models"))
