"""Gold questions: pictures whose right answer is known, made for a project from its own clear pictures.

Made off the request by a score worker, a few at a time, so that nobody runs out of questions they have not
seen. A question that most people fail is a bad question, not a bad panel, and is retired.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from labeling.core.gold import (
    LEAST_SEVERITY,
    MOST_SEVERITY,
    SPOILERS,
    Band,
    band_of_clear,
    band_of_spoilt,
)
from labeling.models import Assignment, Consensus, GoldQuestion, Item, Probe, Project
from labeling.probes import live_answers
from scoring.core.types import vote_from_score
from scoring.errors import StationError
from scoring.events import event_note
from scoring.models import Image, Score
from scoring.score import displayed_scores
from scoring.spoil import picture_spoil
from scoring.wake import wake

log = logging.getLogger(__name__)
Kind = GoldQuestion.Kind
RENEW = "score.gold_renew"

STOCK, AHEAD = 24, 12  # questions from the start, and unseen ones kept for whoever saw the most
MADE_AT_ONCE = 6
CLEAR_SHARE = 1 / 3  # of the questions: else whoever calls everything bad is always right
CLEAR_SCORE, CLEAR_LOW, CLEAR_MOS, CLEAR_CI = 65.0, 45.0, 4.0, 3.2
TRIES = 4  # faults on one picture
FEWEST_TO_JUDGE, MOST_WRONG = 5, 0.6
FINISHED = (Item.State.SETTLED, Item.State.APPROVED)


def gold_due() -> dict[str, int]:
    """Wake a score worker where questions are missing or have to be judged; cheap enough for the clock."""
    projects = Project.objects.filter(is_archived=False, gold_rate__gt=0)
    short = [project for project in projects if _can_make(project)]
    if short:
        wake(RENEW)
    return {"projects": len(short)}


def _can_make(project: Project) -> bool:
    return gold_wanted(project=project) > 0 and bool(_clear_scores(project))


def gold_renew() -> dict[str, int]:
    """Every live project that asks gold questions has enough of them, and no bad ones."""
    made = retired = 0
    for project in Project.objects.filter(is_archived=False, gold_rate__gt=0).order_by("pk"):
        retired += gold_retire(project=project)
        made += gold_make(project=project)
    return {"made": made, "retired": retired}


def gold_make(*, project: Project, most: int = MADE_AT_ONCE) -> int:
    """Make up to ``most`` questions that are missing; returns how many. Safe beside itself."""
    wanted = min(most, gold_wanted(project=project))
    if wanted <= 0:
        return 0
    made = _clear_make(project, wanted)
    rng = np.random.default_rng()
    for score in _clear_scores(project)[: 2 * wanted]:
        if made >= wanted:
            break
        made += _spoilt_make(project, score, rng)
    return made


def gold_wanted(*, project: Project) -> int:
    """How many questions are missing."""
    live = GoldQuestion.objects.filter(project=project, retired_at=None).count()
    seen = Probe.objects.filter(project=project, kind=Probe.Kind.GOLD).order_by().values("user")
    most_seen = seen.annotate(seen=Count("id")).order_by("-seen").values_list("seen", flat=True).first() or 0
    return max(STOCK, most_seen + AHEAD) - live


def gold_retire(*, project: Project) -> int:
    """Retire questions that most people answer wrongly; returns how many."""
    answers = live_answers().filter(probe__gold__project=project, probe__gold__retired_at=None)
    judged = (
        answers.order_by()
        .values("probe__gold")
        .annotate(count=Count("id"), wrong=Count("id", filter=Q(is_right=False)))
    )
    bad = [
        row["probe__gold"]
        for row in judged
        if row["count"] >= FEWEST_TO_JUDGE and row["wrong"] / row["count"] > MOST_WRONG
    ]
    for question in GoldQuestion.objects.filter(pk__in=bad, retired_at=None):
        question.retired_at = timezone.now()
        question.save(update_fields=["retired_at"])
        event_note(actor=None, verb="gold.retire", target=question, before={"image": question.image_id})
    return len(bad)


def _sources(project: Project) -> QuerySet[GoldQuestion]:
    return GoldQuestion.objects.filter(project=project, source_id=OuterRef("image_id"))


def _clear_scores(project: Project) -> Sequence[Score]:
    """Displayed scores of the project's clear pictures, none a question yet, in random order."""
    mine = Item.objects.filter(project=project, image_id=OuterRef("image_id")).exclude(
        state=Item.State.REJECTED
    )
    found = displayed_scores().filter(Exists(mine), ~Exists(_sources(project)))
    clear = found.filter(overall_score__gte=CLEAR_SCORE, interval_low__gte=CLEAR_LOW)
    return list(clear.select_related("image").order_by("?")[: 2 * MADE_AT_ONCE])


def _spoilt_make(project: Project, score: Score, rng: np.random.Generator) -> int:
    """One question from one picture: the first fault, in random order, that shows on it."""
    label = Consensus.objects.filter(item__project=project, item__image_id=score.image_id).first()
    clear_mos = label.mos if label else vote_from_score(score.overall_score)
    for at in rng.permutation(len(SPOILERS))[:TRIES]:
        fault, severity = SPOILERS[at], float(rng.uniform(LEAST_SEVERITY, MOST_SEVERITY))
        try:
            spoilt = picture_spoil(
                image=score.image, fault=fault, severity=severity, seed=int(rng.integers(2**31))
            )
        except StationError as error:
            log.warning("no gold question from image %s: %s", score.image_id, error)
            return 0
        if spoilt is not None:
            band = band_of_spoilt(clear_mos)
            return _keep(project, Kind.SPOILT, spoilt, score.image, band, fault=str(fault), severity=severity)
    return 0


def _clear_make(project: Project, wanted: int) -> int:
    """Questions of pictures that several people found good, as they are."""
    known = GoldQuestion.objects.filter(project=project, retired_at=None)
    clear = known.filter(kind=Kind.CLEAR).count()
    missing = min(round(CLEAR_SHARE * (known.count() + wanted)) - clear, wanted)
    if missing <= 0:
        return 0
    mine = GoldQuestion.objects.filter(project=project, image_id=OuterRef("item__image_id"))
    free = Assignment.objects.filter(item_id=OuterRef("item_id"), state__in=["free", "leased"])
    labels = Consensus.objects.filter(
        ~Exists(mine),
        ~Exists(free),
        item__project=project,
        item__state__in=FINISHED,
        item__image__is_hidden=False,
        vote_count__gte=2,
        mos__gte=CLEAR_MOS,
        ci_low__gte=CLEAR_CI,
    )
    found = labels.select_related("item__image").order_by("?")[:missing]
    return sum(
        _keep(project, Kind.CLEAR, label.item.image, label.item.image, band_of_clear()) for label in found
    )


def _keep(
    project: Project,
    kind: str,
    image: Image,
    source: Image,
    band: Band,
    *,
    fault: str = "",
    severity: float = 0.0,
) -> int:
    question, created = GoldQuestion.objects.get_or_create(
        project=project,
        image=image,
        defaults={
            "kind": kind,
            "source": source,
            "fault": fault,
            "severity": severity,
            "expected_low": band.low,
            "expected_high": band.high,
        },
    )
    if created:
        told = {"kind": kind, "fault": fault, "image": image.pk}
        event_note(actor=None, verb="gold.make", target=question, after=told)
    return int(created)
