"""Exports: a worker writes a file, which waits some days to be fetched."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class ExportJob(models.Model):
    """One file somebody asked for: a dataset version in some form, or the votes of a project.

    waiting -> running (token, lease) -> done -> gone (swept) | cancelled | failed. A lease that runs out
    puts the row back to waiting; the next worker writes the file from the start, so that a half written
    one is never handed out. ``done`` of ``total`` rows; ``byte_count`` of the finished file.
    """

    class Form(models.TextChoices):
        CSV = "csv", "CSV"
        JSON_LINES = "jsonl", _("JSON lines")
        COCO = "coco", "COCO"
        LABEL_STUDIO = "label-studio", "Label Studio"
        PARQUET = "parquet", "Parquet"
        CROISSANT = "croissant", "Croissant"
        VOTES = "votes", _("Votes")

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        CANCELLED = "cancelled", _("Cancelled")
        FAILED = "failed", _("Failed")
        GONE = "gone", _("No longer kept")

    form = models.CharField(max_length=16, choices=Form)
    dataset = models.ForeignKey(
        "scoring.DatasetVersion", null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    project = models.ForeignKey(
        "labeling.Project", null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    byte_count = models.BigIntegerField(default=0)
    error = models.CharField(max_length=500, blank=True, default="")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("export")
        verbose_name_plural = _("exports")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(dataset__isnull=False, project__isnull=True)
                | models.Q(dataset__isnull=True, project__isnull=False, form="votes"),
                name="an_export_is_of_a_version_or_of_votes",
            ),
            models.UniqueConstraint(
                fields=["dataset", "project", "form"],
                condition=models.Q(state__in=["waiting", "running"]),
                nulls_distinct=False,
                name="a_file_is_written_once_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.dataset or self.project}, {self.get_form_display()}"

    @property
    def ending(self) -> str:
        """What the file's name ends with."""
        return ENDINGS[self.form]

    @property
    def file_name(self) -> str:
        """The name a browser saves it under."""
        if self.dataset is not None:
            return f"vitrine-{self.dataset.digest[:12]}{self.ending}"
        return f"vitrine-project-{self.project_id}-{self.created_at:%Y%m%d-%H%M%S}{self.ending}"

    @property
    def stored_name(self) -> str:
        """Storage key of the finished file."""
        return f"{self.folder}/file{self.ending}"

    @property
    def folder(self) -> str:
        """Where the file and its drafts are kept."""
        return f"exports/{self.pk}"


ENDINGS = {
    "csv": ".csv",
    "jsonl": ".jsonl",
    "coco": ".coco.json",
    "label-studio": ".label-studio.json",
    "parquet": ".parquet.zip",
    "croissant": ".croissant.zip",
    "votes": ".votes.csv",
}
