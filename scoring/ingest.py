"""Station 1, ingest: pictures come in by jobs of rows; each row that fails says why, the rest go in.

A row is claimed like a scoring job (docs/adr/0001): token, lease, finish by token. Its bytes pass the
gate outside the transaction; the picture's files are written before its row, so a row never points at
nothing. Importing the same thing twice adds nothing twice: images are known by digest.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Count, Max, Q
from django.utils import timezone

from scoring.access import require_reached
from scoring.archive import ArchiveRefused
from scoring.core.reencode import Refusal
from scoring.errors import BadInputError, ConflictError, StationError
from scoring.events import event_note
from scoring.fetch import FetchRefused
from scoring.gate import AdmittedPicture, admit
from scoring.locks import import_job_lock
from scoring.models import Image, ImportJob, ImportRow, Product, ScoringJob
from scoring.rows import ImportRecord, RowsRefused
from scoring.score import score_wake
from scoring.sources import Source, row_of, source_of, spool_name
from scoring.storage import file_write, picture_write
from scoring.wake import wake

TASK = "ingest.run"
BATCH = 16
LISTED_AT_ONCE = 500
LEASE_S = 180
ATTEMPTS = 3
TASK_SECONDS = 50.0
READERS = 2  # messages per job: as many workers may share its rows

Kind, State, RowState = ImportJob.Kind, ImportJob.State, ImportRow.State

CLAIM = """
UPDATE scoring_importrow SET state = 'running', token = %(token)s, lease_until = %(until)s,
       attempts = attempts + 1
