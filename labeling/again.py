"""Station 3, queue: pictures that have their label are asked about once more, where the project wants it.

A vote more on a labelled picture may take more doubt from the whole catalogue than a vote on a new one:
where the new ones left are much like it. Each ordering weighs both by variance per vote (``core/design.py``)
and opens a slot on the pictures where asking again surely wins; never beyond the project's most votes, never
on what the model is judged by, never because nothing else is left. The label stays finished meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet

from labeling.consensus import others_exist, slots_open
from labeling.core.priority import AGAIN
from labeling.locks import item_lock
from labeling.models import Assignment, Consensus, Item, Project
from scoring.core.design import Again, kernel_features, worth_again
from scoring.core.types import FloatArray
from scoring.events import event_note
from scoring.models import ModelVersion, StoredFeatures
from scoring.registry import head_of

AT_ONCE = 20  # slots open at a time: what their votes say changes what is worth asking
MOST_NEW, MOST_KNOWN = 1000, 3000
State, Slot = Item.State, Assignment.State


@dataclass(frozen=True, slots=True)
class Known:
    """Labelled pictures that could have another vote: item ids (M), votes so far, and vectors (M, F)."""

    ids: list[int]
    votes: list[int]
    vectors: FloatArray


def again_open(*, project: Project, model: ModelVersion) -> int:
    """Open a slot where one more vote is worth more than one on a new picture; returns how many."""
    room = AT_ONCE - items_again(project=project).count()
    if project.asks_again != Project.AsksAgain.ACT or room <= 0:
        return 0
    known = _known(project, model)
    opened = 0
    for found in _worth(project, model, known, most=AT_ONCE):
        if opened == room:
            break
        opened += _open(known.ids[found.row], worth=found.worth)
    return opened


def items_again(*, project: Project) -> QuerySet[Item]:
    """Pictures with a finished label that wait for one more vote."""
    return Item.objects.filter(_waiting(), project=project, state=State.SETTLED, is_holdout=False)


def _waiting() -> Exists:
    return Exists(
        Assignment.objects.filter(item_id=OuterRef("pk"), state__in=[Slot.FREE, Slot.LEASED]).order_by()
    )


def _known(project: Project, model: ModelVersion) -> Known:
    """The newest labels that may have another vote and have features."""
    labels = (
        Consensus.objects.filter(
            item__project=project,
            item__state=State.SETTLED,
            item__is_holdout=False,
            item__image__is_hidden=False,
            vote_count__gt=0,
            vote_count__lt=project.max_overlap,
        )
        .order_by("-settled_at", "-pk")
        .values_list("item_id", "item__image_id", "vote_count")[:MOST_KNOWN]
    )
    rows = list(labels)
    vectors = _vectors(model, [row[1] for row in rows])
    rows = [row for row in rows if row[1] in vectors]
    table = [vectors[row[1]] for row in rows]
    return Known([row[0] for row in rows], [row[2] for row in rows], _table(table))


def _worth(project: Project, model: ModelVersion, known: Known, *, most: int) -> list[Again]:
    """Rows of ``known`` to ask about again; none where no new picture waits, for then the work is done."""
    new = Item.objects.filter(project=project, state=State.OPEN, is_holdout=False)
    waiting = new.order_by("-priority").values_list("image_id", flat=True)[:MOST_NEW]
    table = _table(list(_vectors(model, list(waiting)).values()))
    if not len(table) or not known.ids:
        return []
    head = head_of(model)
    rows, others = kernel_features(
        head.standardised(table).astype(np.float32),
        head.standardised(known.vectors).astype(np.float32),
        np.random.default_rng([project.pk, model.pk]),
    )
    return worth_again(rows, others, known.votes, overlap=project.overlap, most=most)


def _vectors(model: ModelVersion, image_ids: Sequence[int]) -> dict[int, FloatArray]:
    stored = StoredFeatures.objects.filter(version=model.feature_version, image_id__in=image_ids)
    return {
        image_id: np.frombuffer(vector, dtype="<f4")
        for image_id, vector in stored.order_by("image_id").values_list("image_id", "vector")
    }


def _table(vectors: Sequence[FloatArray]) -> FloatArray:
    return np.stack(vectors) if vectors else np.zeros((0, 0), dtype=np.float32)


@transaction.atomic
def _open(item_id: int, *, worth: float) -> int:
    """One more slot on a label, asked again under the lock whether it may be; 0 where it may not."""
    item = item_lock(item_id)
    slots = Assignment.objects.filter(item_id=item.pk)
    is_full = slots.filter(state=Slot.SUBMITTED).count() >= item.project.max_overlap
    is_open = slots.filter(state__in=[Slot.FREE, Slot.LEASED]).exists()
    if item.state != State.SETTLED or item.is_holdout or is_full or is_open or not others_exist(item):
        return 0
    item.priority = AGAIN
    Item.objects.filter(pk=item.pk).update(priority=AGAIN, version=F("version") + 1)
    slots_open(item, 1)
    event_note(actor=None, verb="queue.ask_again", target=item, after={"worth": round(worth, 2)})
    return 1
