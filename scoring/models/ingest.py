"""Imports: a job and one row per picture that came with it."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.indexes import HashIndex
from django.db import models
from django.utils.translation import gettext_lazy as _


class ImportJob(models.Model):
    """One import by a person or a command.

    reading (rows are being listed) -> running (rows are fetched and admitted) -> done | cancelled |
    failed (the source itself was refused, see ``error``). Safe to start again at any point: rows are
    claimed one by one and a row that ended stays ended. ``is_spool_kept`` turns false when what the browser
    sent has been swept: from then on the job cannot go on. ``votes_for`` is the project,
    unknown to this room, in which votes that come along shall count; null: they are only shown.
    """

    class Kind(models.TextChoices):
        UPLOAD = "upload", _("Upload")
        FOLDER = "folder", _("Folder")
        ARCHIVE = "archive", _("Zip archive")
        TABLE = "table", _("CSV or JSON lines")
        URLS = "urls", _("List of addresses")
        SAMPLE = "sample", _("Sample catalogue")

    class State(models.TextChoices):
        READING = "reading", _("Reading")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        CANCELLED = "cancelled", _("Cancelled")
        FAILED = "failed", _("Failed")

    kind = models.CharField(max_length=16, choices=Kind)
    state = models.CharField(max_length=16, choices=State, default=State.READING, db_index=True)
    label = models.CharField(max_length=255, blank=True, default="")
    source = models.CharField(max_length=1000, blank=True, default="")
    error = models.CharField(max_length=500, blank=True, default="")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    is_spool_kept = models.BooleanField(default=True)
    votes_for = models.BigIntegerField(null=True, blank=True)

    class Meta:
        verbose_name = _("import")
        verbose_name_plural = _("imports")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.label}"


class ImportRow(models.Model):
    """One picture of an import: pending -> running -> done | duplicate | refused (says why).

    ``told``: what another tool said of it, [kind, who, score 0-100] each (scoring/core/foreign.py).
    """

    class State(models.TextChoices):
        PENDING = "pending", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Added")
        DUPLICATE = "duplicate", _("Already there")
        REFUSED = "refused", _("Refused")

    job = models.ForeignKey(ImportJob, on_delete=models.CASCADE, related_name="rows")
    position = models.PositiveIntegerField()
    reference = models.CharField(max_length=2000)
    product_id = models.CharField(max_length=200, blank=True, default="")
    title = models.CharField(max_length=500, blank=True, default="")
    category = models.CharField(max_length=200, blank=True, default="")
    seller = models.CharField(max_length=200, blank=True, default="")
    told = models.JSONField(default=list, blank=True)
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    code = models.CharField(max_length=40, blank=True, default="")
    reason = models.CharField(max_length=500, blank=True, default="")
    image = models.ForeignKey("scoring.Image", null=True, blank=True, on_delete=models.SET_NULL)

    class Meta:
        verbose_name = _("import row")
        verbose_name_plural = _("import rows")
        ordering = ["job_id", "position"]
        constraints = [
            models.UniqueConstraint(fields=["job", "position"], name="an_import_lists_each_position_once")
        ]
        indexes = [
            models.Index(
                fields=["job", "position"],
                name="import_rows_still_to_do",
                condition=models.Q(state__in=["pending", "running"]),
            ),
            HashIndex(fields=["reference"], name="import_rows_by_address"),
        ]

    def __str__(self) -> str:
        return f"{self.position}: {self.reference[:80]}"