WHERE id IN (
  SELECT id FROM scoring_importrow
  WHERE job_id = %(job)s AND (state = 'pending' OR (state = 'running' AND lease_until < %(now)s))
  ORDER BY position LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
"""


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
    def share(self) -> float:
        """Ended share 0-1."""
        return (self.total - self.pending) / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row: an admitted picture, or code and reason."""

    row: ImportRow
    picture: AdmittedPicture | None = None
    code: str = ""
    reason: str = ""


def import_start(
    *,
    kind: str,
    created_by: User | None,
    label: str = "",
    records: Iterable[ImportRecord] = (),
    uploads: Sequence[tuple[str, bytes]] = (),
    path: str = "",
) -> ImportJob:
    """Begin an import. Uploads are kept before the answer; everything else is read by a worker.

    ``uploads`` pairs of file name and bytes (for an archive or a table: that one file); ``records``
    rows already parsed; ``path`` a folder, archive or table on the server, for admins only below
    VITRINE_IMPORT_ROOTS, for the command line anywhere.
    """
    require_reached(created_by, "admin")
    if path and created_by is not None:
        _require_below_roots(path)
    with transaction.atomic():
        job = ImportJob.objects.create(kind=kind, created_by=created_by, label=label[:255], source=path)
        if kind in (Kind.ARCHIVE, Kind.TABLE, Kind.URLS) and uploads:
            file_write(spool_name(job.pk, 0), uploads[0][1])
            job.source = f"spool:{uploads[0][0]}"[:1000]
            job.save(update_fields=["source"])
        elif uploads:
            _spool(job, uploads, after=0)
        _list_rows(job, records)
        if kind == Kind.UPLOAD or not _is_read_by_worker(job):
            ImportJob.objects.filter(pk=job.pk).update(state=State.RUNNING)
        event_note(actor=created_by, verb="ingest.start", target=job, after={"kind": kind, "label": label})
        _wake(job.pk)
    job.refresh_from_db()
    return job


@transaction.atomic
def import_add(*, job_id: int, uploads: Sequence[tuple[str, bytes]], by: User | None) -> ImportJob:
    """Add more files to an upload that the browser sends in several requests."""
    require_reached(by, "admin")
    job = import_job_lock(job_id)
    if job.kind != Kind.UPLOAD or job.state == State.CANCELLED:
        raise ConflictError("This import takes no more files.", code="import_closed")
    last = ImportRow.objects.filter(job=job).aggregate(last=Max("position"))["last"] or 0
    _spool(job, uploads, after=last)
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
    passing = ImportRow.objects.filter(job=job, state=RowState.REFUSED, code__in=PASSING_CODES)
    passing.update(state=RowState.PENDING, code="", reason="", attempts=0)
    job.state = State.READING if _is_read_by_worker(job) and not _has_rows(job) else State.RUNNING
    job.finished_at, job.error = None, ""
    job.save(update_fields=["state", "finished_at", "error"])
    event_note(actor=by, verb="ingest.resume", target=job)
    _wake(job.pk)
    return job


PASSING_CODES = ("timeout", "memory", "unreachable", "worker_lost", "deadline")


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
            rows = _claim(job)
            if not rows:
                _finish(job)
                return {"job": job_id, "rows": worked}
            worked += _work(rows, source)
    wake(TASK, job_id)
    return {"job": job_id, "rows": worked}


def _read(job: ImportJob) -> bool:
    """List the rows of the source; a source that cannot be used at all fails the job with its reason."""
    try:
        with source_of(job) as source:
            _list_rows(job, source.records())
    except (ArchiveRefused, RowsRefused, StationError) as error:
        reason = getattr(error, "reason", str(error))
        ImportJob.objects.filter(pk=job.pk).update(
            state=State.FAILED, error=reason[:500], finished_at=timezone.now()
        )
        return False
    moved = ImportJob.objects.filter(pk=job.pk, state=State.READING).update(state=State.RUNNING)
    if moved:
        _wake(job.pk)
    return ImportJob.objects.filter(pk=job.pk, state=State.RUNNING).exists()


def _list_rows(job: ImportJob, records: Iterable[ImportRecord]) -> None:
    """Rows of records, in batches; listing the same position twice keeps the first."""
    batch: list[ImportRow] = []
    for record in records:
        batch.append(row_of(job, record))
        if len(batch) == LISTED_AT_ONCE or (job.kind == Kind.SAMPLE and len(batch) == 8):
            ImportRow.objects.bulk_create(batch, ignore_conflicts=True)
            batch = []
            if job.kind == Kind.SAMPLE:
                wake(TASK, job.pk)
    ImportRow.objects.bulk_create(batch, ignore_conflicts=True)


def _claim(job: ImportJob) -> list[ImportRow]:
    token, now = uuid4(), timezone.now()
    if ImportJob.objects.filter(pk=job.pk, state=State.CANCELLED).exists():
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            CLAIM,
            {
                "token": token,
                "until": now + timedelta(seconds=LEASE_S),
                "now": now,
                "job": job.pk,
                "limit": BATCH,
            },
        )
    return list(ImportRow.objects.filter(token=token, state=RowState.RUNNING).order_by("position"))


