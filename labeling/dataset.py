"""Station 7, dataset: finished labels become a frozen version that models learn from.

The machine's room owns the shape of a row (``scoring.dataset.FrozenRow``); this side says which labels
are finished and how sure they are. Freezing the same labels twice gives the same version.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _

from labeling.models import Consensus, Item, Project
from labeling.ordering import SPLIT_SEED
from labeling.panel import counted_annotations
from labeling.permissions import Role, require_role
from scoring.core.types import ACR_HIGH, ACR_LOW, score_from_vote
from scoring.dataset import FrozenRow, dataset_store
from scoring.errors import BadInputError
from scoring.models import DatasetVersion

FINISHED = (Item.State.SETTLED, Item.State.APPROVED)
POINTS_PER_VOTE = 100.0 / (ACR_HIGH - ACR_LOW)
SUREST_POINTS = 2.0  # no label is surer than two score points, however many people agree
DIGITS = 4


def labels_ready(*, project: Project) -> int:
    """Finished labels of the project: settled by votes or approved by a reviewer, picture not hidden."""
    return finished_labels(project=project).count()


def finished_labels(*, project: Project) -> QuerySet[Consensus]:
    """Labels a freeze would take; rejected, flagged and open items stay out."""
    return Consensus.objects.filter(
        item__project=project, item__state__in=FINISHED, item__image__is_hidden=False
    )


def dataset_freeze(*, project: Project, by: User | None, name: str = "", note: str = "") -> DatasetVersion:
    """Freeze the finished labels; the same labels give the version that already holds them.

    Admins only; ``by`` None is the system. Without a name the version is called v1, v2, ….
    """
    if by is not None:
        require_role(by, project, Role.ADMIN)
    rows = frozen_rows(project=project)
    if not rows:
        raise BadInputError(_nothing_yet(project), code="no_labels")
    return dataset_store(
        name=name.strip()[:100] or _next_name(), rows=rows, split_seed=SPLIT_SEED, note=note, created_by=by
    )


def frozen_rows(*, project: Project) -> list[FrozenRow]:
    """Finished labels as plain rows in image order, in two queries.

    Votes that came after a label was reckoned are not among those it is said to be made of.
    """
    labels = (
        finished_labels(project=project).select_related("item__image__product").order_by("item__image_id")
    )
    votes: dict[int, list[int]] = {}
    for item_id, vote in _votes(project):
        votes.setdefault(item_id, []).append(vote)
    return [_row(label, tuple(votes.get(label.item_id, ())[: label.vote_count])) for label in labels]


def _votes(project: Project) -> Iterable[tuple[int, int]]:
    """Items of the project with the votes that make their labels."""
    counted = counted_annotations().filter(item__project=project)
    return counted.order_by("pk").values_list("item_id", "pk").iterator()


def _row(label: Consensus, votes: tuple[int, ...]) -> FrozenRow:
    item, product = label.item, label.item.image.product
    std = max(label.std_error * POINTS_PER_VOTE, SUREST_POINTS)
    return FrozenRow(
        image_id=item.image_id,
        group=f"{product.seller}/{product.external_id}",
        category=product.category,
        target_score=round(label.mos_score, DIGITS),
        target_std=round(std, DIGITS),
        weight=round(1.0 / std**2, 6),
        vote_count=label.vote_count,
        histogram=tuple(label.histogram),
        dimensions={name: score_from_vote(vote) for name, vote in _rounded(label.dimensions).items()},
        defects=_rounded(label.defects),
        is_holdout=item.is_holdout,
        votes=votes,
    )


def _rounded(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: round(float(value), DIGITS) for name, value in sorted(values.items())}


def _next_name() -> str:
    """v1, v2, …: the first number no version has taken."""
    taken = set(DatasetVersion.objects.filter(name__startswith="v").values_list("name", flat=True))
    number = len(taken) + 1
    while f"v{number}" in taken:
        number += 1
    return f"v{number}"


def _nothing_yet(project: Project) -> str:
    """Why there is nothing to freeze, in words that say what to do."""
    told = Item.objects.filter(project=project).aggregate(
        voted=Count("id", filter=Q(annotations__isnull=False), distinct=True),
        flagged=Count("id", filter=Q(state=Item.State.FLAGGED), distinct=True),
    )
    if told["flagged"]:
        return _("No label is finished yet; {flagged} pictures wait for a reviewer.").format(**told)
    if told["voted"]:
        return _("No label is finished yet: each picture needs {votes} votes.").format(votes=project.overlap)
    return _("Nobody has voted yet. Label some pictures first.")
