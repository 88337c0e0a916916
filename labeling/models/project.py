"""Projects: a queue of images, its people and its rules."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class Project(models.Model):
    """A body of images that some people rate under one set of rules. All rates are shares 0-1."""

    class Order(models.TextChoices):
        MIXED = "mixed", _("Mixed: most informative, some random")
        UNCERTAINTY = "uncertainty", _("Most uncertain first")
        DIVERSITY = "diversity", _("Most diverse first")
        RANDOM = "random", _("Random")

    name = models.CharField(_("name"), max_length=200, unique=True)
    guidelines = models.TextField(_("guidelines"), blank=True, default="")
    overlap = models.PositiveSmallIntegerField(_("votes per image"), default=2)
    max_overlap = models.PositiveSmallIntegerField(_("most votes where people disagree"), default=5)
    order = models.CharField(_("order"), max_length=16, choices=Order, default=Order.MIXED)
    lease_minutes = models.PositiveSmallIntegerField(_("lease in minutes"), default=12)
    blind_rate = models.FloatField(_("blind audit rate"), default=0.15)
    planted_rate = models.FloatField(_("planted wrong predictions"), default=0.03)
    repeat_rate = models.FloatField(_("repeats"), default=0.03)
    gold_rate = models.FloatField(_("gold questions"), default=0.05)
    warmup_count = models.PositiveSmallIntegerField(_("warm-up pictures"), default=0)
    session_minutes = models.PositiveSmallIntegerField(_("session length in minutes"), default=25)
    retrain_every_labels = models.PositiveIntegerField(_("retrain after this many new labels"), default=0)
    retrain_every_hours = models.PositiveIntegerField(_("retrain every so many hours"), default=0)
    takes_new_images = models.BooleanField(_("new images join this project"), default=True)
    is_archived = models.BooleanField(_("archived"), default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("project")
        verbose_name_plural = _("projects")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(overlap__gte=1) & models.Q(max_overlap__gte=models.F("overlap")),
                name="a_project_asks_for_at_least_one_vote",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A person's role in a project. Reviewers may also annotate; admins may do everything."""

    class Role(models.TextChoices):
        ANNOTATOR = "annotator", _("Annotator")
        REVIEWER = "reviewer", _("Reviewer")
        ADMIN = "admin", _("Admin")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role)
    is_paused = models.BooleanField(_("paused"), default=False)
    pause_reason = models.CharField(max_length=300, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = [
            models.UniqueConstraint(fields=["project", "user"], name="a_person_has_one_role_per_project")
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.role}"
