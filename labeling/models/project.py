"""Projects: a queue of images, its people and its rules."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

RATES = (
    "blind_rate",
    "planted_rate",
    "repeat_rate",
    "gold_rate",
    "least_gold_accuracy",
    "qualification_pass",
)


def _shares() -> models.Q:
    every = models.Q()
    for name in RATES:
        every &= models.Q(**{f"{name}__gte": 0, f"{name}__lte": 1})
    return every


class Project(models.Model):
    """A body of images that some people rate under one set of rules. All rates are shares 0-1.

    ``qualification_count`` 0: newcomers label at once; ``least_gold_accuracy`` 0: nobody is paused by rule.
    """

    class Order(models.TextChoices):
        MIXED = "mixed", _("Mixed: most informative, some random")
        UNCERTAINTY = "uncertainty", _("Most uncertain first")
        DIVERSITY = "diversity", _("Most diverse first")
        RANDOM = "random", _("Random")

    class AsksAgain(models.TextChoices):
        OFF = "off", _("Never")
        ADVISE = "advise", _("Say so on the Learning page")
        ACT = "act", _("Ask by itself")

    name = models.CharField(_("name"), max_length=200, unique=True)
    guidelines = models.TextField(_("guidelines"), blank=True, default="")
    overlap = models.PositiveSmallIntegerField(_("votes per image"), default=2)
    max_overlap = models.PositiveSmallIntegerField(_("most votes where people disagree"), default=5)
    order = models.CharField(_("order"), max_length=16, choices=Order, default=Order.MIXED)
    asks_again = models.CharField(
        _("another vote where it is worth more than a new picture"),
        max_length=8,
        choices=AsksAgain,
        default=AsksAgain.ADVISE,
        db_default=AsksAgain.ADVISE,
    )
    lease_minutes = models.PositiveSmallIntegerField(_("lease in minutes"), default=12)
    blind_rate = models.FloatField(_("blind audit rate"), default=0.15)
    planted_rate = models.FloatField(_("planted wrong predictions"), default=0.03)
    repeat_rate = models.FloatField(_("repeats"), default=0.03)
    gold_rate = models.FloatField(_("gold questions"), default=0.05)
    warmup_count = models.PositiveSmallIntegerField(_("warm-up pictures"), default=0)
    least_gold_accuracy = models.FloatField(_("pause below this share of right gold answers"), default=0.6)
    fewest_gold_answers = models.PositiveSmallIntegerField(_("gold answers before a pause"), default=8)
    qualification_count = models.PositiveSmallIntegerField(_("pictures to qualify with"), default=0)
    qualification_pass = models.FloatField(_("pass mark to qualify"), default=0.7)
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
            models.CheckConstraint(condition=_shares(), name="rates_of_a_project_are_shares"),
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


class CategoryQuota(models.Model):
    """The share 0-1 of the pictures handed out that a category should have; the others share the rest."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="quotas")
    category = models.CharField(max_length=200)
    share = models.FloatField()

    class Meta:
        verbose_name = _("category quota")
        verbose_name_plural = _("category quotas")
        ordering = ["category"]
        constraints = [
            models.UniqueConstraint(fields=["project", "category"], name="a_category_has_one_quota"),
            models.CheckConstraint(condition=models.Q(share__gt=0, share__lte=1), name="a_quota_is_a_share"),
        ]

    def __str__(self) -> str:
        return f"{self.category} {self.share:.0%}"


class Membership(models.Model):
    """A person's role in a project. Reviewers may also annotate; admins may do everything.

    ``judged_from``: gold answers given earlier are forgiven. ``paused_by``: who stopped the person.
    """

    class Role(models.TextChoices):
        ANNOTATOR = "annotator", _("Annotator")
        REVIEWER = "reviewer", _("Reviewer")
        ADMIN = "admin", _("Admin")

    class PausedBy(models.TextChoices):
        ADMIN = "admin", _("An admin")
        RULE = "rule", _("The project's rule")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role)
    is_paused = models.BooleanField(_("paused"), default=False)
    pause_reason = models.CharField(max_length=300, blank=True, default="")
    paused_by = models.CharField(max_length=8, choices=PausedBy, blank=True, default="")
    judged_from = models.DateTimeField(null=True, blank=True)
    qualified_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = [
            models.UniqueConstraint(fields=["project", "user"], name="a_person_has_one_role_per_project")
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.role}"


class Appeal(models.Model):
    """What a paused person asks an admin to look at again; at most one of a person is open."""

    class Answer(models.TextChoices):
        RESUME = "resume", _("Go on")
        KEEP = "keep", _("Stay paused")

    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="appeals")
    text = models.CharField(max_length=1000)
    answer = models.CharField(max_length=8, choices=Answer, blank=True, default="")
    reply = models.CharField(max_length=1000, blank=True, default="")
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    answered_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("appeal")
        verbose_name_plural = _("appeals")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["membership"], condition=models.Q(answer=""), name="a_person_has_one_open_appeal"
            )
        ]

    def __str__(self) -> str:
        return f"{self.membership_id}: {self.answer or 'open'}"
