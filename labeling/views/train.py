"""Models, the people's half: the page the machine's room draws, with what the labels allow."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from labeling.current import current_project
from labeling.dataset import finished_labels
from labeling.models import Project
from labeling.permissions import Role, require_role
from labeling.train import newest_run, retrain
from scoring.deep import TAUGHT_SHARE, deep_missing, deep_seconds
from scoring.models import TrainingRun
from scoring.train import FEWEST_ROWS
from scoring.views.doors import person_of
from scoring.views.models import models_page


@dataclass(frozen=True, slots=True)
class Teaching:
    """What a retrain would learn from. ``fresh``: labels settled since the last one froze its dataset;
    ``deep_s``: about how many seconds a deep one would take; ``deep_missing``: why there can be none yet."""

    project: Project
    ready: int
    fresh: int
    fewest: int
    deep_s: float
    deep_missing: str

    @property
    def missing(self) -> int:
        """Labels still to be made before a retrain can be asked for."""
        return max(0, self.fewest - self.ready)


@require_safe
def models(request: HttpRequest) -> HttpResponse:
    """Which models there are, which serve, and a button that makes a better one."""
    project = current_project(request)
    require_role(person_of(request), project, Role.ADMIN)
    return models_page(request, teaching=teaching_of(project))


@require_POST
def start(request: HttpRequest) -> HttpResponse:
    """Queue a retrain on the labels there are, and go and watch it."""
    kind = request.POST.get("kind") or str(TrainingRun.Kind.FAST)
    promote = "hold" not in request.POST
    run = retrain(project=current_project(request), by=person_of(request), kind=kind, promote=promote)
    return HttpResponseRedirect(reverse("run", args=[run.pk]))


def teaching_of(project: Project) -> Teaching:
    """Finished labels of the project, and how many are new since its last retrain."""
    labels = finished_labels(project=project)
    told = labels.aggregate(ready=Count("id"), held=Count("id", filter=Q(item__is_holdout=True)))
    ready, held = told["ready"], told["held"]
    newest = newest_run(project=project, is_through=True)
    fresh = labels.filter(settled_at__gt=newest.dataset.created_at).count() if newest else ready
    return Teaching(
        project=project,
        ready=ready,
        fresh=fresh,
        fewest=FEWEST_ROWS,
        deep_s=deep_seconds(labels=ready),
        deep_missing=deep_missing(taught=round((ready - held) * TAUGHT_SHARE), held=held),
    )
