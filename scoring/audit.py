"""Audit: who did what, whether the model is as good for every category, and whether the pictures changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import numpy as np
from django.db.models import QuerySet
from django.utils import timezone

from scoring.core.drift import Drift, drifts_of
from scoring.core.fairness import FairnessTable, fairness_table
from scoring.models import DatasetRow, DatasetVersion, Event, Score, StoredFeatures
from scoring.registry import serving

FEWEST_JUDGED = 30  # rows the model never learned from; below this all rows are taken, and it is said
FEWEST_LABELS = 10
ACCEPT_SCORE = 60.0  # from "good" on a picture passes
RECENT_DAYS = 7
MOST_PICTURES = 2000


def events_found(
    *,
    person: str = "",
    verb: str = "",
    target: str = "",
    since: date | None = None,
    until: date | None = None,
) -> QuerySet[Event]:
    """Events newest first. ``verb`` is an act or a station; ``target`` a kind, or kind and number."""
    events = Event.objects.select_related("actor").order_by("-id")
    if person:
        events = events.filter(actor__username=person)
    if verb:
        events = events.filter(verb=verb) if "." in verb else events.filter(verb__startswith=f"{verb}.")
    if target:
        kind, _space, number = target.partition(" ")
        events = events.filter(target=kind)
        if number.isdecimal():
            events = events.filter(target_id=min(int(number), 2**63 - 1))
    if since:
        events = events.filter(at__gte=_midnight(since))
    if until:
        events = events.filter(at__lt=_midnight(until) + timedelta(days=1))
    return events


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


@dataclass(frozen=True, slots=True)
class Fairness:
    """Errors by category. ``is_taught``: the model learned from these very rows, so errors look small."""

    table: FairnessTable
    dataset: DatasetVersion
    rows: int
    is_taught: bool
    accept_score: float = ACCEPT_SCORE


def fairness_now() -> Fairness | None:
    """The displayed model against people's labels in the newest dataset version; None with too few."""
    dataset = DatasetVersion.objects.first()
    if dataset is None:
        return None
    of_version = DatasetRow.objects.filter(dataset=dataset)
    rows = list(of_version.values_list("image_id", "target_score", "category", "split"))
    held = [row for row in rows if row[3] == DatasetRow.Split.HOLDOUT]
    is_taught = len(held) < FEWEST_JUDGED
    scores = dict(
        Score.objects.filter(
            model_id=serving().displayed_id, image_id__in=[row[0] for row in rows]
        ).values_list("image_id", "overall_score")
    )
    judged = [row for row in (rows if is_taught else held) if row[0] in scores]
    if len(judged) < FEWEST_LABELS:
        return None
    table = fairness_table(
        predicted=[scores[row[0]] for row in judged],
        people=[row[1] for row in judged],
        groups=[row[2] for row in judged],
        accept_score=ACCEPT_SCORE,
        rng=np.random.default_rng(0),
    )
    return Fairness(table=table, dataset=dataset, rows=len(judged), is_taught=is_taught)


@dataclass(frozen=True, slots=True)
class Drifts:
    """Pictures of the last days against those before: every measure, the most moved first."""

    drifts: list[Drift]
    then: int
    now: int
    days: int


def drift_now(*, days: int = RECENT_DAYS) -> Drifts:
    """Compare the measures of pictures that came in the last ``days`` days with the earlier ones."""
    edge = timezone.now() - timedelta(days=days)
    stored = (
        StoredFeatures.objects.filter(version=serving().displayed.feature_version)
        .order_by("-image_id")
        .values_list("measures", flat=True)
    )
    now = list(stored.filter(image__created_at__gte=edge)[:MOST_PICTURES])
    then = list(stored.filter(image__created_at__lt=edge)[:MOST_PICTURES])
    names = sorted({name for measures in (*now, *then) for name in measures})
    return Drifts(
        drifts=drifts_of(_columns(names, then), _columns(names, now)), then=len(then), now=len(now), days=days
    )


def _columns(names: Iterable[str], rows: list[dict[str, float]]) -> dict[str, list[float]]:
    """Values of each measure that are numbers; a picture without one is left out of it."""
    return {
        name: [
            float(row[name])
            for row in rows
            if isinstance(row.get(name), int | float) and np.isfinite(row[name])
        ]
        for name in names
    }
