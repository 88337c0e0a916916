"""Training runs: the row is the job, one at a time, with a lease and a live curve."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class TrainingRun(models.Model):
    """One retrain.

    queued -> running (token, lease, heartbeat) -> evaluated | failed | cancelled. A lease that runs
    out puts the row back to queued; the next worker resumes at its last checkpoint.
    """

    class Kind(models.TextChoices):
        FAST = "fast", _("Fast: refit the head on cached features")
        DEEP = "deep", _("Deep: fine-tune the network")

    class State(models.TextChoices):
        QUEUED = "queued", _("Waiting")
        RUNNING = "running", _("Running")
        EVALUATED = "evaluated", _("Evaluated")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    class Trigger(models.TextChoices):
        BUTTON = "button", _("Button")
        SCHEDULE = "schedule", _("Schedule")
        LABELS = "labels", _("New labels")
        API = "api", _("API")
        COMMAND = "command", _("Command line")

    kind = models.CharField(max_length=8, choices=Kind, default=Kind.FAST)
    state = models.CharField(max_length=16, choices=State, default=State.QUEUED)
    trigger = models.CharField(max_length=16, choices=Trigger)
    dataset = models.ForeignKey("scoring.DatasetVersion", on_delete=models.PROTECT)
    candidate = models.OneToOneField(
        "scoring.ModelVersion", null=True, blank=True, on_delete=models.SET_NULL, related_name="run"
    )
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    seed = models.IntegerField(default=0)
    options = models.JSONField(default=dict)
    token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    enqueued_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    is_cancel_asked = models.BooleanField(default=False)
    progress = models.FloatField(default=0.0)  # 0-1
    step = models.CharField(max_length=100, blank=True, default="")
    curve = models.JSONField(default=list)  # [{epoch, loss, srcc, seconds}]
    environment = models.JSONField(default=dict)
    error = models.CharField(max_length=500, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("training run")
        verbose_name_plural = _("training runs")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["state"], condition=models.Q(state="running"), name="one_training_runs_at_a_time"
            ),
            models.UniqueConstraint(
                fields=["state"], condition=models.Q(state="queued"), name="one_training_waits_at_a_time"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"
