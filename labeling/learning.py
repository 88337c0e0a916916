"""What the labels have bought: accuracy over labels, in the order they came and at random, and the next ones.

Measured off the request on the finished labels at hand and kept in the cache: it takes seconds of a
processor and can always be measured again. Both curves are tried on the same pictures held back.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db.models import Avg, Count
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.dataset import POINTS_PER_VOTE, SUREST_POINTS, finished_labels
from labeling.models import Annotation, Item, Project
from labeling.permissions import Role, require_role
from scoring.core.checkpoint import WeightsError
from scoring.core.design import kernel_features, votes_worth
from scoring.core.head import Head, fit_head
from scoring.core.metrics import srcc
from scoring.core.types import FloatArray
from scoring.errors import BadInputError
from scoring.models import ModelVersion, StoredFeatures
from scoring.registry import head_of, serving
from scoring.trial import FEWEST_HOLDOUT, root_of
from scoring.wake import wake

TASK = "maintenance.learning_measure"
FEWEST = 40  # labels below which a curve says nothing
MOST = 1000  # labels looked at: fits grow with the square
REPEATS = 6
KEPT_SHARE = 0.9  # of the labels, whose old features must be kept for a curve from the first model
HELD_BACK = 0.3
SEED = 11
BUSY_S = 300

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Measured:
    """Runs (R, K) of SRCC at K label counts: labels in the order they came, and drawn at random.

    ``again`` is what one more vote on a labelled picture is worth beside one on a new picture; None where
    no picture is left. ``model`` is where the runs begin; ``is_taught``: it has learned from labels itself,
    so that the curve begins too high and shows only what comes on top.
    """

    counts: list[int]
    came: list[list[float]]
    random: list[list[float]]
    labels: int
    seconds: float
    at: str
    again: float | None = None
    model: str = ""
    is_taught: bool = False


@dataclass(frozen=True, slots=True)
class Pool:
    """Finished labels with features (N), oldest first; ``groups`` keep a product on one side, ``held`` were
    drawn to judge the model by; ``votes`` made each."""

    vectors: FloatArray
    targets: Array
    weights: Array
    groups: npt.NDArray[np.str_]
    held: npt.NDArray[np.bool_]
    votes: Array


def learning_ask(*, project: Project, by: User) -> None:
    """Have the curve measured; refused while labels are too few. One at a time per project."""
    require_role(by, project, Role.ADMIN)
    ready = finished_labels(project=project).count()
    if ready < FEWEST:
        words = _("A curve needs {fewest} finished labels; there are {ready} so far.")
        raise BadInputError(words.format(fewest=FEWEST, ready=ready), code="too_few_labels")
    if cache.add(_key(project, "busy"), 1, timeout=BUSY_S):
        wake(TASK, project.pk)


def learning_busy(*, project: Project) -> bool:
    """Whether a measurement was asked for and has not come in."""
    return cache.get(_key(project, "busy")) is not None


def learning_measured(*, project: Project) -> Measured | None:
    """The last measurement; None before the first."""
    found: dict[str, Any] | None = cache.get(_key(project, "curve"))
    return Measured(**found) if found else None


def learning_measure(*, project: Project) -> Measured | None:
    """Measure and keep the curve; None where too few labels have features. Safe twice."""
    started = time.monotonic()
    champion = serving().champion
    try:
        pool = _pool(project, feature_version=champion.feature_version)
        if len(pool.targets) < FEWEST:
            return None
        root = root_of(champion)
        again = _again(project, pool, head_of(root))
        root, pool = _untaught(project, root, pool)
        measured = replace(
            _measured(pool, head_of(root), started),
            again=again,
            model=root.name,
            is_taught=root.dataset_id is not None,
        )
        cache.set(_key(project, "curve"), asdict(measured), timeout=None)
        return measured
    finally:
        cache.delete(_key(project, "busy"))


def _untaught(project: Project, root: ModelVersion, pool: Pool) -> tuple[ModelVersion, Pool]:
    """The model before any label, and the pool as it sees it, where its features of nearly all are kept.

    What a deep retrain has learned is in its features: a curve over them begins where it should end.
    """
    first = root
    while first.dataset_id is not None and first.parent is not None:
        first = first.parent
    if first == root:
        return root, pool
    seen = _pool(project, feature_version=first.feature_version)
    if len(seen.targets) < max(FEWEST, KEPT_SHARE * len(pool.targets)):
        return root, pool
    try:
        head_of(first)
    except WeightsError:
        return root, pool
    return first, seen


def _measured(pool: Pool, prior: Head, started: float) -> Measured:
    rng = np.random.default_rng(SEED)
    splits = [judged_and_taught(pool, rng) for _ in range(REPEATS)]
    counts = label_counts(min(len(taught) for _judged, taught in splits))
    came, drawn = [], []
    for judged, taught in splits:
        came.append(_run(pool, judged, taught, counts, prior))
        drawn.append(_run(pool, judged, rng.permutation(taught), counts, prior))
    return Measured(
        counts=counts,
        came=came,
        random=drawn,
        labels=len(pool.targets),
        seconds=round(time.monotonic() - started, 1),
        at=timezone.now().isoformat(),
    )


def _again(project: Project, pool: Pool, head: Head) -> float | None:
    """One more vote on a labelled picture, in votes on new ones, by the variance each takes from the rest."""
    waiting = Item.objects.filter(project=project, state=Item.State.OPEN, is_holdout=False)
    found = StoredFeatures.objects.filter(
        version=head.feature_version, image_id__in=waiting.order_by("-priority").values("image_id")[:MOST]
    ).values_list("vector", flat=True)
    table = [np.frombuffer(vector, dtype="<f4") for vector in found]
    if not table:
        return None
    rows, known = kernel_features(
        head.standardised(np.stack(table)).astype(np.float32),
        head.standardised(pool.vectors).astype(np.float32),
        np.random.default_rng(SEED),
    )
    worth = votes_worth(rows, known, pool.votes, overlap=max(1, project.overlap))
    return round(worth.again / worth.new, 3) if worth.new > 0 else None


def label_counts(most: int) -> list[int]:
    """Label counts to try: 10, 20, 40, … up to all there are."""
    counts = []
    count = 10
    while count < 0.8 * most:
        counts.append(count)
        count *= 2
    return [*counts, most]


def judged_and_taught(pool: Pool, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """Rows a run is tried on, and rows it learns from.

    Tried on the holdout alone, each run on another resample of it; while that is small, on about a third of
    what there is, products whole.
    """
    holdout = np.flatnonzero(pool.held)
    if len(holdout) >= FEWEST_HOLDOUT:
        return rng.choice(holdout, len(holdout)), np.flatnonzero(~pool.held)
    names = np.unique(pool.groups)
    held = np.isin(pool.groups, rng.permutation(names)[: max(1, round(HELD_BACK * len(names)))])
    return np.flatnonzero(held), np.flatnonzero(~held)


def _run(pool: Pool, held: Indices, order: Indices, counts: Sequence[int], prior: Head) -> list[float]:
    """SRCC on the rows held back after the first 10, 20, … rows of ``order``."""
    found = []
    for count in counts:
        rows = order[:count]
        head = fit_head(
            vectors=pool.vectors[rows],
            overall=pool.targets[rows],
            weights=pool.weights[rows],
            prior=prior,
            feature_version=prior.feature_version,
        )
        found.append(round(float(srcc(head.predict(pool.vectors[held]).overall, pool.targets[held])), 4))
    return found


def _pool(project: Project, *, feature_version: str) -> Pool:
    """Finished labels that have features, the newest MOST of them, oldest first; two queries."""
    labels = list(
        finished_labels(project=project)
        .select_related("item__image__product")
        .order_by("-settled_at", "-pk")[:MOST]
    )[::-1]
    vectors = dict(
        StoredFeatures.objects.filter(
            version=feature_version, image_id__in=[label.item.image_id for label in labels]
        ).values_list("image_id", "vector")
    )
    labels = [label for label in labels if label.item.image_id in vectors]
    table = [np.frombuffer(vectors[label.item.image_id], dtype="<f4") for label in labels]
    stds = [max(label.std_error * POINTS_PER_VOTE, SUREST_POINTS) for label in labels]
    return Pool(
        vectors=np.stack(table) if table else np.zeros((0, 0), dtype=np.float32),
        targets=np.array([label.mos_score for label in labels]),
        weights=np.array([1 / std**2 for std in stds]),
        groups=np.array([str(label.item.image.product_id) for label in labels]),
        votes=np.array([max(1, label.vote_count) for label in labels], dtype=np.float64),
        held=np.array([label.item.is_holdout for label in labels], dtype=bool),
    )


@dataclass(frozen=True, slots=True)
class Cost:
    """What labels cost in time. ``seconds_per_label``: seconds of a vote times votes for a finished label."""

    votes: int
    labels: int
    seconds_per_vote: float
    votes_per_label: float

    @property
    def seconds_per_label(self) -> float:
        """Seconds of people's time in one finished label."""
        return self.seconds_per_vote * self.votes_per_label

    @property
    def seconds(self) -> float:
        """Seconds of people's time so far."""
        return self.votes * self.seconds_per_vote

    @property
    def hours(self) -> float:
        """Hours of people's time so far."""
        return self.seconds / 3600


LONGEST_VOTE_MS = 120_000  # beyond it somebody went for coffee


def cost_of(*, project: Project) -> Cost:
    """Time spent on the project's labels, from the votes' own clocks; two queries."""
    told = Annotation.objects.filter(
        item__project=project, is_withdrawn=False, duration_ms__gt=0, duration_ms__lte=LONGEST_VOTE_MS
    ).aggregate(votes=Count("id"), mean=Avg("duration_ms"))
    labels = finished_labels(project=project).aggregate(labels=Count("id"), votes=Avg("vote_count"))
    return Cost(
        votes=told["votes"],
        labels=labels["labels"],
        seconds_per_vote=(told["mean"] or 0.0) / 1000,
        votes_per_label=labels["votes"] or float(project.overlap),
    )


def _key(project: Project, word: str) -> str:
    return f"learning:{project.pk}:{word}"
