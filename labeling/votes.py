"""Votes as a file: one line per vote that counts, of a project or of those a dataset version is made of."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from typing import IO, Any

from django.db.models import Count, F, Func, QuerySet

from labeling.annotate import live_annotations
from labeling.models import Annotation, Project
from scoring.core.exports import safe_cell
from scoring.core.types import Defect, Dimension
from scoring.export import BATCH, Tick, text_of
from scoring.models import DatasetRow, DatasetVersion

# column: where it stands
FIELDS = {
    "vote": "pk",
    "image": "item__image_id",
    "digest": "item__image__digest",
    "product_id": "item__image__product__external_id",
    "rater": "rater__username",
    "rating": "rating",
    "accepted": "is_accepted",
    "shown_score": "shown_score",
    "planted": "is_planted",
    "duration_ms": "duration_ms",
    "given_at": "created_at",
    "note": "note",
}
DIMENSIONS, DEFECTS = [str(name) for name in Dimension], [str(name) for name in Defect]
VOTE_COLUMNS = (*FIELDS, *DIMENSIONS, *DEFECTS)
DEFECT_CELLS = {True: 1, False: 0}


def votes_of_project(project: Project) -> list[int]:
    """Every live vote, by id: corrected and withdrawn ones are left out."""
    return _ids(live_annotations().filter(item__project=project))


def votes_of_version(dataset: DatasetVersion) -> list[int]:
    """The votes the frozen labels were made of, as they stood; superseded since or not."""
    rows = DatasetRow.objects.filter(dataset=dataset)
    each = rows.annotate(vote=Func(F("votes"), function="unnest")).values("vote")
    return _ids(Annotation.objects.filter(pk__in=each))


def voters_of_version(dataset: DatasetVersion) -> list[tuple[str, int]]:
    """Who gave how many of the votes a version was made of, the most first."""
    ids = Annotation.objects.filter(pk__in=votes_of_version(dataset))
    counted = ids.order_by().values_list("rater__username").annotate(votes=Count("pk"))
    return sorted(counted, key=lambda row: (-row[1], row[0]))


def _ids(votes: QuerySet[Annotation]) -> list[int]:
    return list(votes.order_by("pk").values_list("pk", flat=True))


def votes_write(*, ids: Sequence[int], out: IO[bytes], tick: Tick) -> int:
    """Votes as CSV in the order of ``ids``, some thousand in memory at a time; returns how many."""
    with text_of(out) as text:
        writer = csv.writer(text)
        writer.writerow(VOTE_COLUMNS)
        for start in range(0, len(ids), BATCH):
            writer.writerows(_lines(ids[start : start + BATCH]))
            tick(min(start + BATCH, len(ids)))
    return len(ids)


def _lines(ids: Sequence[int]) -> Iterator[list[object]]:
    """Asked for by id: a cursor over all votes makes PostgreSQL take a plan that is slow in the whole."""
    found = Annotation.objects.filter(pk__in=ids).order_by("pk")
    for *plain, dimensions, defects in found.values_list(*FIELDS.values(), "dimensions", "defects"):
        yield [
            *map(_cell, plain),
            *(dimensions.get(name, "") for name in DIMENSIONS),
            *(DEFECT_CELLS.get(defects.get(name), "") for name in DEFECTS),
        ]


def _cell(value: Any) -> object:
    if isinstance(value, bool):
        return int(value)
    return value.isoformat() if hasattr(value, "isoformat") else safe_cell(value)
