"""Station 3, queue: in what order images are handed out.

A stored priority, computed off the request: one read of the open items, one choice of a batch by active
learning, bulk UPDATEs of the priorities that moved. Rows somebody holds at that moment are passed over
and come right the next time, so that nobody waits for a lease.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
from django.core.cache import cache
from django.db import connection, transaction
from django.db.models import Count, Max, Q
from django.utils import timezone

from labeling.again import again_open
from labeling.core.priority import (
    Waiting,
    drawn_among,
    draws_by_quota,
    draws_of,
    priorities,
    priorities_by_draw,
    random_rows,
    set_apart_rows,
)
from labeling.fill import SPLIT_SEED, queue_fill
from labeling.holdout import holdout_slots_open
from labeling.models import Item, Project
from labeling.reasons import reasons_keep
from labeling.rules import quotas_of
from scoring.core.acquire import BatchRules, Pool, Strategy, Taught, choose
from scoring.core.herding import Standing
from scoring.core.nearness import near_rows
from scoring.core.splits import TRAIN, teaching_split
from scoring.core.types import FloatArray
from scoring.models import ModelVersion
from scoring.models.score import EMBEDDING_SIZE
from scoring.registry import head_of, serving

__all__ = ["SPLIT_SEED", "queue_fill", "queue_reorder", "queues_renew", "reorder_due"]

Order = Project.Order

BATCH = 400  # chosen by active learning at a time; beyond it uncertainty is order enough
RANDOM_SHARE = 0.2
MOST_CANDIDATES, MOST_TAUGHT = 6000, 3000
FEWEST_WRITTEN, MOST_WRITTEN = 50, 2000
NEW_LABELS, NEW_ITEMS_SHARE = 50, 0.1  # what makes an order old
STALE_AFTER = timedelta(minutes=10)
LOCK_SECONDS = 300

OPEN_ITEMS = """
SELECT t.id, t.image_id, t.priority, t.is_holdout, p.seller, p.external_id, p.category, s.overall_std,
       (SELECT count(*) FROM labeling_assignment a WHERE a.item_id = t.id AND a.state = 'submitted')
FROM labeling_item t
JOIN scoring_image i ON i.id = t.image_id
JOIN scoring_product p ON p.id = i.product_id
JOIN scoring_score s ON s.image_id = t.image_id AND s.model_id = %(model)s
WHERE t.project_id = %(project)s AND (t.state = 'open' OR (t.is_holdout AND t.state = 'settled' AND EXISTS (
  SELECT 1 FROM labeling_assignment a WHERE a.item_id = t.id AND a.state IN ('free', 'leased'))))
