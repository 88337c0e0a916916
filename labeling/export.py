"""Station 7, dataset, on the way out: a file is asked for, a worker writes it, it waits to be fetched.

The row is the job (docs/adr/0001): claimed by token and lease, kept by a heartbeat every batch, started
anew when its worker dies. What is written of it is known only under a draft's name until it is whole.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import IO
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.locks import export_lock
from labeling.models import ExportJob, Project
from labeling.permissions import Role, administered_by, require_role
from labeling.votes import votes_of_project, votes_of_version, votes_write
from scoring.access import require_reached
from scoring.errors import BadInputError, ConflictError, NotThereError, StationError
from scoring.events import event_note
from scoring.export import FORMS, dataset_export
from scoring.models import DatasetVersion
from scoring.storage import file_draft, file_drop, file_open, folder_drop
from scoring.wake import wake

log = logging.getLogger(__name__)
TASK = "export.run"
LEASE_S = 60
BEAT_S = 0.5  # between two signs of life
ATTEMPTS = 3
GIVEN_UP = f"Given up after {ATTEMPTS} workers died on it."
FAULT_WORDS = "Something in Vitrine failed on this; the log says what."

Form, State = ExportJob.Form, ExportJob.State
OPEN = (State.WAITING, State.RUNNING)


class StoppedError(Exception):
    """The job was cancelled or taken over; what was written is thrown away."""


@dataclass(frozen=True, slots=True)
class ExportProgress:
    """Rows a second since the start and seconds left; None while nobody knows."""

    rate: float | None
    left_s: float | None


def export_start(
    *, form: str, by: User | None, dataset: DatasetVersion | None = None, project: Project | None = None
) -> ExportJob:
    """Ask for a file of a dataset version, or of a project's votes; ``by`` None is the command line.

    A version never changes: a file of it that is being written or still kept is the answer. Site admins
    may take versions, a project's admins its votes.
    """
    if (dataset is None) == (project is None):
        raise BadInputError(_("Say which dataset version or which project."), code="nothing_named")
    if form not in Form.values or (project is not None and form != Form.VOTES):
        raise BadInputError(_("There is no such format."), code="unknown_format")
    _require_admin(by, project)
    try:
        with transaction.atomic():
            return _same_file(form, dataset, project) or _begin(form, by, dataset, project)
    except IntegrityError:  # a twin was first
        twin = _twins(form, dataset, project).filter(state__in=OPEN).first()
        if twin is None:
            raise
        return twin


def _require_admin(by: User | None, project: Project | None) -> None:
    if by is None:
        return
    if project is None:
        require_reached(by, Role.ADMIN)
    else:
        require_role(by, project, Role.ADMIN)


def _twins(form: str, dataset: DatasetVersion | None, project: Project | None) -> QuerySet[ExportJob]:
    return ExportJob.objects.filter(form=form, dataset=dataset, project=project)


def _same_file(form: str, dataset: DatasetVersion | None, project: Project | None) -> ExportJob | None:
    """A job that answers the same question: votes go on coming in, so theirs only while it is open."""
    kept = OPEN if dataset is None else (*OPEN, State.DONE)
    return _twins(form, dataset, project).filter(state__in=kept).first()


def _begin(form: str, by: User | None, dataset: DatasetVersion | None, project: Project | None) -> ExportJob:
    job = ExportJob.objects.create(form=form, created_by=by, dataset=dataset, project=project)
    event_note(actor=by, verb="export.start", target=dataset or project, after={"format": form})
    wake(TASK, job.pk)
    return job


@transaction.atomic
def export_cancel(*, job_id: int, by: User | None) -> ExportJob:
    """Stop writing; the worker notices at its next batch and throws away what it has."""
    job = export_lock(job_id)
    _require_seen(by, job)
    if job.state in OPEN:
        job.state, job.token, job.lease_until = State.CANCELLED, None, None
        job.finished_at = timezone.now()
        job.save(update_fields=["state", "token", "lease_until", "finished_at"])
        event_note(
            actor=by, verb="export.cancel", target=job.dataset or job.project, after={"format": job.form}
        )
    return job


def export_take(*, job_id: int, by: User | None) -> tuple[ExportJob, IO[bytes]]:
    """The finished file, open for reading; the trail says who took it."""
    job = export_seen(job_id=job_id, by=by)
    if job.state in OPEN:
        raise ConflictError(_("The file is still being written."), code="not_done")
    if job.state != State.DONE:
        raise NotThereError(_("This file is no longer kept. Ask for it again."))
    file = file_open(job.stored_name)
    verb = "dataset.export" if job.form != Form.VOTES else "votes.export"
    event_note(actor=by, verb=verb, target=job.dataset or job.project, after={"format": job.form})
    return job, file


def export_seen(*, job_id: int, by: User | None) -> ExportJob:
    """One job, if the person may take what it writes."""
    job = ExportJob.objects.select_related("dataset", "project", "created_by").filter(pk=job_id).first()
    if job is None:
        raise NotThereError(_("There is no such export."))
    _require_seen(by, job)
    return job


def _require_seen(by: User | None, job: ExportJob) -> None:
    _require_admin(by, job.project)


def exports_seen(*, by: User) -> QuerySet[ExportJob]:
    """Jobs whose files the person may take, newest first."""
    require_reached(by, Role.ADMIN)
    found = ExportJob.objects.select_related("dataset", "project", "created_by")
    return found.filter(project=None) | found.filter(project__in=administered_by(by))


def export_progress(job: ExportJob) -> ExportProgress:
    """How fast it goes; known once the first batch is written."""
    if job.state != State.RUNNING or job.started_at is None or not job.done:
        return ExportProgress(None, None)
    seconds = (timezone.now() - job.started_at).total_seconds()
    rate = job.done / seconds if seconds > 0 else None
    return ExportProgress(rate, (job.total - job.done) / rate if rate else None)


def export_execute(*, job_id: int) -> str:
    """Claim and write one file; returns the job's state. A job claimed elsewhere is left alone."""
    token = _claim(job_id)
    if token is None:
        return "not ours"
    job = ExportJob.objects.select_related("dataset", "project").get(pk=job_id)
    try:
        if job.attempts > 1:
            folder_drop(job.folder)  # what the worker before left half written
        with file_draft(job.stored_name) as out:
            _write(job, out, token)
            byte_count = out.tell()
        _end(job, token, State.DONE, byte_count=byte_count)
    except StoppedError:
        log.info("export %s was stopped", job_id)
    except StationError as error:
        _end(job, token, State.FAILED, error=str(error)[:500])
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        log.exception("export %s", job_id)  # a fault of ours; what passes by itself is left to rise
        _end(job, token, State.FAILED, error=FAULT_WORDS)
    return str(ExportJob.objects.values_list("state", flat=True).get(pk=job_id))


