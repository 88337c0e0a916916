"""Several votes become one label with an interval, and what is known of those who vote."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from labeling.models.assignment import Item
from labeling.models.project import Project


class Consensus(models.Model):
    """The label of an item: MOS on the ACR scale 1-5 with a 95 % interval, and votes by grade.

    ``mos_score`` is the same on 0-100. ``histogram`` counts live votes 1-5. ``dimensions`` are means on
    the ACR scale, ``defects`` the probability 0-1 that the picture has it; what nobody judged is absent.
    ``comparison_count``: comparisons with other pictures that speak in it too.
    """

    item = models.OneToOneField(Item, on_delete=models.CASCADE, related_name="consensus")
    mos = models.FloatField()
    mos_score = models.FloatField()
    std_error = models.FloatField()
    ci_low = models.FloatField()
    ci_high = models.FloatField()
    vote_count = models.PositiveIntegerField()
    comparison_count = models.PositiveIntegerField(default=0, db_default=0)
    histogram = models.JSONField(default=list)
    dimensions = models.JSONField(default=dict)
    defects = models.JSONField(default=dict)
    settled_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("consensus")
        verbose_name_plural = _("consensus")

    def __str__(self) -> str:
        return f"{self.item_id}: {self.mos:.2f}"


class Panel(models.Model):
    """What the last solve over a project's votes says of its people together; grades are ACR 1-5.

    ``prior_mos`` and ``prior_std`` are where labels usually lie; ``noise_std`` is how far one vote of an
    average person lies from the label, ``bias_std`` how people differ, ``shift_std`` how far all of them
    may be off, being few. ``defect_rate`` (0-1) is how often a defect somebody spoke of is there;
    ``agreement`` is Krippendorff's alpha (interval), ``icc`` the intraclass correlation of one vote and
    ``icc_mean`` of the mean of an item's votes, each with its 95 % interval, null while it cannot be told.
    ``pair_step`` and ``pair_tie`` are the scale of comparisons (labeling/core/pairwise.py).
    """

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="panel")
    prior_mos = models.FloatField()
    prior_std = models.FloatField()
    noise_std = models.FloatField()
    bias_std = models.FloatField(default=0.35)
    shift_std = models.FloatField(default=0.0)
    defect_rate = models.FloatField(default=0.5)
    agreement = models.FloatField(null=True, blank=True)
    agreement_low = models.FloatField(null=True, blank=True)
    agreement_high = models.FloatField(null=True, blank=True)
    icc = models.FloatField(null=True, blank=True)
    icc_low = models.FloatField(null=True, blank=True)
    icc_high = models.FloatField(null=True, blank=True)
    icc_mean = models.FloatField(null=True, blank=True)
    icc_mean_low = models.FloatField(null=True, blank=True)
    icc_mean_high = models.FloatField(null=True, blank=True)
    vote_count = models.PositiveIntegerField()
    last_vote_id = models.BigIntegerField()
    pair_step = models.FloatField(default=0.35)
    pair_tie = models.FloatField(default=0.6)
    last_comparison_id = models.BigIntegerField(default=0)
    solved_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("panel")
        verbose_name_plural = _("panels")

    def __str__(self) -> str:
        return f"{self.project_id}: {self.vote_count} votes"


class RaterProfile(models.Model):
    """What the last solve says of one person.

    ``bias`` in grades (above 0 is generous) and ``bias_std``, how well it is known; ``gain`` 1 follows the
    pictures, 0 does not look at them; ``noise_std`` in grades, lower is more consistent; ``weight`` is how
    much a vote counts beside that of an average person (1). ``hit_rate`` and ``false_alarm_rate`` (0-1):
    how often the person names a defect that is there, and one that is not. ``pair_gain``: how well they see
    which of two pictures is better, 1 as usual, 0 not at all.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="rater_profiles")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="rater_profiles"
    )
    bias = models.FloatField()
    bias_std = models.FloatField(default=0.35)
    gain = models.FloatField(default=1.0)
    noise_std = models.FloatField()
    weight = models.FloatField()
    hit_rate = models.FloatField(default=0.8)
    false_alarm_rate = models.FloatField(default=0.2)
    pair_gain = models.FloatField(default=1.0)
    vote_count = models.PositiveIntegerField()

    class Meta:
        verbose_name = _("rater profile")
        verbose_name_plural = _("rater profiles")
        constraints = [
            models.UniqueConstraint(fields=["project", "user"], name="a_person_has_one_profile_per_project")
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.project_id}: {self.bias:+.2f}"
