"""Station 3, queue: which images are in a project.

Pull, not push: the queue reads what is scored. Filling is three bulk statements, so ten thousand
images join in well under a second; ON CONFLICT makes it safe beside itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from labeling.core.gold import planted_score
from labeling.core.priority import by_uncertainty
from labeling.holdout import Newcomer, holdout_draw
from labeling.models import Project

SPLIT_SEED = 0  # the same for every freeze, so that an image never changes sides
FILL_CHUNK = 20_000

NEWCOMERS = """
SELECT i.id, p.id, p.seller, s.overall_std, s.overall_score
FROM scoring_score s
JOIN scoring_image i ON i.id = s.image_id
JOIN scoring_product p ON p.id = i.product_id
WHERE s.model_id = (SELECT displayed_id FROM scoring_serving WHERE id = 1) AND NOT i.is_hidden
  AND (%(only)s::bigint[] IS NULL OR i.id = ANY (%(only)s::bigint[]))
  AND NOT EXISTS (SELECT 1 FROM labeling_item t WHERE t.project_id = %(project)s AND t.image_id = i.id)
ORDER BY i.id LIMIT %(limit)s
"""

INSERT_ITEMS = """
INSERT INTO labeling_item (project_id, image_id, state, priority, is_holdout, version, created_at)
SELECT %(project)s, n.image_id, 'open', n.priority, n.is_holdout, 0, now()
FROM unnest(%(images)s::bigint[], %(priorities)s::float8[], %(holdouts)s::bool[])
  AS n (image_id, priority, is_holdout)
ON CONFLICT DO NOTHING RETURNING id, image_id, priority
"""

INSERT_SLOTS = """
INSERT INTO labeling_assignment (item_id, project_id, slot, state, priority, is_blind, planted_score)
SELECT item_id, %(project)s, slot, 'free', priority, is_blind, planted
FROM unnest(%(items)s::bigint[], %(slots)s::int[], %(priorities)s::float8[], %(blinds)s::bool[],
            %(planted)s::float8[]) AS n (item_id, slot, priority, is_blind, planted)
ON CONFLICT DO NOTHING
"""


def queue_fill(*, project: Project, image_ids: Sequence[int] | None = None) -> int:
    """Every scored, visible image joins the project with its free slots; returns items added.

    ``image_ids`` limits it to those. Before anything is asked of them some are drawn to judge the model by
    (holdout.py): labelled at random and by more people, so that the yardstick is not what the model liked.
    """
    added = 0
    while newcomers := _newcomers(project, image_ids):
        inserted = _insert(project, newcomers)
        added += inserted
        if inserted == 0:  # somebody else added them meanwhile
            break
    return added


def _newcomers(project: Project, image_ids: Sequence[int] | None) -> list[Newcomer]:
    with connection.cursor() as cursor:
        cursor.execute(
            NEWCOMERS,
            {
                "project": project.pk,
                "only": None if image_ids is None else list(image_ids),
                "limit": FILL_CHUNK,
            },
        )
        return [Newcomer(*row) for row in cursor.fetchall()]


@transaction.atomic
def _insert(project: Project, newcomers: Sequence[Newcomer]) -> int:
    held = holdout_draw(project=project, newcomers=newcomers)
    with connection.cursor() as cursor:
        cursor.execute(
            INSERT_ITEMS,
            {
                "project": project.pk,
                "images": [n.image_id for n in newcomers],
                "priorities": by_uncertainty([n.overall_std for n in newcomers]).tolist(),
                "holdouts": held,
            },
        )
        items = cursor.fetchall()
        is_held = {n.image_id: side for n, side in zip(newcomers, held, strict=True)}
        scores = {n.image_id: n.overall_score for n in newcomers}
        told = [(item, priority, is_held[image], scores[image]) for item, image, priority in items]
        _insert_slots(cursor, project, told)
    return len(items)


def _insert_slots(
    cursor: CursorWrapper, project: Project, items: Sequence[tuple[int, float, bool, float]]
) -> None:
    """Free slots of new items. Nobody is told the model's score of a picture the model is judged by."""
    rng = np.random.default_rng()  # who sees which prediction hidden must not be foreseeable
    votes = {True: max(project.overlap, project.holdout_votes), False: project.overlap}
    rows = [
        (item, slot, priority, held, score)
        for item, priority, held, score in items
        for slot in range(1, votes[held] + 1)
    ]
    blind = (rng.random(len(rows)) < project.blind_rate) | np.array([row[3] for row in rows], dtype=bool)
    cursor.execute(
        INSERT_SLOTS,
        {
            "project": project.pk,
            "items": [row[0] for row in rows],
            "slots": [row[1] for row in rows],
            "priorities": [row[2] for row in rows],
            "blinds": blind.tolist(),
            "planted": _planted(project, [row[4] for row in rows], blind, rng),
        },
    )


def _planted(
    project: Project, scores: Sequence[float], blind: npt.NDArray[np.bool_], rng: np.random.Generator
) -> list[float | None]:
    """A wrong number 0-100 for some of the slots that show one, None for the rest."""
    chosen = (rng.random(len(scores)) < project.planted_rate) & ~blind
    return [planted_score(score, rng) if plant else None for score, plant in zip(scores, chosen, strict=True)]
