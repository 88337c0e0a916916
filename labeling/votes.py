"""Votes as a file: one line per vote that counts, of a project or of those a dataset version is made of."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import IO, Any

from django.db.models import F, Func, QuerySet

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
VOTE_COLUMNS = (*FIELDS, *(str(name) for name in (*Dimension, *Defect)))
DEFECT_CELLS = {True: 1, False: 0}


def votes_of_project(project: Project) -> QuerySet[Annotation]:
    """Every live vote: corrected and withdrawn ones are left out."""
    return live_annotations().filter(item__project=project)


def votes_of_version(dataset: DatasetVersion) -> QuerySet[Annotation]:
    """The votes the frozen labels were made of, as they stood; superseded since or not."""
    rows = DatasetRow.objects.filter(dataset=dataset)
    each = rows.annotate(vote=Func(F("votes"), function="unnest")).values("vote")
    return Annotation.objects.filter(pk__in=each)


def votes_write(*, votes: QuerySet[Annotation], out: IO[bytes], tick: Tick) -> int:
    """Votes as CSV in the order they were given, streamed; returns how many."""
    count = 0
    with text_of(out) as text:
        writer = csv.writer(text)
        writer.writerow(VOTE_COLUMNS)
        for count, cells in enumerate(_lines(votes), start=1):
            writer.writerow(cells)
            if count % BATCH == 0:
                tick(count)
    tick(count)
    return count


def _lines(votes: QuerySet[Annotation]) -> Iterator[list[object]]:
    found = votes.order_by("pk").values_list(*FIELDS.values(), "dimensions", "defects")
    for *plain, dimensions, defects in found.iterator(chunk_size=BATCH):
        yield [
            *map(_cell, plain),
            *(dimensions.get(str(name), "") for name in Dimension),
            *(DEFECT_CELLS.get(defects.get(str(name)), "") for name in Defect),
        ]


def _cell(value: Any) -> object:
    if isinstance(value, bool):
        return int(value)
    return value.isoformat() if hasattr(value, "isoformat") else safe_cell(value)
