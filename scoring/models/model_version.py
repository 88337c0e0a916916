"""Models: the registry, and the one row that says which of them serves."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class ModelVersion(models.Model):
    """One model: an encoder (feature version) plus a head (weights, safetensors by digest).

    candidate -> champion (by Serving) -> retired; a gate that says no leaves it ``refused``.
    """

    class Kind(models.TextChoices):
        BASE = "base", _("Base model")
        FAST = "fast", _("Fast retrain")
        DEEP = "deep", _("Deep retrain")

    class State(models.TextChoices):
        CANDIDATE = "candidate", _("Candidate")
        REFUSED = "refused", _("Refused")
        CHAMPION = "champion", _("Champion")
        RETIRED = "retired", _("Retired")

    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=8, choices=Kind)
    state = models.CharField(max_length=16, choices=State, default=State.CANDIDATE)
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT)
    dataset = models.ForeignKey("scoring.DatasetVersion", null=True, blank=True, on_delete=models.PROTECT)
    feature_version = models.CharField(max_length=64)
    weights_digest = models.CharField(max_length=64)
    metrics = models.JSONField(default=dict)
    verdict = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    promoted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("model")
        verbose_name_plural = _("models")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["state"], condition=models.Q(state="champion"), name="there_is_one_champion"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Serving(models.Model):
    """The single row every worker and page reads.

    ``champion`` makes new scores; ``displayed`` is whose scores readers see. Promotion moves
    ``champion``; ``displayed`` follows in one UPDATE when the champion has scored the whole
    catalogue, so no reader ever sees two models mixed. ``previous`` is where roll back goes.
    ``shadow`` scores a share of what comes in beside the champion, unseen.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    champion = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    displayed = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    previous = models.ForeignKey(ModelVersion, null=True, on_delete=models.PROTECT, related_name="+")
    shadow = models.ForeignKey(
        ModelVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    shadow_share = models.FloatField(default=0.1, db_default=0.1)  # of what comes in, above 0 up to 1
    shadow_since = models.DateTimeField(null=True, blank=True)
    switched_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("serving")
        verbose_name_plural = _("serving")
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="serving_is_a_single_row"),
            models.CheckConstraint(
                condition=models.Q(shadow=None) | ~models.Q(shadow=models.F("champion")),
                name="the_champion_has_no_shadow_of_its_own",
            ),
            models.CheckConstraint(
                condition=models.Q(shadow_share__gt=0) & models.Q(shadow_share__lte=1),
                name="a_shadow_has_a_share",
            ),
        ]

    def __str__(self) -> str:
        return f"champion {self.champion_id}, displayed {self.displayed_id}"
