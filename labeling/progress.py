"""How far the loop is, and how far one person is: what Home shows, in a handful of queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.contrib.auth.models import User
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import TruncDate
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from labeling.dataset import FINISHED
from labeling.models import Annotation, Item, Project
from labeling.permissions import RANK, Role, own_work, role_of
from labeling.probes import live_answers
from labeling.queue import left_for
from scoring.models import (
    DatasetVersion,
    Image,
    ImportJob,
    ModelVersion,
    Score,
    ScoringJob,
    Serving,
    TrainingRun,
)
from scoring.train import FEWEST_ROWS

DAYS_LOOKED_BACK = 400


@dataclass(frozen=True, slots=True)
class StationState:
    """One station of the loop: its word, a live count, and where to go.

    ``is_waiting_for_you``: somebody has to act here before pictures go on.
    """

    word: str
    label: str | Promise
    count: int
    unit_words: str | Promise
    url_name: str
    is_waiting_for_you: bool = False


@dataclass(frozen=True, slots=True)
class MyWork:
    """What one person did and what waits for them. ``streak_days``: days in a row with a vote."""

    votes_today: int
    votes_total: int
    left: int
    streak_days: int
    reviews_waiting: int
    returned: int


def loop_state(*, project: Project) -> list[StationState]:
    """The ten stations in order with live counts, in ten queries whatever the size of the catalogue."""
    images = _image_counts()
    scores = _score_counts()
    datasets = list(DatasetVersion.objects.values_list("pk", "created_at"))  # newest first
    items = _item_counts(project, newest=datasets[0][1] if datasets else None)
    runs = _run_counts(newest=datasets[0][0] if datasets else None)
    models = _model_counts()
    enough = items["finished"] >= FEWEST_ROWS
    untrained = bool(datasets) and not runs["of_newest"] and not runs["busy"]
    return [
        StationState("ingest", _("Ingest"), images["all"], _("pictures"), "data", not any(images.values())),
        StationState(
            "score", _("Score"), scores["displayed"], _("scored"), "catalogue", images["failed"] > 0
        ),
        StationState("queue", _("Queue"), items["open"], _("waiting for votes"), "label"),
        StationState("annotate", _("Annotate"), items["votes"], _("votes"), "label", items["open"] > 0),
        StationState("consensus", _("Consensus"), items["finished"], _("labels"), "catalogue"),
        StationState("review", _("Review"), items["flagged"], _("to review"), "review", items["flagged"] > 0),
        StationState(
            "dataset", _("Dataset"), len(datasets), _("versions"), "data", enough and items["fresh"] > 0
        ),
        StationState("train", _("Train"), runs["ended"], _("retrains"), "models", untrained),
        StationState(
            "promote", _("Promote"), models["promoted"], _("promoted"), "models", models["ready"] > 0
        ),
        StationState("rescore", _("Rescore"), scores["by_champion"], _("by the newest model"), "catalogue"),
    ]


def _image_counts() -> dict[str, int]:
    """Visible pictures, imports under way, scorings given up."""
    importing = ImportJob.objects.filter(state__in=[ImportJob.State.READING, ImportJob.State.RUNNING])
    return {
        "all": Image.objects.filter(is_hidden=False).count(),
        "importing": importing.count(),
        "failed": ScoringJob.objects.filter(state=ScoringJob.State.FAILED).count(),
    }


def _score_counts() -> dict[str, int]:
    """Pictures with the score people see, and with the champion's."""
    row = Serving.objects.first()
    if row is None:
        return {"displayed": 0, "by_champion": 0}
    return Score.objects.filter(model_id__in={row.displayed_id, row.champion_id}).aggregate(
        displayed=Count("id", filter=Q(model_id=row.displayed_id)),
        by_champion=Count("id", filter=Q(model_id=row.champion_id)),
    )


def _item_counts(project: Project, *, newest: object) -> dict[str, int]:
    """Items by what they wait for, labels finished and finished since the ``newest`` freeze, live votes."""
    finished = Q(state__in=FINISHED, consensus__isnull=False, image__is_hidden=False)
    told = Item.objects.filter(project=project).aggregate(
        open=Count("id", filter=Q(state=Item.State.OPEN)),
        flagged=Count("id", filter=Q(state=Item.State.FLAGGED)),
        finished=Count("id", filter=finished),
        fresh=Count("id", filter=finished & Q(consensus__settled_at__gt=newest) if newest else finished),
    )
    return {**told, "votes": live_votes(project).count()}


def _run_counts(*, newest: int | None) -> dict[str, int]:
    """Retrains evaluated, waiting or running, and of the newest dataset."""
    return TrainingRun.objects.aggregate(
        ended=Count("id", filter=Q(state=TrainingRun.State.EVALUATED)),
        busy=Count("id", filter=Q(state__in=[TrainingRun.State.QUEUED, TrainingRun.State.RUNNING])),
        of_newest=Count("id", filter=Q(dataset_id=newest)),
    )


def _model_counts() -> dict[str, int]:
    """Models that served after a retrain, and candidates that passed and wait for a word."""
    return ModelVersion.objects.exclude(kind=ModelVersion.Kind.BASE).aggregate(
        promoted=Count("id", filter=Q(promoted_at__isnull=False)),
        ready=Count("id", filter=Q(state=ModelVersion.State.CANDIDATE)),
    )


def live_votes(project: Project) -> QuerySet[Annotation]:
    """Votes of the project that count: ends of chains that are not withdrawn."""
    return Annotation.objects.filter(item__project=project, successor__isnull=True, is_withdrawn=False)


def my_work(*, user: User, project: Project) -> MyWork:
    """One person's answers, streak, and what waits for them; a handful of queries.

    Answers to probes are counted along: a number that stands still would give them away.
    """
    today = timezone.localdate()
    mine = live_votes(project).filter(rater_id=user.pk)
    days = list(
        mine.filter(created_at__date__gte=today - timedelta(days=DAYS_LOOKED_BACK))
        .values_list(TruncDate("created_at"))
        .annotate(votes=Count("id"))
    )
    of_day = {day: votes for day, votes in days if day is not None}
    asked = live_answers().filter(rater_id=user.pk, probe__project=project)
    beside = asked.aggregate(all=Count("id"), today=Count("id", filter=Q(created_at__date=today)))
    return MyWork(
        votes_today=of_day.get(today, 0) + beside["today"],
        votes_total=mine.count() + beside["all"],
        left=left_for(user=user, project=project),
        streak_days=streak_of(list(of_day), today=today),
        reviews_waiting=_reviews_waiting(user, project),
        returned=Item.objects.filter(project=project, returned_to_id=user.pk, state=Item.State.OPEN).count(),
    )


def streak_of(days: Sequence[date], *, today: date) -> int:
    """Days in a row up to today that have a vote; a day that is not over yet breaks nothing."""
    known = set(days)
    day = today if today in known else today - timedelta(days=1)
    length = 0
    while day in known:
        length, day = length + 1, day - timedelta(days=1)
    return length


def _reviews_waiting(user: User, project: Project) -> int:
    """Flagged items this person may decide on: a reviewer's, and none they voted on themselves."""
    role = role_of(user, project)
    if role is None or RANK[role] < RANK[Role.REVIEWER]:
        return 0
    own = own_work(user, project).filter(item_id=OuterRef("pk"))
    return Item.objects.filter(project=project, state=Item.State.FLAGGED).exclude(Exists(own)).count()
