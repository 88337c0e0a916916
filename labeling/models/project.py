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
    holdout_share = models.FloatField(
        _("share of pictures held back to judge the model by"), default=0.2, db_default=0.2
    )
    holdout_size = models.PositiveIntegerField(_("most pictures held back"), default=300, db_default=300)
    holdout_votes = models.PositiveSmallIntegerField(
        _("votes per picture held back"), default=15, db_default=15
    )
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
            ),
            models.CheckConstraint(
                condition=models.Q(holdout_share__gte=0) & models.Q(holdout_share__lte=0.5),
                name="at_most_half_of_a_project_is_held_back",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class SellerSide(models.Model):
    """On which side of the line a seller's products stand in a project, drawn once and for good.

    ``by_product``: so large, or one of so few, that its products are drawn one by one.
    """

    class Side(models.TextChoices):
        HOLDOUT = "holdout", _("Judges the model")
        TEACHING = "teaching", _("Teaches the model")
        BY_PRODUCT = "by_product", _("Product by product")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    seller = models.CharField(max_length=200)
    side = models.CharField(max_length=16, choices=Side)
    drawn_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("side of a seller")
        verbose_name_plural = _("sides of sellers")
        constraints = [
            models.UniqueConstraint(fields=["project", "seller"], name="a_seller_is_drawn_once_per_project")
        ]

    def __str__(self) -> str:
        return f"{self.seller}: {self.side}"


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
