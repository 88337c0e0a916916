"""What browsers send is not kept for ever, and a job that could not go on says so."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.utils import timezone

from scoring.errors import ConflictError
from scoring.ingest import import_cancel, import_resume, import_run, import_start
from scoring.models import Image, ImportJob
from scoring.spool import spool_sweep
from tests.factories import jpeg_bytes

pytestmark = pytest.mark.django_db


def archive(*seeds: int) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as file:
        for seed in seeds:
            file.writestr(f"{seed}.jpg", jpeg_bytes(seed))
    return body.getvalue()


def spooled(settings: LazySettings) -> list[str]:
    folder = Path(settings.MEDIA_ROOT) / "spool"
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def ended_days_ago(days: float) -> None:
    ImportJob.objects.update(finished_at=timezone.now() - timedelta(days=days))


def test_an_archive_and_a_cancelled_upload_are_swept_after_the_days_that_are_set(
    settings: LazySettings,
) -> None:
    settings.UPLOAD_DAYS = 3
    whole = import_start(kind="archive", created_by=None, uploads=[("shop.zip", archive(1, 2))])
    import_run(job_id=whole.pk)
    stopped = import_start(kind="upload", created_by=None, uploads=[("a.jpg", jpeg_bytes(3))])
    import_cancel(job_id=stopped.pk, by=None)
    half = Path(settings.MEDIA_ROOT) / f"spool/{stopped.pk}/9.dead.part"
    half.write_bytes(b"half a picture")
    ended_days_ago(2)
    assert spool_sweep() == {"swept": 0}
    assert len(spooled(settings)) == 5
    ended_days_ago(4)
    assert spool_sweep() == {"swept": 2}
    assert spooled(settings) == []
    assert spool_sweep() == {"swept": 0}
    assert Image.objects.count() == 2
    for job in (whole, stopped):
        with pytest.raises(ConflictError, match="no longer kept"):
            import_resume(job_id=job.pk, by=None)


def test_what_is_still_worked_on_is_never_swept(settings: LazySettings) -> None:
    job = import_start(kind="upload", created_by=None, uploads=[("a.jpg", jpeg_bytes(1))])
    ended_days_ago(99)
    assert spool_sweep() == {"swept": 0}
    import_run(job_id=job.pk)
    assert Image.objects.count() == 1
