"""Comparisons of two pictures: append-only, each superseded at most once, as votes are."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Greatest, Least
from django.utils.translation import gettext_lazy as _

from labeling.models.assignment import Item
from labeling.models.project import Project


class Comparison(models.Model):
    """What one person said of two pictures side by side, or that they took it back. Rows are never changed.

    The rows of a person and a pair, whichever way round, form a chain: one has no ``supersedes``, each later
    one points at the one before, and the last counts unless it is ``withdrawn``. So nobody's word on a pair
    counts twice. ``left`` and ``right`` are the sides on the screen. ``key`` and ``body_digest`` as with a
    vote.
    """

    class Answer(models.TextChoices):
        LEFT = "left", _("Left is better")
        RIGHT = "right", _("Right is better")
        CANNOT_SAY = "cannot_say", _("Can't say")

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="comparisons")
    left = models.ForeignKey(Item, on_delete=models.PROTECT, related_name="comparisons_left")
    right = models.ForeignKey(Item, on_delete=models.PROTECT, related_name="comparisons_right")
    rater = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="comparisons")
    answer = models.CharField(max_length=10, choices=Answer, blank=True, default="")  # empty when withdrawn
    is_withdrawn = models.BooleanField(default=False)
    duration_ms = models.PositiveIntegerField(default=0)
    key = models.UUIDField(unique=True)
    body_digest = models.CharField(max_length=64)
    supersedes = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="successor"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("comparison")
        verbose_name_plural = _("comparisons")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                Least("left", "right"),
                Greatest("left", "right"),
                "rater",
                condition=models.Q(supersedes__isnull=True),
                name="a_person_compares_two_pictures_once",
            ),
            models.CheckConstraint(
                condition=~models.Q(left=models.F("right")), name="a_picture_is_not_compared_with_itself"
            ),
            models.CheckConstraint(
                condition=models.Q(is_withdrawn=True, answer="")
                | models.Q(is_withdrawn=False, answer__in=["left", "right", "cannot_say"]),
                name="a_comparison_says_which_or_that_one_cannot_say",
            ),
        ]
        indexes = [
            models.Index(fields=["rater", "-id"], name="comparisons_of_a_person"),
            models.Index(fields=["project", "-id"], name="comparisons_of_a_project"),
        ]

    def __str__(self) -> str:
        return f"{self.left_id} {self.answer} {self.right_id} by {self.rater_id}"
