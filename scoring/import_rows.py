"""Rows of an import are worked on: claimed, read, admitted by the gate, settled with their reason.

A row is claimed like a scoring job (docs/adr/0001): token, lease, finish by token. Its bytes pass the
gate outside the transaction; the picture's files are written before its row, so a row never points at
nothing. Images are known by digest, so the same picture twice is one image.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice
from pathlib import Path
from uuid import uuid4

from django.db import connection, transaction
from django.utils import timezone

from scoring.archive import ArchiveRefused
from scoring.core.reencode import Refusal
from scoring.errors import StationError
from scoring.fetch import FetchRefused
from scoring.gate import AdmittedPicture, admit
from scoring.models import Image, ImportJob, ImportRow, Product, ScoringJob
from scoring.outside import labels_keep
from scoring.rows import ImportRecord
from scoring.score import score_wake
from scoring.sources import Source, row_of
from scoring.storage import picture_write

log = logging.getLogger(__name__)
TASK = "ingest.run"
BATCH = 8  # few, so that the first pictures of a slow source show soon
LISTED_AT_ONCE = 2000
LEASE_S = 180
# What our own code raises on input nobody thought of: it costs one row, and the log says where. Faults
# that pass (database, disk, a gate that does not start) are left to rise: the row is tried again.
FAULTS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
FAULT_WORDS = "Something in Vitrine failed on this; the log says what."
ATTEMPTS = 3
PASSING_CODES = ("timeout", "memory", "unreachable", "worker_lost")  # may go well another time

State, RowState = ImportJob.State, ImportRow.State

# One document for many rows: five times as quick as a parameter for every cell. A row that brings labels
# and names its picture by digest ends here: there is nothing to fetch.
LIST = """
INSERT INTO scoring_importrow (job_id, position, reference, product_id, title, category, seller, told,
                               state, attempts, code, reason, image_id)
SELECT %(job)s, r.position, r.reference, r.product_id, r.title, r.category, r.seller, r.told,
       CASE WHEN i.id IS NULL THEN r.state ELSE 'duplicate' END, 0, r.code, r.reason, i.id
FROM jsonb_to_recordset(%(rows)s::jsonb) AS r (
  position int, reference text, product_id text, title text, category text, seller text, told jsonb,
  state text, code text, reason text, digest text)
LEFT JOIN scoring_image i ON i.digest = r.digest
ON CONFLICT DO NOTHING
"""

CLAIM = """
UPDATE scoring_importrow SET state = 'running', token = %(token)s, lease_until = %(until)s,
       attempts = attempts + 1
WHERE id IN (
  SELECT id FROM scoring_importrow
  WHERE job_id = %(job)s AND (state = 'pending' OR (state = 'running' AND lease_until < %(now)s))
  ORDER BY position LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row: an admitted picture, or code and reason.

    ``picture`` has given its bytes away: they are in the storage, and a batch of large pictures would
    fill the memory. ``byte_count`` is how many they were.
    """

    row: ImportRow
    picture: AdmittedPicture | None = None
    byte_count: int = 0
    code: str = ""
    reason: str = ""


def rows_list(job: ImportJob, records: Iterable[ImportRecord]) -> None:
    """Rows of records, in batches; listing the same position twice keeps the first."""
    source = iter(records)
    with connection.cursor() as cursor:
        while batch := [row_of(record) for record in islice(source, LISTED_AT_ONCE)]:
            cursor.execute(LIST, {"job": job.pk, "rows": json.dumps(batch)})


def rows_claim(job: ImportJob) -> list[ImportRow]:
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


def rows_work(rows: Sequence[ImportRow], source: Source) -> int:
    """Admit the rows' pictures, then settle those still ours in one transaction."""
    outcomes = [_outcome(row, source) for row in rows]
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
        labels_keep(job_id=rows[0].job_id, row_ids=[row.pk for row in rows if row.told])
        score_wake()
    for outcome in outcomes:
        if outcome.row.pk in ours and outcome.code not in PASSING_CODES:  # else somebody reads it again
            source.forget(outcome.row)
    return len(ours)


def _outcome(row: ImportRow, source: Source) -> Outcome:
    if row.attempts > ATTEMPTS:
        return Outcome(row, code="worker_lost", reason="Several workers died on this picture.")
    try:
        picture = admit(source.read(row))
    except (Refusal, FetchRefused, ArchiveRefused) as error:
        return Outcome(row, code=error.code, reason=error.reason)
    except StationError as error:
        return Outcome(row, code=error.code, reason=str(error))
    except FAULTS:
        log.exception("row %s of import %s", row.position, row.job_id)
        return Outcome(row, code="fault", reason=FAULT_WORDS)
    return _kept(row, picture)


def _kept(row: ImportRow, picture: AdmittedPicture) -> Outcome:
    """Files before rows: an image row whose files are missing could never be shown."""
    image = Image(digest=picture.digest, stored_format=picture.stored_format)
    picture_write(image, stored=picture.stored, thumbnail=picture.thumbnail)
    light = replace(picture, stored=b"", thumbnail=b"")
    return Outcome(row, picture=light, byte_count=len(picture.stored))


def _settle(outcome: Outcome) -> None:
    row, picture = outcome.row, outcome.picture
    if picture is None:
        _end(row, RowState.REFUSED, code=outcome.code, reason=outcome.reason)
        return
    image, created = image_admit(picture=picture, byte_count=outcome.byte_count, row=row)
    _end(row, RowState.DONE if created else RowState.DUPLICATE, image=image)


def image_admit(*, picture: AdmittedPicture, byte_count: int, row: ImportRow) -> tuple[Image, bool]:
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
            "byte_count": byte_count,
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
