"""The life of one image: what each station left behind, as far as the reader may see it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils.translation import gettext as _

from labeling.evidence import Evidence, evidence_of, may_see_votes
from labeling.models import Item, Membership, Project
from labeling.permissions import RANK, Role, require_role
from scoring.access import role_reached
from scoring.core.defects import ACCUSED_FROM
from scoring.core.measures import MEASURE_UNITS
from scoring.errors import NotThereError
from scoring.models import (
    DatasetRow,
    Event,
    Image,
    ModelVersion,
    OutsideLabel,
    Score,
    ScoringJob,
    StoredFeatures,
)
from scoring.recommend import best_of
from scoring.registry import serving
from scoring.score import displayed_scores
from scoring.search import Similar, similar_images

MOST_SIBLINGS = 24
MOST_EVENTS = 50
MOST_OUTSIDE = 50
ALIKE_FROM = 0.5  # cosine similarity; below it two pictures have little in common


@dataclass(frozen=True, slots=True)
class Measure:
    """One plain number taken on the picture."""

    code: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True)
class Sibling:
    """A picture of the same product; ``is_best`` is the one to show first."""

    image: Image
    score: Score | None
    is_best: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where on the picture, in thousandths of its sides, and the defects that point there."""

    x: int
    y: int
    width: int
    height: int
    defects: list[str]


@dataclass(frozen=True, slots=True)
class Life:
    """Everything the page of an image shows. ``evidence`` is None where the reader may not know it yet."""

    image: Image
    role: Membership.Role
    score: Score | None
    history: list[Score]
    accused: list[dict[str, Any]]
    unlikely: list[dict[str, Any]]
    places: list[Place]
    measures: list[Measure]
    job: ScoringJob | None
    item: Item | None
    evidence: Evidence | None
    siblings: list[Sibling]
    similar: list[Similar]
    scores_nearby: dict[int, float] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    outside: list[OutsideLabel] = field(default_factory=list)

    @property
    def is_untaught_in_parts(self) -> bool:
        """Whether labels taught the score and not how the dimensions differ from it."""
        model = self.score.model if self.score else None
        if model is None or model.kind != ModelVersion.Kind.FAST:
            return False
        return not DatasetRow.objects.filter(dataset=model.dataset_id).exclude(dimensions={}).exists()

    @property
    def shows_names(self) -> bool:
        """Whether the reader may know who voted."""
        return RANK[self.role] >= RANK[Role.REVIEWER]

    @property
    def is_best(self) -> bool:
        """Whether this picture is the one of its product to show first."""
        return any(sibling.is_best and sibling.image.pk == self.image.pk for sibling in self.siblings)


def image_life(*, image_id: int, user: User, project: Project) -> Life:
    """All of an image's life that ``user`` may see; hidden images are there for admins only."""
    role = require_role(user, project, Role.ANNOTATOR)
    image = Image.objects.select_related("product").filter(pk=image_id).first()
    if image is None or (image.is_hidden and not role_reached(user, "admin")):
        raise NotThereError(_("There is no such image."))
    history = list(image.scores.select_related("model").order_by("model_id"))
    score = _shown(history)
    findings = sorted(score.findings, key=lambda f: -float(f["probability"])) if score else []
    accused = [finding for finding in findings if float(finding["probability"]) >= ACCUSED_FROM]
    item = image.items.filter(project=project).select_related("returned_to").first()
    sees_votes = item is not None and may_see_votes(role=role, item=item, user=user)
    evidence = evidence_of(item=item, user=user) if item is not None and sees_votes else None
    similar = [row for row in similar_images(image=image) if row.similarity >= ALIKE_FROM]
    return Life(
        image=image,
        role=role,
        score=score,
        history=history,
        accused=accused,
        unlikely=[finding for finding in findings if finding not in accused],
        places=places_of(accused),
        measures=_measures(image, score),
        job=ScoringJob.objects.filter(image=image).first(),
        item=item,
        evidence=evidence,
        siblings=_siblings(image),
        similar=similar,
        scores_nearby=_overall([row.image.pk for row in similar]),
        events=_events(image, item) if RANK[role] >= RANK[Role.REVIEWER] else [],
        outside=_outside(image) if sees_votes or RANK[role] >= RANK[Role.REVIEWER] else [],
    )


def _shown(history: Collection[Score]) -> Score | None:
    """The displayed model's score, else the champion's, as everywhere else."""
    row = serving()
    by_model = {score.model_id: score for score in history}
    return by_model.get(row.displayed_id) or by_model.get(row.champion_id)


def places_of(findings: Collection[dict[str, Any]]) -> list[Place]:
    """One place for each box, since several defects point at the product as a whole."""
    found: dict[tuple[float, ...], list[str]] = {}
    for finding in findings:
        if finding.get("box"):
            found.setdefault(tuple(finding["box"]), []).append(finding["defect"])
    return [_place(box, defects) for box, defects in found.items()]


def _place(box: tuple[float, ...], defects: list[str]) -> Place:
    left, top, right, bottom = (round(1000 * edge) for edge in box)
    return Place(x=left, y=top, width=right - left, height=bottom - top, defects=defects)


def _measures(image: Image, score: Score | None) -> list[Measure]:
    rows = StoredFeatures.objects.filter(image=image)
    if score is not None:
        rows = rows.filter(version=score.model.feature_version)
    measures = rows.order_by("-id").values_list("measures", flat=True).first() or {}
    names = [name for name in MEASURE_UNITS if name in measures]
    return [Measure(name, float(measures[name]), MEASURE_UNITS[name]) for name in names]


def _siblings(image: Image) -> list[Sibling]:
    images = list(image.product.images.filter(is_hidden=False).order_by("pk")[:MOST_SIBLINGS])
    if len(images) < 2:
        return []
    scores = {score.image_id: score for score in displayed_scores().filter(image__in=images)}
    best = best_of(scores.values())
    return [
        Sibling(each, scores.get(each.pk), best is not None and best.image_id == each.pk) for each in images
    ]


def _overall(image_ids: Collection[int]) -> dict[int, float]:
    scores = displayed_scores().filter(image_id__in=image_ids)
    return dict(scores.values_list("image_id", "overall_score"))


def _outside(image: Image) -> list[OutsideLabel]:
    """What other tools said; those who may yet vote do not see it."""
    return list(OutsideLabel.objects.filter(image=image).order_by("-kind", "who")[:MOST_OUTSIDE])


def _events(image: Image, item: Item | None) -> list[Event]:
    about = Q(target="image", target_id=image.pk)
    if item is not None:
        about |= Q(target="item", target_id=item.pk)
        about |= Q(target="annotation", target_id__in=item.annotations.values("id"))
    return list(Event.objects.filter(about).select_related("actor").order_by("-id")[:MOST_EVENTS])