def _claim(job_id: int) -> UUID | None:
    token, now = uuid4(), timezone.now()
    taken = ExportJob.objects.filter(pk=job_id, state=State.WAITING).update(
        state=State.RUNNING,
        token=token,
        lease_until=now + timedelta(seconds=LEASE_S),
        started_at=now,
        attempts=F("attempts") + 1,
        done=0,
    )
    return token if taken else None


def _write(job: ExportJob, out: IO[bytes], token: UUID) -> None:
    beat = _Beat(job, token)
    if job.dataset is not None and job.form in FORMS:
        beat(0, total=job.dataset.row_count)
        dataset_export(dataset=job.dataset, form=job.form, out=out, tick=beat)
        return
    ids = votes_of_version(job.dataset) if job.dataset is not None else votes_of_project(_project(job))
    beat(0, total=len(ids))
    votes_write(ids=ids, out=out, tick=beat)


def _project(job: ExportJob) -> Project:
    assert job.project is not None  # noqa: S101  (an_export_is_of_a_version_or_of_votes)
    return job.project


class _Beat:
    """Shows how far it is and keeps the lease, now and then; StoppedError when the job is not ours now."""

    def __init__(self, job: ExportJob, token: UUID) -> None:
        self.mine = ExportJob.objects.filter(pk=job.pk, token=token, state=State.RUNNING)
        self.next = 0.0

    def __call__(self, done: int, *, total: int | None = None) -> None:
        if time.monotonic() < self.next and total is None:
            return
        self.next = time.monotonic() + BEAT_S
        changes: dict[str, object] = {"done": done} if total is None else {"done": done, "total": total}
        if not self.mine.update(lease_until=timezone.now() + timedelta(seconds=LEASE_S), **changes):
            raise StoppedError


def _end(job: ExportJob, token: UUID, state: str, *, byte_count: int = 0, error: str = "") -> None:
    """Finish on the token; a file that nobody waits for any more is dropped."""
    ended = ExportJob.objects.filter(pk=job.pk, token=token, state=State.RUNNING).update(
        state=state,
        token=None,
        lease_until=None,
        finished_at=timezone.now(),
        byte_count=byte_count,
        error=error,
        done=F("total") if state == State.DONE else F("done"),
    )
    if not ended and ExportJob.objects.filter(pk=job.pk, state=State.CANCELLED).exists():
        file_drop(job.stored_name)


def export_sweep() -> dict[str, int]:
    """Start abandoned jobs anew, give up hopeless ones, wake workers for what waits, drop old files."""
    now = timezone.now()
    silent = ExportJob.objects.filter(state=State.RUNNING, lease_until__lt=now)
    hopeless = list(silent.filter(attempts__gte=ATTEMPTS))
    for job in hopeless:
        folder_drop(job.folder)
    failed = silent.filter(pk__in=[job.pk for job in hopeless]).update(
        state=State.FAILED, token=None, lease_until=None, finished_at=now, error=GIVEN_UP
    )
    freed = silent.update(state=State.WAITING, token=None, lease_until=None)
    waiting = ExportJob.objects.filter(state=State.WAITING, created_at__lt=now - timedelta(seconds=5))
    for pk in waiting.order_by("pk").values_list("pk", flat=True):
        wake(TASK, pk)
    return {"freed": freed, "failed": failed, "gone": _drop_old()}


def _drop_old() -> int:
    """Forget files that were kept long enough."""
    edge = timezone.now() - timedelta(days=settings.EXPORT_DAYS)
    old = list(ExportJob.objects.filter(state=State.DONE, finished_at__lt=edge))
    for job in old:
        folder_drop(job.folder)
    ids = [job.pk for job in old]
    return ExportJob.objects.filter(pk__in=ids, state=State.DONE).update(state=State.GONE)
