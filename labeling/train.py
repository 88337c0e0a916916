"""Station 8, train, the people's half: labels are frozen where they changed, then a retrain is queued."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.dataset import dataset_freeze, finished_labels, labels_ready
from labeling.models import Project
from labeling.permissions import Role, require_role
from scoring.errors import BadInputError, StationError
from scoring.models import TrainingRun
from scoring.train import FEWEST_ROWS, training_start

State, Trigger = TrainingRun.State, TrainingRun.Trigger


def retrain(
    *,
    project: Project,
    by: User | None,
    kind: str = "fast",
    trigger: str = "button",
    seed: int = 0,
    promote: bool = True,
) -> TrainingRun:
    """Freeze the labels if they changed and queue a retrain on them. Admins only; None is the system.

    ``promote``: what passes the gate serves at once; else it waits for a person, or runs in the shadow first.
    """
    if by is not None:
        require_role(by, project, Role.ADMIN)
    ready = labels_ready(project=project)
    if 0 < ready < FEWEST_ROWS:
        raise BadInputError(
            _(
                "A retrain needs {fewest} finished labels; there are {ready} so far. Label {more} more."
            ).format(fewest=FEWEST_ROWS, ready=ready, more=FEWEST_ROWS - ready),
            code="too_few_labels",
        )
    dataset = dataset_freeze(project=project, by=by)
    return training_start(
        dataset=dataset,
        kind=kind,
        trigger=trigger,
        started_by=by,
        seed=seed,
        promote=promote,
        origin=_origin(project),
    )


def retrain_by_rule() -> dict[str, int]:
    """Start retrains that the projects' own rules ask for; quiet where one waits or nothing is new."""
    if TrainingRun.objects.filter(state__in=[State.QUEUED, State.RUNNING]).exists():
        return {"started": 0}
    rules = Project.objects.filter(is_archived=False).filter(
        Q(retrain_every_labels__gt=0) | Q(retrain_every_hours__gt=0)
    )
    for project in rules.order_by("pk"):
        trigger = rule_due(project=project)
        if trigger and _retrained(project, trigger):
            return {"started": 1}
    return {"started": 0}


def rule_due(*, project: Project) -> str:
    """The rule that asks for a retrain now: ``labels``, ``schedule`` or empty."""
    newest = newest_run(project=project)
    labels = finished_labels(project=project)
    fresh = labels.filter(settled_at__gt=newest.dataset.created_at) if newest else labels
    count = fresh.count()
    if 0 < project.retrain_every_labels <= count:
        return str(Trigger.LABELS)
    since = newest.created_at if newest else project.created_at
    is_time = timezone.now() - since >= timedelta(hours=project.retrain_every_hours)
    if project.retrain_every_hours > 0 and is_time and count > 0:
        return str(Trigger.SCHEDULE)
    return ""


def newest_run(*, project: Project, is_through: bool = False) -> TrainingRun | None:
    """The newest retrain started from this project, with its dataset; ``is_through``: that made a model."""
    runs = TrainingRun.objects.filter(options__origin=_origin(project))
    runs = runs.filter(state=State.EVALUATED) if is_through else runs
    return runs.select_related("dataset", "candidate").order_by("-pk").first()


def _retrained(project: Project, trigger: str) -> bool:
    """Whether a run was queued; the same labels as last time teach nothing, too few are not yet a fault."""
    newest = newest_run(project=project)
    try:
        dataset = dataset_freeze(project=project, by=None)
        if newest is not None and newest.dataset_id == dataset.pk:
            return False
        retrain(project=project, by=None, trigger=trigger)
    except StationError:
        return False
    return True


def _origin(project: Project) -> str:
    return f"project {project.pk}"