ORDER BY t.id
"""

# An embedding as it lies in the database, four-byte numbers behind a head of four bytes: its text takes as
# long to read as all the rest.
VECTORS = """
SELECT image_id, vector, substring(vector_send(embedding) FROM 5)
FROM scoring_storedfeatures WHERE version = %(version)s AND image_id = ANY(%(ids)s)
"""

WRITE = """
WITH wanted AS (
  SELECT * FROM unnest(%(ids)s::bigint[], %(priorities)s::float8[]) AS w (id, priority)
), items AS (
  SELECT t.id, w.priority FROM labeling_item t JOIN wanted w ON w.id = t.id
  ORDER BY t.id FOR UPDATE OF t SKIP LOCKED
), slots AS (
  SELECT a.id, i.priority FROM labeling_assignment a JOIN items i ON i.id = a.item_id
  WHERE a.state IN ('free', 'leased') ORDER BY a.id FOR UPDATE OF a SKIP LOCKED
), moved AS (
  UPDATE labeling_assignment AS a SET priority = s.priority FROM slots s
  WHERE a.id = s.id AND a.priority IS DISTINCT FROM s.priority
)
UPDATE labeling_item AS t SET priority = i.priority FROM items i WHERE t.id = i.id
"""


@dataclass(frozen=True, slots=True)
class OpenItems:
    """Open, scored items of a project in order of id (N), and those held back that still collect votes."""

    ids: list[int]
    image_ids: npt.NDArray[np.int64]
    now: npt.NDArray[np.float64]
    categories: npt.NDArray[np.str_]
    waiting: Waiting


@dataclass(frozen=True, slots=True)
class Vectors:
    """What the network sees of N images: ``vectors`` (N, F) for heads, ``embeddings`` (N, E) for likeness."""

    image_ids: npt.NDArray[np.int64]
    vectors: FloatArray
    embeddings: FloatArray


def queues_renew() -> dict[str, int]:
    """Newly scored images join every live project; queues whose order is old are put in order again."""
    filled = moved = 0
    for project in Project.objects.filter(is_archived=False).order_by("pk"):
        filled += queue_fill(project=project) if project.takes_new_images else 0
        holdout_slots_open(project=project)
        if reorder_due(project=project):
            moved += queue_reorder(project=project)
    return {"filled": filled, "moved": moved}


def reorder_due(*, project: Project) -> bool:
    """Whether another model shows, labels or images came in, or the order was chosen anew; one query."""
    known: dict[str, Any] | None = cache.get(_cache_key(project))
    if known is None:
        return True
    fresh = _facts(project)
    if fresh["labels"] - known["labels"] >= NEW_LABELS or any(
        fresh[name] != known[name] for name in ("order", "model")
    ):
        return True
    old = timezone.now() - datetime.fromisoformat(known["at"]) > STALE_AFTER
    grown = fresh["items"] - known["items"] > NEW_ITEMS_SHARE * known["items"]
    return grown or (old and fresh["newest"] != known["newest"])


def queue_reorder(*, project: Project) -> int:
    """Put a project's open items in order; returns how many priorities moved. One at a time per project."""
    lock = f"{_cache_key(project)}:lock"
    if not cache.add(lock, 1, timeout=LOCK_SECONDS):
        return 0
    try:
        facts = _facts(project)
        model = serving().displayed
        moved = _reorder(project, model)
        again_open(project=project, model=model)
        cache.set(_cache_key(project), facts, timeout=None)
    finally:
        cache.delete(lock)
    return moved


def _reorder(project: Project, model: ModelVersion) -> int:
    items = _open_items(project, model)
    if not items.ids:
        return 0
    if project.order == Order.RANDOM:
        quotas = quotas_of(project)
        draws = draws_by_quota(items.waiting.draws, items.categories, quotas) if quotas else None
        return _write(items, priorities_by_draw(items.waiting, draws=draws))
    chosen, standings = _batch(project, items, model)
    is_mixed = project.order == Order.MIXED
    drawn = random_rows(items.waiting, chosen=chosen) if is_mixed else set_apart_rows(items.waiting)
    reasons_keep(
        project=project,
        herded={items.ids[row]: each for row, each in zip(chosen, standings, strict=False)},
        drawn=[items.ids[row] for row in drawn_among(chosen, drawn, share=RANDOM_SHARE)],
    )
    return _write(items, priorities(items.waiting, chosen=chosen, drawn=drawn, random_share=RANDOM_SHARE))


def _facts(project: Project) -> dict[str, Any]:
    """What an order depends on."""
    told = Item.objects.filter(project=project).aggregate(
        items=Count("id"), newest=Max("id"), labels=Count("id", filter=~Q(state=Item.State.OPEN))
    )
    rules = [str(project.order), str(project.asks_again), sorted(quotas_of(project).items())]
    order = {"order": str(rules), "model": serving().displayed_id}
    return {**told, **order, "at": timezone.now().isoformat()}


def _open_items(project: Project, model: ModelVersion) -> OpenItems:
    with connection.cursor() as cursor:
        cursor.execute(OPEN_ITEMS, {"project": project.pk, "model": model.pk})
        rows = cursor.fetchall()
    ids = [row[0] for row in rows]
    is_held = np.array([row[3] for row in rows], dtype=bool)
    votes = np.array([row[8] for row in rows], dtype=np.int64)
    return OpenItems(
        ids=ids,
        image_ids=np.array([row[1] for row in rows], dtype=np.int64),
        now=np.array([row[2] for row in rows], dtype=np.float64),
        categories=np.array([row[6] for row in rows], dtype=np.str_),
        waiting=Waiting(
            stds=np.array([row[7] for row in rows], dtype=np.float64),
            draws=draws_of(ids),
            is_begun=(votes > 0) & ~is_held,  # held back, it keeps its pace
            at_random=is_held | np.array([_calibrates(row[4], row[5]) for row in rows], dtype=bool),
            is_held=is_held,
            votes=votes,
        ),
    )


