"""Audit: who did what, whether the model is as good for everybody, and whether the pictures changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

import numpy as np
from django.core.cache import cache
from django.db.models import QuerySet
from django.utils import timezone

from scoring.core.drift import Drift, DriftLevel, drifts_of
from scoring.core.fairness import FairnessTable, fairness_table
from scoring.events import event_note
from scoring.models import DatasetRow, DatasetVersion, Event, Image, ModelVersion, Score, StoredFeatures
from scoring.registry import serving

FEWEST_JUDGED = 30  # rows the model never learned from; below this all rows are taken, and it is said
FEWEST_LABELS = 10
WHITE_FROM = 0.8  # of the background
ALERT_KEY, ALERT_KEPT_S = "drift-alert", 3 * 86_400
ACCEPT_SCORE = 60.0  # from "good" on a picture passes
RECENT_DAYS = 7
MOST_PICTURES = 2000
SCORE = "overall_score"


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
    model: ModelVersion
    dataset: DatasetVersion
    rows: int
    is_taught: bool
    accept_score: float = ACCEPT_SCORE


class By(StrEnum):
    """What pictures are grouped by."""

    CATEGORY = "category"
    SELLER = "seller"
    BACKGROUND = "background"


def fairness_now(*, by: By = By.CATEGORY) -> Fairness | None:
    """The displayed model against people's labels in the newest dataset version; None with too few."""
    judged = judged_labels(SCORE)
    if judged is None:
        return None
    table = fairness_table(
        predicted=[judged.scores[pk][0] for pk in judged.images],
        people=judged.people,
        groups=_groups(by, judged),
        accept_score=ACCEPT_SCORE,
        rng=np.random.default_rng(0),
    )
    return Fairness(
        table=table,
        model=judged.model,
        dataset=judged.dataset,
        rows=len(judged.images),
        is_taught=judged.is_taught,
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """Labels that the displayed model is judged by, and what it says of each image in ``scores``."""

    model: ModelVersion
    dataset: DatasetVersion
    is_taught: bool
    images: list[int]
    people: list[float]
    categories: list[str]
    scores: dict[int, tuple[float, ...]]


def judged_labels(*columns: str) -> Judged | None:
    """Labels of the newest version, those held back where they are enough, with ``columns`` of the scores
    people see; None below FEWEST_LABELS."""
    dataset = DatasetVersion.objects.first()
    if dataset is None:
        return None
    of_version = DatasetRow.objects.filter(dataset=dataset).order_by("image_id")
    rows = list(of_version.values_list("image_id", "target_score", "category", "split"))
    held = [row for row in rows if row[3] == DatasetRow.Split.HOLDOUT]
    is_taught = len(held) < FEWEST_JUDGED
    model = serving().displayed
    told = Score.objects.filter(model=model, image_id__in=[row[0] for row in rows])
    scores = {pk: values for pk, *values in told.values_list("image_id", *columns)}
    judged = [row for row in (rows if is_taught else held) if row[0] in scores]
    if len(judged) < FEWEST_LABELS:
        return None
    return Judged(
        model=model,
        dataset=dataset,
        is_taught=is_taught,
        images=[row[0] for row in judged],
        people=[row[1] for row in judged],
        categories=[row[2] for row in judged],
        scores={pk: tuple(values) for pk, values in scores.items()},
    )


def _groups(by: By, judged: Judged) -> list[str]:
    """The group of each judged row; empty where nobody knows."""
    ids = judged.images
    if by == By.SELLER:
        sellers = dict(Image.objects.filter(pk__in=ids).values_list("pk", "product__seller"))
        return [sellers.get(pk, "") for pk in ids]
    if by == By.BACKGROUND:
        version = serving().displayed.feature_version
        stored = StoredFeatures.objects.filter(version=version, image_id__in=ids)
        kinds = {pk: background_of(measures) for pk, measures in stored.values_list("image_id", "measures")}
        return [kinds.get(pk, "") for pk in ids]
    return judged.categories


def background_of(measures: Mapping[str, float]) -> str:
    """``white``, ``plain`` or ``busy``, from what was measured behind the product; empty where unknown."""
    if "background_white_share" not in measures:
        return ""
    if measures["background_white_share"] >= WHITE_FROM:
        return "white"
    return "plain" if measures.get("background_is_plain", 0.0) >= 0.5 else "busy"


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
    scores = Score.objects.filter(model_id=serving().displayed_id).order_by("-image_id")
    told = scores.values_list("overall_score", flat=True)
    before = _columns(names, then) | {SCORE: list(told.filter(image__created_at__lt=edge)[:MOST_PICTURES])}
    after = _columns(names, now) | {SCORE: list(told.filter(image__created_at__gte=edge)[:MOST_PICTURES])}
    return Drifts(drifts=drifts_of(before, after), then=len(then), now=len(now), days=days)


def drift_watch() -> list[str]:
    """What has changed for certain among the newest pictures and their scores, kept for ``drift_alert``.

    Run by the clock. What was not in the last alert is noted in the trail, once.
    """
    known = drift_alert()
    changed = sorted(drift.name for drift in drift_now().drifts if drift.level == DriftLevel.ACT)
    cache.set(ALERT_KEY, changed, timeout=ALERT_KEPT_S)
    fresh = sorted(set(changed) - set(known))
    if fresh:
        event_note(actor=None, verb="audit.drift", after={"changed": fresh})
    return changed


def drift_alert() -> list[str]:
    """Names of what has changed, as last looked at by the clock."""
    found: list[str] = cache.get(ALERT_KEY) or []
    return found


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
