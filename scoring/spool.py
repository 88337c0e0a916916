"""Uploads on their way in: kept chunk by chunk under names of our own, never whole in memory.

The name a browser gives a file is only shown, never used as a path.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import timedelta
from typing import IO

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext

from scoring.archive import PICTURE_CAP, TOTAL_CAP, shown_name
from scoring.archive import REASONS as ARCHIVE_REASONS
from scoring.errors import BadInputError, TooLargeError
from scoring.models import ImportJob, ImportRow
from scoring.rows import BYTE_CAP as TABLE_CAP
from scoring.rows import REASONS as TABLE_REASONS
from scoring.storage import file_take, folder_drop

Upload = tuple[str, bytes | IO[bytes]]  # name to show, content
Kind = ImportJob.Kind
REFERENCE_CHARS = 200
SWEPT_AT_ONCE = 500
ENDED = (ImportJob.State.DONE, ImportJob.State.CANCELLED, ImportJob.State.FAILED)


def spool_name(job_id: int, position: int) -> str:
    """Where bytes of an import wait until a worker takes them; position 0 is its archive or table."""
    return f"{spool_folder(job_id)}/{position}"


def spool_folder(job_id: int) -> str:
    """Where everything that was sent for an import lies."""
    return f"spool/{job_id}"


def upload_name(name: str) -> str:
    """The file name to show people: no folders, no characters that disguise or that cannot be stored."""
    plain = name.encode("utf-8", "replace").decode("utf-8")
    last = plain.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    return shown_name(last)[-REFERENCE_CHARS:].strip() or "?"


def byte_cap_of(kind: str) -> int:
    """Bytes at most of the one file an import of this kind is made from, or of each of its pictures."""
    if kind == Kind.ARCHIVE:
        return TOTAL_CAP
    return TABLE_CAP if kind in (Kind.TABLE, Kind.URLS) else PICTURE_CAP


def source_spool(job: ImportJob, upload: Upload) -> str:
    """Keep the archive or table a job is made from; returns what its ``source`` says.

    Raises TooLargeError, and BadInputError for an empty file.
    """
    name, content = upload
    taken = file_take(spool_name(job.pk, 0), _stream(content), byte_cap=byte_cap_of(job.kind))
    if taken is None:
        reason = (
            ARCHIVE_REASONS["total_too_large"] if job.kind == Kind.ARCHIVE else TABLE_REASONS["too_large"]
        )
        raise TooLargeError(reason)
    if taken == 0:
        raise BadInputError(gettext("The file is empty."), code="empty_file")
    return f"spool:{upload_name(name)}"


def pictures_spool(job: ImportJob, uploads: Sequence[Upload], *, after: int) -> None:
    """Keep pictures and list their rows from position ``after`` + 1; one that is too large is refused."""
    rows = []
    for position, (name, content) in enumerate(uploads, start=after + 1):
        taken = file_take(spool_name(job.pk, position), _stream(content), byte_cap=PICTURE_CAP)
        row = ImportRow(job=job, position=position, reference=upload_name(name))
        if taken is None:
            row.state, row.code = ImportRow.State.REFUSED, "too_large"
            row.reason = ARCHIVE_REASONS["too_large"]
        rows.append(row)
    ImportRow.objects.bulk_create(rows)


def is_spooled(job: ImportJob) -> bool:
    """Whether the job works on what a browser or a program sent."""
    return job.kind == Kind.UPLOAD or job.source.startswith("spool:")


def spool_sweep() -> dict[str, int]:
    """Drop what was sent for imports that ended long enough ago; until then a job can be taken up again."""
    edge = timezone.now() - timedelta(days=settings.UPLOAD_DAYS)
    ended = ImportJob.objects.filter(is_spool_kept=True, finished_at__lt=edge)
    jobs = [job for job in ended.order_by("pk")[:SWEPT_AT_ONCE] if job.state in ENDED]
    for job in jobs:
        if is_spooled(job):
            folder_drop(spool_folder(job.pk))
    ids = [job.pk for job in jobs]
    return {"swept": ImportJob.objects.filter(pk__in=ids, state__in=ENDED).update(is_spool_kept=False)}


def _stream(content: bytes | IO[bytes]) -> IO[bytes]:
    return io.BytesIO(content) if isinstance(content, bytes) else content
