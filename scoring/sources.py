"""Where the rows of an import come from and how their bytes are read again by any worker."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol

from django.utils.translation import gettext

from scoring.archive import Archive, read_inside, walk_folder
from scoring.errors import BadInputError, NotThereError
from scoring.fetch import fetch_picture
from scoring.models import ImportJob, ImportRow
from scoring.rows import ImportRecord, parse_rows
from scoring.spool import spool_name, upload_name
from scoring.storage import file_bytes, file_drop, file_open

Kind = ImportJob.Kind
SAMPLE_COUNT = 120
DIGEST_NAME = re.compile(r"\b([0-9a-f]{64})(?:\.[a-z]+)?$")
TABLE_KINDS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".txt": "urls", ".json": "label-studio"}


class Source(Protocol):
    """A source lists its records once and reads any row's bytes at any time."""

    def records(self) -> Iterator[ImportRecord]: ...

    def read(self, row: ImportRow) -> bytes: ...

    def forget(self, row: ImportRow) -> None: ...


def row_of(record: ImportRecord) -> dict[str, Any]:
    """Row of a record by column; one that cannot be used is refused at once with its reason.

    ``digest`` is the picture's where the row brings labels and its name ends with one, as in our exports.
    """
    refused = record.error is not None
    named = DIGEST_NAME.search(record.reference) if record.told else None
    return {
        "position": record.position,
        "reference": record.reference[:2000],
        "product_id": record.product_id[:200],
        "title": record.title[:500],
        "category": record.category[:200],
        "seller": record.seller[:200],
        "told": [[one.kind, one.who, one.score] for one in record.told],
        "digest": named[1] if named else None,
        "state": ImportRow.State.REFUSED if refused else ImportRow.State.PENDING,
        "code": record.code[:40],
        "reason": (record.error or "")[:500],
    }


@contextmanager
def source_of(job: ImportJob) -> Iterator[Source]:
    """The source of a job, open while it is read."""
    if job.kind == Kind.ARCHIVE:
        with _opened(job) as stream, Archive(stream) as archive:
            yield ArchiveSource(archive)
    elif job.kind == Kind.FOLDER:
        yield FolderSource(job.source)
    elif job.kind in (Kind.TABLE, Kind.URLS):
        yield TableSource(job)
    elif job.kind == Kind.SAMPLE:
        yield SampleSource()
    else:
        yield SpoolSource(job)


class SpoolSource:
    """Files a browser sent, kept until they have been admitted."""

    def __init__(self, job: ImportJob) -> None:
        self.job = job

    def records(self) -> Iterator[ImportRecord]:
        return iter(())

    def read(self, row: ImportRow) -> bytes:
        return file_bytes(spool_name(self.job.pk, row.position))

    def forget(self, row: ImportRow) -> None:
        file_drop(spool_name(self.job.pk, row.position))


class SampleSource:
    """The sample catalogue: planned when it is listed, each picture rendered when its row is read."""

    def __init__(self) -> None:
        from scoring.core import sample

        self.render, self.shots = sample.render, sample.plan_catalogue(count=SAMPLE_COUNT)

    def records(self) -> Iterator[ImportRecord]:
        for position, shot in enumerate(self.shots, start=1):
            yield ImportRecord(
                position=position,
                product_id=shot.product_id,
                title=shot.ware.title,
                category=shot.ware.category,
                seller=shot.seller.name,
                reference=shot.name,
            )

    def read(self, row: ImportRow) -> bytes:
        return self.render(self.shots[row.position - 1])

    def forget(self, row: ImportRow) -> None:
        """Nothing is kept: the picture can be rendered again."""


class FolderSource:
    """Pictures below a folder; the product is the file, the category the folder it lies in."""

    def __init__(self, root: str) -> None:
        self.root = root

    def records(self) -> Iterator[ImportRecord]:
        for position, (name, _) in enumerate(walk_folder(self.root), start=1):
            path = PurePosixPath(name)
            is_text = name.isprintable()  # else the name is no UTF-8, or would break lines and tables
            yield ImportRecord(
                position=position,
                product_id=str(path.with_suffix(""))[-200:] if is_text else "",
                title=path.stem[:500] if is_text else "",
                category=path.parent.name[:200] if is_text else "",
                seller="",
                reference=name if is_text else upload_name(name),
                code="" if is_text else "bad_name",
                error=None if is_text else gettext("The name of the file cannot be kept; rename it."),
            )

    def read(self, row: ImportRow) -> bytes:
        return read_inside(self.root, row.reference)

    def forget(self, row: ImportRow) -> None:
        """The folder is the user's: nothing is removed."""


class ArchiveSource:
    """Pictures in a zip; a row's position is its place in the central directory plus one."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive

    def records(self) -> Iterator[ImportRecord]:
        for entry in self.archive.entries():
            path = PurePosixPath(entry.name.replace("\\", "/"))
            yield ImportRecord(
                position=entry.position + 1,
                product_id=str(path.with_suffix(""))[-200:] if path.name else "",
                title=path.stem[:500],
                category=path.parent.name[:200],
                seller="",
                reference=entry.name[-2000:],
            )

    def read(self, row: ImportRow) -> bytes:
        return self.archive.read(row.position - 1)

    def forget(self, row: ImportRow) -> None:
        """The archive is dropped as a whole, not by row."""


class TableSource:
    """Rows of a table; a picture is an address, or a path beside a table on this machine."""

    def __init__(self, job: ImportJob) -> None:
        self.job = job
        uploaded = job.source.startswith("spool:") or not job.source
        self.folder = None if uploaded else str(Path(job.source).resolve().parent)

    def records(self) -> Iterator[ImportRecord]:
        name = self.job.source.removeprefix("spool:")
        kind = "urls" if self.job.kind == Kind.URLS else TABLE_KINDS.get(Path(name).suffix.lower(), "csv")
        with _opened(self.job) as stream:
            return parse_rows(stream, kind)

    def read(self, row: ImportRow) -> bytes:
        if row.reference.lower().startswith(("http://", "https://")):
            return fetch_picture(row.reference)
        if self.folder is None:
            raise BadInputError(
                "A table sent by the browser can only name web addresses.", code="not_an_address"
            )
        return read_inside(self.folder, row.reference)

    def forget(self, row: ImportRow) -> None:
        """Nothing of a table's row is kept."""


def _opened(job: ImportJob) -> IO[bytes]:
    """The file the job was made from: sent by the browser, or on this machine."""
    if job.source.startswith("spool:"):
        return file_open(spool_name(job.pk, 0))
    try:
        return Path(job.source).open("rb")
    except OSError as error:
        raise NotThereError(gettext("There is no such file."), code="no_such_file") from error
