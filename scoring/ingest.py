"""Station 1, ingest: pictures come in by jobs of rows; each row that fails says why, the rest go in.

The job is begun, added to, stopped and resumed here; its rows are worked on in
``scoring/import_rows.py``. Importing the same thing twice adds nothing twice.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Max, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from scoring.access import require_reached
from scoring.archive import ArchiveRefused
from scoring.errors import BadInputError, ConflictError, StationError
from scoring.events import event_note
from scoring.import_rows import (
    FAULT_WORDS,
    FAULTS,
    LEASE_S,
    PASSING_CODES,
    TASK,
    rows_claim,
    rows_list,
    rows_work,
)
from scoring.locks import import_job_lock, import_reading
from scoring.models import ImportJob, ImportRow
from scoring.outside import rows_resolve
from scoring.rows import ImportRecord, RowsRefused
from scoring.sources import source_of
from scoring.spool import Upload, is_spooled, pictures_spool, source_spool, upload_name
from scoring.wake import wake

log = logging.getLogger(__name__)
TASK_SECONDS = 50.0
READERS = 2  # messages per job: as many workers may share its rows

Kind, State, RowState = ImportJob.Kind, ImportJob.State, ImportRow.State


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """Rows by state, rows a second since the start, seconds left (None while nobody knows)."""

    total: int
    done: int
    duplicate: int
    refused: int
    pending: int
    rate: float
    eta_s: float | None

    @property
    def ended(self) -> int:
        """Rows that were added, known already or refused."""
        return self.total - self.pending

    @property
    def share(self) -> float:
        """Ended share 0-1."""
        return self.ended / self.total if self.total else 0.0


def import_start(
    *,
    kind: str,
    created_by: User | None,
    label: str = "",
    records: Iterable[ImportRecord] = (),
    uploads: Sequence[Upload] = (),
    path: str = "",
    votes_for: int | None = None,
) -> ImportJob:
    """Begin an import. Uploads are kept before the answer; everything else is read by a worker.

    ``uploads`` pairs of file name and bytes or an open stream (for an archive or a table: that one
    file); ``records`` rows already parsed; ``path`` a folder, archive or table on the server, for
    admins only below VITRINE_IMPORT_ROOTS, for the command line anywhere. ``votes_for`` is the project in
    which votes of other tools shall count (labeling/outside.py asks whether the person may).
    """
    require_reached(created_by, "admin")
    if path and created_by is not None:
        path = _below_roots(path)
    label = upload_name(label) if label else ""
    with transaction.atomic():
        job = ImportJob.objects.create(
            kind=kind, created_by=created_by, label=label[:255], source=path, votes_for=votes_for
        )
        if kind in (Kind.ARCHIVE, Kind.TABLE, Kind.URLS) and uploads:
            job.source = source_spool(job, uploads[0])
            job.save(update_fields=["source"])
        elif uploads:
            pictures_spool(job, uploads, after=0)
        rows_list(job, records)
        rows_resolve(job)
        if kind == Kind.UPLOAD or not _is_read_by_worker(job):
            ImportJob.objects.filter(pk=job.pk).update(state=State.RUNNING)
        event_note(actor=created_by, verb="ingest.start", target=job, after={"kind": kind, "label": label})
        _wake(job.pk)
    job.refresh_from_db()
    return job


@transaction.atomic
def import_add(*, job_id: int, uploads: Sequence[Upload], by: User | None) -> ImportJob:
    """Add more files to an upload that the browser sends in several requests."""
    require_reached(by, "admin")
    job = import_job_lock(job_id)
    if job.kind != Kind.UPLOAD or job.state == State.CANCELLED:
        raise ConflictError(_("This import takes no more files."), code="import_closed")
    last = ImportRow.objects.filter(job=job).aggregate(last=Max("position"))["last"] or 0
    pictures_spool(job, uploads, after=last)
    ImportJob.objects.filter(pk=job.pk).update(state=State.RUNNING, finished_at=None)
    _wake(job.pk)
    job.refresh_from_db()
    return job


@transaction.atomic
def import_cancel(*, job_id: int, by: User | None) -> ImportJob:
    """Stop an import; rows that went in stay in, the rest can be resumed."""
    require_reached(by, "admin")
    job = import_job_lock(job_id)
    if job.state in (State.READING, State.RUNNING):
        job.state, job.finished_at = State.CANCELLED, timezone.now()
        job.save(update_fields=["state", "finished_at"])
        event_note(actor=by, verb="ingest.cancel", target=job)
    return job


@transaction.atomic
def import_resume(*, job_id: int, by: User | None) -> ImportJob:
    """Go on with a cancelled or failed import, and try again what was refused for a passing reason."""
    require_reached(by, "admin")
    job = import_job_lock(job_id)
    if not job.is_spool_kept and is_spooled(job):
        raise ConflictError(_("What was sent is no longer kept; send it again."), code="upload_gone")
    passing = ImportRow.objects.filter(job=job, state=RowState.REFUSED, code__in=PASSING_CODES)
    passing.update(state=RowState.PENDING, code="", reason="", attempts=0)
    # A reader may have been stopped half way: listing again keeps the rows there are.
    job.state = State.READING if _is_read_by_worker(job) and job.state != State.DONE else State.RUNNING
    job.finished_at, job.error = None, ""
    job.save(update_fields=["state", "finished_at", "error"])
    event_note(actor=by, verb="ingest.resume", target=job)
    _wake(job.pk)
    return job


def import_run(*, job_id: int, seconds: float = TASK_SECONDS) -> dict[str, int]:
    """Read the rows of a job, then work on them until none is left or time is up. Safe twice."""
    job = ImportJob.objects.filter(pk=job_id).first()
    if job is None or job.state in (State.CANCELLED, State.DONE, State.FAILED):
        return {"job": job_id, "rows": 0}
    if job.state == State.READING and not _read(job):
        return {"job": job_id, "rows": 0}
    until, worked = time.monotonic() + seconds, 0
    with source_of(job) as source:
        while time.monotonic() < until:
            rows = rows_claim(job)
            if not rows:
                _finish(job)
                return {"job": job_id, "rows": worked}
            worked += rows_work(rows, source)
    wake(TASK, job_id)
    return {"job": job_id, "rows": worked}


def _read(job: ImportJob) -> bool:
    """List the rows of the source; a source that cannot be used at all fails the job with its reason."""
    try:
        with import_reading(job.pk) as is_ours:
            if not is_ours:  # whoever reads it wakes us when there are rows to work on
                return False
            with source_of(job) as source:
                rows_list(job, source.records())
            rows_resolve(job)
    except (ArchiveRefused, RowsRefused, StationError) as error:
        _fail(job, getattr(error, "reason", str(error)))
        return False
    except FAULTS:
        log.exception("reading import %s", job.pk)
        _fail(job, FAULT_WORDS)
        return False
    moved = ImportJob.objects.filter(pk=job.pk, state=State.READING).update(state=State.RUNNING)
    if moved:
        _wake(job.pk)
    return ImportJob.objects.filter(pk=job.pk, state=State.RUNNING).exists()


def _fail(job: ImportJob, reason: str) -> None:
    ImportJob.objects.filter(pk=job.pk).update(
        state=State.FAILED, error=reason[:500], finished_at=timezone.now()
    )


def _finish(job: ImportJob) -> None:
    """End the job when no row is waiting or under way; a reader still listing keeps it open."""
    if not ImportRow.objects.filter(job=job, state__in=[RowState.PENDING, RowState.RUNNING]).exists():
        ImportJob.objects.filter(pk=job.pk, state=State.RUNNING).update(
            state=State.DONE, finished_at=timezone.now()
        )


def import_progress(*, job: ImportJob) -> ImportProgress:
    """Counts of a job in one query."""
    return imports_progress(jobs=[job])[job.pk]


def imports_progress(*, jobs: Sequence[ImportJob]) -> dict[int, ImportProgress]:
    """Counts of several jobs in one query, by id of the job."""
    counted = (
        ImportRow.objects.filter(job__in=jobs)
        .order_by()
        .values("job_id")
        .annotate(
            total=Count("id"),
            done=Count("id", filter=Q(state=RowState.DONE)),
            duplicate=Count("id", filter=Q(state=RowState.DUPLICATE)),
            refused=Count("id", filter=Q(state=RowState.REFUSED)),
        )
    )
    counts = {row["job_id"]: (row["total"], row["done"], row["duplicate"], row["refused"]) for row in counted}
    return {job.pk: _progress(job, *counts.get(job.pk, (0, 0, 0, 0))) for job in jobs}


def _progress(job: ImportJob, total: int, done: int, duplicate: int, refused: int) -> ImportProgress:
    ended = done + duplicate + refused
    pending = total - ended
    seconds = ((job.finished_at or timezone.now()) - job.created_at).total_seconds()
    rate = ended / seconds if seconds > 0 else 0.0
    return ImportProgress(
        total=total,
        done=done,
        duplicate=duplicate,
        refused=refused,
        pending=pending,
        rate=rate,
        eta_s=pending / rate if rate > 0 else None,
    )


def ingest_sweep() -> dict[str, int]:
    """Wake workers for imports with work left: messages may be lost, rows may not."""
    open_jobs = ImportJob.objects.filter(state__in=[State.READING, State.RUNNING])
    stale = timezone.now() - timedelta(seconds=20)
    woken = 0
    for job in open_jobs.filter(created_at__lt=stale):
        active = ImportRow.objects.filter(
            job=job, state=RowState.RUNNING, lease_until__gt=timezone.now() + timedelta(seconds=LEASE_S - 40)
        ).exists()
        if not active:
            wake(TASK, job.pk)
            woken += 1
    return {"woken": woken}


def _wake(job_id: int) -> None:
    for _reader in range(READERS):
        wake(TASK, job_id)


def _is_read_by_worker(job: ImportJob) -> bool:
    return bool(job.source) or job.kind == Kind.SAMPLE


def _below_roots(path: str) -> str:
    """The real path, if it lies below a folder that the operator has opened. Raises BadInputError."""
    real = Path(path.replace("\x00", "")).resolve()
    if not any(real.is_relative_to(root) for root in settings.IMPORT_ROOTS):
        raise BadInputError(
            _("This folder is not below one that the operator has opened (VITRINE_IMPORT_ROOTS)."),
            code="folder_not_open",
        )
    return str(real)
