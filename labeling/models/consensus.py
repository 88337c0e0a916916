"""Several votes become one label with an interval."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from labeling.models.assignment import Item


class Consensus(models.Model):
    """The label of an item: MOS on the ACR scale 1-5 with a 95 % interval, and votes by grade.

    ``mos_score`` is the same on 0-100. ``histogram`` counts live votes 1-5.
    """

    item = models.OneToOneField(Item, on_delete=models.CASCADE, related_name="consensus")
    mos = models.FloatField()
    mos_score = models.FloatField()
    std_error = models.FloatField()
    ci_low = models.FloatField()
    ci_high = models.FloatField()
    vote_count = models.PositiveIntegerField()
    histogram = models.JSONField(default=list)
    dimensions = models.JSONField(default=dict)
    defects = models.JSONField(default=dict)
    settled_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("consensus")
        verbose_name_plural = _("consensus")

    def __str__(self) -> str:
        return f"{self.item_id}: {self.mos:.2f}"