def _calibrates(seller: str, external_id: str) -> bool:
    """Whether a product's pictures calibrate the model instead of teaching it."""
    return teaching_split(f"{seller}/{external_id}", seed=SPLIT_SEED) != TRAIN


def _batch(
    project: Project, items: OpenItems, model: ModelVersion
) -> tuple[npt.NDArray[np.int64], list[Standing]]:
    """Rows active learning would ask about next, best first, and what each stands for; never what the model
    is judged on."""
    rng = np.random.default_rng([project.pk, model.pk])
    rows = np.flatnonzero(~items.waiting.is_begun & ~items.waiting.at_random)
    waiting = len(rows)
    rows = _candidates(rows, items.categories, quotas_of(project), rng)
    of_all = waiting / max(1, len(rows))  # a picture drawn for a look has so many behind it
    mine = _vectors(model, items.image_ids[rows].tolist())
    rows = rows[np.isin(items.image_ids[rows], mine.image_ids)]
    known = _vectors(model, _taught_images(project, rng))
    strategy = Strategy.UNCERTAINTY if project.order == Order.UNCERTAINTY else Strategy.HERDING
    features, taught = (near_rows(head_of(model).standardised(each.vectors)) for each in (mine, known))
    pool = Pool(features, mine.embeddings, items.waiting.stds[rows], items.categories[rows])
    told = Taught(taught, known.embeddings)
    rules = BatchRules(quotas=quotas_of(project))
    made = choose(pool, count=BATCH, strategy=strategy, rng=rng, taught=told, rules=rules)
    standings = [replace(one, others=one.others * of_all, akin=one.akin * of_all) for one in made.standings]
    return rows[made.rows], standings


def _candidates(
    rows: npt.NDArray[np.int64],
    categories: npt.NDArray[np.str_],
    quotas: Mapping[str, float],
    rng: np.random.Generator,
) -> npt.NDArray[np.int64]:
    """Rows drawn for a closer look where there are too many; enough of each category that has a quota."""
    if len(rows) <= MOST_CANDIDATES:
        return rows
    order = rng.permutation(rows)
    drawn = order[:MOST_CANDIDATES]
    of_quotas = [order[categories[order] == name][:BATCH] for name in quotas]
    return np.unique(np.concatenate([drawn, *of_quotas]))


def _taught_images(project: Project, rng: np.random.Generator) -> list[int]:
    """Images that have votes or are in somebody's hands, drawn where they are many; none the model is judged
    on."""
    taken = Item.objects.filter(project=project, is_holdout=False).filter(
        ~Q(state=Item.State.OPEN) | Q(assignments__state__in=["leased", "submitted"])
    )
    known = list(taken.order_by("pk").distinct().values_list("image_id", flat=True))
    drawn = rng.permutation(len(known))[:MOST_TAUGHT]
    return [known[row] for row in np.sort(drawn).tolist()]


def _vectors(model: ModelVersion, image_ids: Sequence[int]) -> Vectors:
    """Features of those images that have them, in the order asked for."""
    with connection.cursor() as cursor:
        cursor.execute(VECTORS, {"version": model.feature_version, "ids": list(image_ids)})
        rows = {row[0]: row for row in cursor.fetchall()}
    there = [rows[pk] for pk in image_ids if pk in rows]
    width = len(head_of(model).mean)
    return Vectors(
        np.array([row[0] for row in there], dtype=np.int64),
        np.frombuffer(b"".join(row[1] for row in there), dtype="<f4").reshape(len(there), width),
        np.frombuffer(b"".join(row[2] for row in there), dtype=">f4")
        .reshape(len(there), EMBEDDING_SIZE)
        .astype(np.float32),
    )


def _write(items: OpenItems, wanted: npt.NDArray[np.float64]) -> int:
    """Write the priorities that moved, in short transactions."""
    moved = np.flatnonzero(wanted != items.now)
    # A lease passes over locked rows: in a small project never lock all of them at once.
    chunk = min(MOST_WRITTEN, max(FEWEST_WRITTEN, len(moved) // 10))
    for start in range(0, len(moved), chunk):
        rows = moved[start : start + chunk]
        told = {"ids": [items.ids[row] for row in rows], "priorities": wanted[rows].tolist()}
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(WRITE, told)
    return len(moved)


def _cache_key(project: Project) -> str:
    return f"queue-order:{project.pk}"