def _work(rows: Sequence[ImportRow], source: Source) -> int:
    """Admit the rows' pictures, then settle those still ours in one transaction."""
    outcomes = [_outcome(row, source) for row in rows]
    for outcome in outcomes:
        if outcome.picture is not None:
            _keep_files(outcome.picture)
    with transaction.atomic():
        ours = set(
            ImportRow.objects.select_for_update()
            .filter(token=rows[0].token, state=RowState.RUNNING)
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        # Digests in one order everywhere: two workers adding the same pictures cannot lock each other out.
        for outcome in sorted(outcomes, key=lambda o: o.picture.digest if o.picture else ""):
            if outcome.row.pk in ours:
                _settle(outcome)
        score_wake()
    for outcome in outcomes:
        source.forget(outcome.row)
    return len(ours)


def _outcome(row: ImportRow, source: Source) -> Outcome:
    if row.attempts > ATTEMPTS:
        return Outcome(row, code="worker_lost", reason="Several workers died on this picture.")
    try:
        return Outcome(row, picture=admit(source.read(row)))
    except (Refusal, FetchRefused, ArchiveRefused) as error:
        return Outcome(row, code=error.code, reason=error.reason)
    except StationError as error:
        return Outcome(row, code=error.code, reason=str(error))


def _keep_files(picture: AdmittedPicture) -> None:
    """Files before rows: an image row whose files are missing could never be shown."""
    image = Image(digest=picture.digest, stored_format=picture.stored_format)
    picture_write(image, stored=picture.stored, thumbnail=picture.thumbnail)


def _settle(outcome: Outcome) -> None:
    row, picture = outcome.row, outcome.picture
    if picture is None:
        _end(row, RowState.REFUSED, code=outcome.code, reason=outcome.reason)
        return
    image, created = image_admit(picture=picture, row=row)
    _end(row, RowState.DONE if created else RowState.DUPLICATE, image=image)


def image_admit(*, picture: AdmittedPicture, row: ImportRow) -> tuple[Image, bool]:
    """The image of an admitted picture, and whether it is new. Call inside a transaction.

    A new image gets its product and its scoring job; a known one keeps the product it has.
    """
    product, _ = Product.objects.get_or_create(
        seller=row.seller,
        external_id=row.product_id or picture.digest[:16],
        defaults={"title": row.title, "category": row.category},
    )
    image, created = Image.objects.get_or_create(
        digest=picture.digest,
        defaults={
            "product": product,
            "name": Path(row.reference).name[:255],
            "stored_format": picture.stored_format,
            "source_format": picture.source_format[:8],
            "width": picture.width,
            "height": picture.height,
            "byte_count": len(picture.stored),
            "jpeg_quality": picture.jpeg_quality,
            "is_animated": picture.animated,
        },
    )
    if created:
        ScoringJob.objects.get_or_create(image=image)
    return image, created


def _end(row: ImportRow, state: str, *, code: str = "", reason: str = "", image: Image | None = None) -> None:
    ImportRow.objects.filter(pk=row.pk).update(
        state=state, token=None, lease_until=None, code=code[:40], reason=reason[:500], image=image
    )


def _finish(job: ImportJob) -> None:
    """End the job when no row is waiting or under way; a reader still listing keeps it open."""
    if not ImportRow.objects.filter(job=job, state__in=[RowState.PENDING, RowState.RUNNING]).exists():
        ImportJob.objects.filter(pk=job.pk, state=State.RUNNING).update(
            state=State.DONE, finished_at=timezone.now()
        )


def import_progress(*, job: ImportJob) -> ImportProgress:
    """Counts of a job in one query."""
    counts = ImportRow.objects.filter(job=job).aggregate(
        total=Count("id"),
        done=Count("id", filter=Q(state=RowState.DONE)),
        duplicate=Count("id", filter=Q(state=RowState.DUPLICATE)),
        refused=Count("id", filter=Q(state=RowState.REFUSED)),
    )
    ended = counts["done"] + counts["duplicate"] + counts["refused"]
    pending = counts["total"] - ended
    seconds = ((job.finished_at or timezone.now()) - job.created_at).total_seconds()
    rate = ended / seconds if seconds > 0 else 0.0
    return ImportProgress(**counts, pending=pending, rate=rate, eta_s=pending / rate if rate > 0 else None)


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


def _spool(job: ImportJob, uploads: Sequence[tuple[str, bytes]], *, after: int) -> None:
    rows = []
    for position, (name, data) in enumerate(uploads, start=after + 1):
        file_write(spool_name(job.pk, position), data)
        rows.append(ImportRow(job=job, position=position, reference=Path(name).name[:2000] or "picture"))
    ImportRow.objects.bulk_create(rows)


def _wake(job_id: int) -> None:
    for _ in range(READERS):
        wake(TASK, job_id)


def _is_read_by_worker(job: ImportJob) -> bool:
    return bool(job.source) or job.kind == Kind.SAMPLE


def _has_rows(job: ImportJob) -> bool:
    return ImportRow.objects.filter(job=job).exists()


def _require_below_roots(path: str) -> None:
    real = Path(path).resolve()
    if not any(real.is_relative_to(root) for root in settings.IMPORT_ROOTS):
        raise BadInputError(
            "This folder is not below one that the operator has opened (VITRINE_IMPORT_ROOTS).",
            code="folder_not_open",
        )


def token_of(row: ImportRow) -> UUID | None:
    """The claim a row is under, None when it is free."""
    return row.token
