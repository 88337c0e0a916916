"""What other tools said of our pictures: people's votes and models' predictions, as they were imported."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from scoring.models.image import Image
from scoring.models.ingest import ImportJob


class OutsideLabel(models.Model):
    """One vote or prediction from outside. ``who`` is the rater or the model, by the name they had there.

    ``score`` 0-100; a vote's is one of 0, 25, 50, 75, 100 (ACR 1-5). The first thing somebody said of a
    picture stays: importing again adds nothing. ``is_counted``: the people's room has made a vote of it.
    """

    class Kind(models.TextChoices):
        VOTE = "vote", _("Vote")
        PREDICTION = "prediction", _("Prediction")

    job = models.ForeignKey(ImportJob, on_delete=models.CASCADE, related_name="outside_labels")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="outside_labels")
    kind = models.CharField(max_length=16, choices=Kind)
    who = models.CharField(max_length=150)
    score = models.FloatField()
    is_counted = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("label from outside")
        verbose_name_plural = _("labels from outside")
        constraints = [
            models.UniqueConstraint(
                fields=["image", "kind", "who"], name="somebody_outside_says_one_thing_of_a_picture"
            ),
            models.CheckConstraint(
                condition=models.Q(score__gte=0, score__lte=100), name="an_outside_score_is_0_to_100"
            ),
        ]
        indexes = [
            models.Index(
                fields=["job"],
                name="outside_votes_to_count",
                condition=models.Q(kind="vote", is_counted=False),
            )
        ]

    def __str__(self) -> str:
        return f"{self.image_id}: {self.score:.0f} by {self.who}"
