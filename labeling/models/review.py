"""Why an item needs a reviewer, and what the reviewer decided."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from labeling.models.assignment import Item


class Flag(models.Model):
    """One reason to look at an item again, with the evidence; cleared by a decision or by new votes."""

    class Reason(models.TextChoices):
        DISAGREEMENT = "disagreement", _("People disagree")
        MODEL_AGAINST_PEOPLE = "model_against_people", _("Model and people differ")
        LOW_CONFIDENCE = "low_confidence", _("Model is unsure")
        ANNOTATOR = "annotator", _("An annotator flagged it")
        POLICY = "policy", _("Marketplace rule")

    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="flags")
    reason = models.CharField(max_length=32, choices=Reason)
    evidence = models.JSONField(default=dict)
    raised_at = models.DateTimeField(auto_now_add=True)
    cleared_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("flag")
        verbose_name_plural = _("flags")
        constraints = [
            models.UniqueConstraint(
                fields=["item", "reason"],
                condition=models.Q(cleared_at__isnull=True),
                name="an_open_flag_is_raised_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.item_id}: {self.reason}"


class Review(models.Model):
    """A reviewer's decision on an item. Rows are never changed; the last one counts.

    ``fixed_rating`` (ACR 1-5) is set by ``fix`` only. ``key`` makes a repeated click one decision.
    """

    class Decision(models.TextChoices):
        APPROVE = "approve", _("Approve")
        REJECT = "reject", _("Reject")
        RETURN = "return", _("Return to the author")
        FIX = "fix", _("Fix and approve")

    item = models.ForeignKey(Item, on_delete=models.PROTECT, related_name="reviews")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reviews")
    decision = models.CharField(max_length=8, choices=Decision)
    reason = models.CharField(max_length=1000, blank=True, default="")
    fixed_rating = models.PositiveSmallIntegerField(null=True, blank=True)
    key = models.UUIDField(unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("review")
        verbose_name_plural = _("reviews")
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=(
                    models.Q(decision="fix", fixed_rating__gte=1, fixed_rating__lte=5)
                    | (~models.Q(decision="fix") & models.Q(fixed_rating__isnull=True))
                ),
                name="only_a_fix_carries_a_rating",
            ),
            models.CheckConstraint(
                condition=models.Q(decision__in=["approve", "fix"]) | ~models.Q(reason=""),
                name="a_refusal_says_why",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.item_id} {self.decision}"
