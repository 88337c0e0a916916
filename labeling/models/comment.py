"""What people say to each other about an item, and whom they call."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from labeling.models.assignment import Item


class Comment(models.Model):
    """A remark on an item. Rows are never changed; ``key`` makes a repeated click one remark."""

    item = models.ForeignKey(Item, on_delete=models.PROTECT, related_name="comments")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="comments")
    text = models.CharField(max_length=1000)
    key = models.UUIDField(unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("comment")
        verbose_name_plural = _("comments")
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=~models.Q(text=""), name="a_comment_says_something"),
        ]

    def __str__(self) -> str:
        return f"{self.item_id} by {self.author_id}"


class Mention(models.Model):
    """Somebody a comment calls by @name: open until they say they have seen it, or answer."""

    comment = models.ForeignKey(Comment, on_delete=models.PROTECT, related_name="mentions")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="mentions")
    seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("mention")
        verbose_name_plural = _("mentions")
        constraints = [
            models.UniqueConstraint(fields=["comment", "user"], name="a_comment_calls_a_person_once"),
        ]
        indexes = [
            models.Index(
                fields=["user", "-id"], name="mentions_not_seen", condition=models.Q(seen_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.comment_id}"
