"""Station 7, dataset, on the way out: a frozen version in one of FORMS, streamed from the database.

Who may take it and how it becomes a file that waits to be fetched is the people's room's business
(labeling/export.py).
"""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import IO, cast

from scoring.core import exports
from scoring.core.croissant import croissant
from scoring.core.exports import ExportRow
from scoring.core.hub import SPLIT_NAMES, dataset_card, parquet_name, write_parquet
from scoring.dataset import split_counts
from scoring.errors import BadInputError
from scoring.models import DatasetRow, DatasetVersion

BATCH = 2000
CSV_IN_ARCHIVE = "labels.csv"
SPOOL_BYTES = 8 * 2**20  # of what has to wait, before it goes to disk

Tick = Callable[[int], None]  # told how many rows are written; may raise to stop
Rows = Iterator[ExportRow]


def dataset_export(*, dataset: DatasetVersion, form: str, out: IO[bytes], tick: Tick | None = None) -> int:
    """Write a version in one of FORMS; returns rows written. ``tick`` hears of every batch."""
    if form not in FORMS:
        raise BadInputError(f"Unknown form {form!r}; there are {', '.join(FORMS)}.", code="unknown_format")
    return FORMS[form](dataset, out, tick or _nobody_listens)


def _nobody_listens(count: int) -> None:
    """Nobody wants to know how far it is."""


def export_rows(dataset: DatasetVersion, *, split: str = "") -> Rows:
    """Rows of a version (of one split) in image order with what they show, in one query."""
    found = DatasetRow.objects.filter(dataset=dataset)
    rows = found.filter(split=split) if split else found
    rows = rows.select_related("image", "image__product").order_by("image_id")
    for row in rows.iterator(chunk_size=BATCH):
        image, product = row.image, row.image.product
        yield ExportRow(
            image_id=image.pk,
            digest=image.digest,
            file_name=image.stored_name,
            width=image.width,
            height=image.height,
            product_id=product.external_id,
            title=product.title,
            category=row.category,
            seller=product.seller,
            split=row.split,
            target_score=row.target_score,
            target_std=row.target_std,
            weight=row.weight,
            vote_count=row.vote_count,
            histogram=tuple(row.histogram),
            dimensions=row.dimensions,
            defects=row.defects,
        )


def ticked(rows: Iterable[ExportRow], tick: Tick, *, before: int = 0) -> Rows:
    """The same rows; after each batch somebody hears how many have gone by, ``before`` included."""
    count = before
    for count, row in enumerate(rows, start=before + 1):
        yield row
        if count % BATCH == 0:
            tick(count)
    tick(count)


@contextmanager
def text_of(out: IO[bytes]) -> Iterator[IO[str]]:
    """The file as text; it stays open afterwards."""
    text = io.TextIOWrapper(cast("IO[bytes]", _Unseekable(out)), encoding="utf-8", newline="")
    yield text
    text.flush()
    text.detach()


class _Unseekable(io.RawIOBase):
    """A file that is only written to, whatever it is: a pipe, a member of an archive, a file on disk."""

    def __init__(self, out: IO[bytes]) -> None:
        self.out = out

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.out.write(data)
        return len(data)


def _csv(dataset: DatasetVersion, out: IO[bytes], tick: Tick) -> int:
    with text_of(out) as text:
        return exports.write_csv(ticked(export_rows(dataset), tick), text)


def _json_lines(dataset: DatasetVersion, out: IO[bytes], tick: Tick) -> int:
    with text_of(out) as text:
        return exports.write_json_lines(ticked(export_rows(dataset), tick), text)


def _label_studio(dataset: DatasetVersion, out: IO[bytes], tick: Tick) -> int:
    with text_of(out) as text:
        return exports.write_label_studio(ticked(export_rows(dataset), tick), text)


def _coco(dataset: DatasetVersion, out: IO[bytes], tick: Tick) -> int:
    with text_of(out) as text, tempfile.SpooledTemporaryFile(SPOOL_BYTES, mode="w+") as spool:
        rows = ticked(export_rows(dataset), tick)
        return exports.write_coco(rows, text, name=dataset.name, spool=cast("IO[str]", spool))


def _parquet(dataset: DatasetVersion, out: IO[bytes], tick: Tick) -> int:
    """A zip that unpacks to what the hub expects: data/*.parquet by split, and README.md."""
    count = 0
    with zipfile.ZipFile(out, "w") as archive:
        for split, rows in split_counts(dataset).items():
            if split in SPLIT_NAMES and rows:
                with archive.open(parquet_name(split), "w", force_zip64=True) as file:
                    source = ticked(export_rows(dataset, split=split), tick, before=count)
                    count += write_parquet(source, file)
        card = dataset_card(
            name=dataset.name, digest=dataset.digest, note=dataset.note, rows=split_counts(dataset)
        )
        archive.writestr("README.md", card)
    return count


def _croissant(dataset: DatasetVersion, out: IO[bytes], tick: Tick) -> int:
    """A zip of the CSV and of the metadata that describes it."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open(CSV_IN_ARCHIVE, "w", force_zip64=True) as file:
            hashed = _Hashed(file)
            count = _csv(dataset, cast("IO[bytes]", hashed), tick)
        told = croissant(
            name=dataset.name,
            description=dataset.note or "Quality labels of product pictures, given by people.",
            digest=hashed.sum.hexdigest(),
            csv_name=CSV_IN_ARCHIVE,
            url=f"urn:sha256:{dataset.digest}",
            published=dataset.created_at.date().isoformat(),
        )
        archive.writestr("croissant.json", json.dumps(told, ensure_ascii=False, indent=1))
    return count


class _Hashed:
    """A file that knows the SHA-256 of what was written to it."""

    def __init__(self, out: IO[bytes]) -> None:
        self.out, self.sum = out, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sum.update(data)
        return self.out.write(data)


FORMS: dict[str, Callable[[DatasetVersion, IO[bytes], Tick], int]] = {
    "csv": _csv,
    "jsonl": _json_lines,
    "label-studio": _label_studio,
    "coco": _coco,
    "parquet": _parquet,
    "croissant": _croissant,
}
