"""Who works on a training run: claimed by token and lease, kept by a heartbeat, ended by whoever holds it."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from threading import Event, Thread
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from scoring.models import TrainingRun

State = TrainingRun.State
BEAT_S = 2.0
STUCK_S = 1800.0  # without a step or a stage: then another worker may try
PACKAGES = ("numpy", "scipy", "torch")


class StoppedError(Exception):
    """The run was cancelled or taken over; nothing more is written."""


def run_claim(run_id: int) -> UUID | None:
    """Take a waiting run; None where another runs or somebody was quicker."""
    token, now = uuid4(), timezone.now()
    try:
        with transaction.atomic():
            taken = TrainingRun.objects.filter(pk=run_id, state=State.QUEUED).update(
                state=State.RUNNING,
                token=token,
                lease_until=now + timedelta(seconds=settings.TRAIN_LEASE_S),
                started_at=now,
                environment=environment(),
                step="loading",
                progress=0.02,
            )
    except IntegrityError:  # another one runs; this one stays queued
        return None
    return token if taken else None


def run_beat(run: TrainingRun, token: UUID, *, step: str, progress: float, **more: Any) -> None:
    """Show the stage and keep the lease; a cancelled or lost run stops here. ``more``: other columns."""
    kept = TrainingRun.objects.filter(
        pk=run.pk, token=token, state=State.RUNNING, is_cancel_asked=False
    ).update(
        step=step,
        progress=progress,
        lease_until=timezone.now() + timedelta(seconds=settings.TRAIN_LEASE_S),
        **more,
    )
    if not kept:
        raise StoppedError


class Beat:
    """A heartbeat every few seconds, however often it is asked for; and the word that work is safe.

    ``attempts`` of a run counts the workers that died one after another before anything of their work was
    safe: the first work of a life that the next one need not do again sets it back.
    """

    def __init__(self, run: TrainingRun, token: UUID) -> None:
        self.run, self.token, self.last, self.at = run, token, 0.0, 0.0
        self.has_gained = False

    def __call__(self, step: str, progress: float) -> None:
        self.last = progress
        if time.monotonic() - self.at >= BEAT_S:
            self.at = time.monotonic()
            run_beat(self.run, self.token, step=step, progress=progress)

    def gained(self, step: str, progress: float) -> None:
        """Some work is safe: whoever dies from here on has not died for nothing."""
        if not self.has_gained:
            run_beat(self.run, self.token, step=step, progress=progress, attempts=0)
            self.has_gained = True


@contextmanager
def lease_kept(run: TrainingRun, token: UUID) -> Iterator[None]:
    """Keep the lease from beside the work, for a single step may take longer than a lease on a busy machine.

    A process that is stopped or gone keeps nothing; nor does one that has told nothing new for STUCK_S.
    """
    ended = Event()
    keeper = Thread(target=_keep, args=(run.pk, token, ended), name=f"lease of run {run.pk}", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ended.set()
        keeper.join()


def _keep(run_id: int, token: UUID, ended: Event) -> None:
    mine = TrainingRun.objects.filter(pk=run_id, token=token, state=State.RUNNING)
    told: tuple[str, float] | None = None
    since = time.monotonic()
    while not ended.wait(settings.TRAIN_LEASE_S / 4):
        try:
            found = mine.values_list("step", "progress").first()
            if found != told:
                told, since = found, time.monotonic()
            if found is None or time.monotonic() - since > STUCK_S:
                break
            mine.update(lease_until=timezone.now() + timedelta(seconds=settings.TRAIN_LEASE_S))
        except (OperationalError, InterfaceError):  # the database is away; perhaps it comes back in time
            connection.close()
    connection.close()


def run_end(run: TrainingRun, token: UUID, *, state: str, error: str = "") -> None:
    """End a run that is still ours."""
    TrainingRun.objects.filter(pk=run.pk, token=token, state=State.RUNNING).update(
        state=state, token=None, lease_until=None, error=error, finished_at=timezone.now()
    )


def environment() -> Mapping[str, Any]:
    """What a run was made by: versions, processor, and the revision of this code."""
    told: dict[str, Any] = {"python": platform.python_version(), "machine": platform.machine()}
    for name in PACKAGES:
        try:
            told[name] = version(name)
        except PackageNotFoundError:
            continue
    return told | {"revision": revision()}


@lru_cache(maxsize=1)
def revision() -> str:
    """The revision of this code: what the operator says, else what git says; empty where neither knows."""
    given = os.environ.get("VITRINE_REVISION", "")
    if given:
        return given
    try:
        told = subprocess.run(
            ["git", "-C", str(settings.BASE_DIR), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return told.stdout.strip() if told.returncode == 0 else ""
