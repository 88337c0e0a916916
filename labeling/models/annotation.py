"""Votes: append-only, each superseded at most once."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from labeling.models.assignment import Assignment, Item


class Annotation(models.Model):
    """One vote of one person, or its correction or withdrawal. Rows are never changed.

    The votes of a slot form a chain: the first has no ``supersedes``, each later one points at the one
    before. The constraints allow one first vote per assignment and one successor per vote, so exactly
    one row, the last of the chain, counts; a last row that is ``withdrawn`` (undo, or returned by a
    reviewer) counts as no vote, and whoever gets the slot next carries the chain on. ``key`` is the
    client's idempotency key and ``body_digest`` the SHA-256 of what it sent: the same key with another
    body is refused.
    """

    item = models.ForeignKey(Item, on_delete=models.PROTECT, related_name="annotations", db_index=False)
    assignment = models.ForeignKey(Assignment, on_delete=models.PROTECT, related_name="annotations")
    rater = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="annotations", db_index=False
    )
    rating = models.PositiveSmallIntegerField(null=True, blank=True)  # ACR 1-5; null when withdrawn
    is_accepted = models.BooleanField(default=False)
    is_withdrawn = models.BooleanField(default=False)
    dimensions = models.JSONField(default=dict)  # {dimension: ACR 1-5}
    defects = models.JSONField(default=dict)  # {defect: true | false}
    is_flagged = models.BooleanField(default=False)
    note = models.CharField(max_length=1000, blank=True, default="")
    shown_score = models.FloatField(null=True, blank=True)  # null: the prediction was hidden (blind)
    shown_model = models.ForeignKey(
        "scoring.ModelVersion", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    is_planted = models.BooleanField(default=False)
    duration_ms = models.PositiveIntegerField(default=0)
    key = models.UUIDField(unique=True)
    body_digest = models.CharField(max_length=64)
    supersedes = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="successor"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("annotation")
        verbose_name_plural = _("annotations")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["assignment"],
                condition=models.Q(supersedes__isnull=True),
                name="an_assignment_has_one_first_vote",
            ),
            models.CheckConstraint(
                condition=models.Q(is_withdrawn=True, rating__isnull=True)
                | models.Q(is_withdrawn=False, rating__gte=1, rating__lte=5),
                name="a_vote_is_1_to_5",
            ),
        ]
        indexes = [
            models.Index(fields=["item"], name="votes_of_an_item"),
            models.Index(fields=["rater", "-id"], name="votes_of_a_person"),
        ]

    def __str__(self) -> str:
        return f"{self.item_id} {self.rating} by {self.rater_id}"
