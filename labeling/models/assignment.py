"""Who was handed which image: items, slots with leases, and skips."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from labeling.models.project import Project


class Item(models.Model):
    """An image in a project's queue.

    open -> settled (enough votes, nothing flagged) | flagged (a reviewer must look) -> approved |
    rejected; a returned item is open again. ``priority`` goes up for what is worth a human's time.
    ``version`` counts every change of its votes, label and state: a page that shows an older one decides
    nothing. ``is_due`` says that votes came in which the label does not know yet.
    """

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        SETTLED = "settled", _("Settled")
        FLAGGED = "flagged", _("Flagged")
        APPROVED = "approved", _("Approved")
        REJECTED = "rejected", _("Rejected")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="items", db_index=False)
    image = models.ForeignKey("scoring.Image", on_delete=models.PROTECT, related_name="items")
    state = models.CharField(max_length=16, choices=State, default=State.OPEN)
    priority = models.FloatField(default=0.0)
    is_holdout = models.BooleanField(default=False)
    version = models.PositiveIntegerField(default=0)
    is_due = models.BooleanField(default=False, db_default=False)
    returned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("item")
        verbose_name_plural = _("items")
        constraints = [
            models.UniqueConstraint(fields=["project", "image"], name="a_project_holds_an_image_once")
        ]
        indexes = [
            models.Index(fields=["project", "state"], name="items_by_state"),
            models.Index(fields=["id"], name="items_to_settle", condition=models.Q(is_due=True)),
            models.Index(
                fields=["returned_to"],
                name="items_returned",
                condition=models.Q(returned_to__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.project_id}/{self.image_id}"


class Assignment(models.Model):
    """One slot of an item: free -> leased -> submitted; an expired or released lease is free again.

    Slots 1..overlap are rows made with the item, so no image can go beyond its overlap and nobody
    can hold two slots of one image: the two UNIQUE constraints say so. ``priority`` and ``project``
    copy the item's, so that the lease statement reads one index. A lease and a vote each write a row of
    every index: what another index begins with has none of its own (``db_index=False``).
    """

    class State(models.TextChoices):
        FREE = "free", _("Free")
        LEASED = "leased", _("Leased")
        SUBMITTED = "submitted", _("Submitted")
        CLOSED = "closed", _("Closed")

    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="assignments", db_index=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    slot = models.PositiveSmallIntegerField()
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="assignments",
        db_index=False,
    )
    state = models.CharField(max_length=16, choices=State, default=State.FREE)
    priority = models.FloatField(default=0.0)
    leased_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    is_blind = models.BooleanField(default=False)
    planted_score = models.FloatField(null=True, blank=True)

    class Meta:
        verbose_name = _("assignment")
        verbose_name_plural = _("assignments")
        constraints = [
            models.UniqueConstraint(fields=["item", "slot"], name="an_item_has_each_slot_once"),
            models.UniqueConstraint(fields=["item", "user"], name="nobody_holds_an_item_twice"),
            models.CheckConstraint(
                condition=models.Q(state__in=["free", "closed"]) | models.Q(user__isnull=False),
                name="a_taken_slot_has_a_person",
            ),
        ]
        indexes = [
            models.Index(
                models.F("project"),
                models.F("priority").desc(),
                models.F("id"),
                name="slots_to_hand_out",
                condition=models.Q(state__in=["free", "leased"]),
            ),
            models.Index(fields=["user", "state"], name="slots_of_a_person"),
        ]

    def __str__(self) -> str:
        return f"{self.item_id}#{self.slot} {self.state}"


class Skip(models.Model):
    """A person passed on an item; it is not offered to them again."""

    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="skips")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("skip")
        verbose_name_plural = _("skips")
        constraints = [models.UniqueConstraint(fields=["item", "user"], name="an_item_is_skipped_once")]

    def __str__(self) -> str:
        return f"{self.item_id} by {self.user_id}"
