"""Frozen datasets: rows of image, target and weight, with a content digest."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from scoring.models.image import Image


class DatasetVersion(models.Model):
    """An immutable set of labelled images. ``digest`` is the SHA-256 of its rows in image order.

    A trigger refuses to change or delete a version or a row of it, and rows beyond ``row_count``.
    """

    name = models.CharField(max_length=100, unique=True)
    digest = models.CharField(max_length=64, unique=True)
    row_count = models.PositiveIntegerField()
    split_seed = models.IntegerField(default=0)
    note = models.CharField(max_length=500, blank=True, default="")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("dataset version")
        verbose_name_plural = _("dataset versions")
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name


class DatasetRow(models.Model):
    """One labelled image. ``target_score`` and dimensions 0-100; ``histogram`` counts votes 1-5.

    ``weight`` is 1 / variance of the target in score points; ``split`` is drawn by product and seller;
    ``votes`` are the ids of the annotations the label was made of.
    """

    class Split(models.TextChoices):
        TRAIN = "train", _("Training")
        CALIBRATION = "calibration", _("Calibration")
        HOLDOUT = "holdout", _("Holdout")

    dataset = models.ForeignKey(DatasetVersion, on_delete=models.CASCADE, related_name="rows")
    image = models.ForeignKey(Image, on_delete=models.PROTECT)
    group = models.CharField(max_length=410)
    category = models.CharField(max_length=200, blank=True, default="")
    split = models.CharField(max_length=16, choices=Split)
    target_score = models.FloatField()
    target_std = models.FloatField()
    weight = models.FloatField()
    vote_count = models.PositiveIntegerField()
    histogram = models.JSONField(default=list)
    dimensions = models.JSONField(default=dict)
    defects = models.JSONField(default=dict)
    votes = ArrayField(models.BigIntegerField(), default=list)

    class Meta:
        verbose_name = _("dataset row")
        verbose_name_plural = _("dataset rows")
        constraints = [
            models.UniqueConstraint(fields=["dataset", "image"], name="a_dataset_holds_an_image_once"),
            models.CheckConstraint(
                condition=models.Q(target_score__gte=0, target_score__lte=100), name="a_target_is_0_to_100"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.dataset_id}/{self.image_id}"
