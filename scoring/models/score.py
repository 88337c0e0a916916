"""What the machine knows of a picture: cached features, scores by model, and the scoring job."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _
from pgvector.django import VectorField

from scoring.core.foretold import votes_of
from scoring.models.image import Image
from scoring.models.model_version import ModelVersion

EMBEDDING_SIZE = 128


class ScoringJob(models.Model):
    """The job of scoring one image; Celery only wakes the worker that claims it.

    pending -> running (token, lease) -> done | failed (attempts used up or picture refused).
    An expired lease makes a running row claimable again. ``wanted`` is the model asked for; a
    rescore sets the row back to pending.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Scored")
        FAILED = "failed", _("Failed")

    image = models.OneToOneField(Image, on_delete=models.CASCADE, related_name="scoring_job")
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    enqueued_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=500, blank=True, default="")
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("scoring job")
        verbose_name_plural = _("scoring jobs")
        indexes = [
            models.Index(
                fields=["id"], name="scoring_jobs_to_do", condition=models.Q(state__in=["pending", "running"])
            )
        ]

    def __str__(self) -> str:
        return f"{self.image_id}: {self.state}"


class StoredFeatures(models.Model):
    """Features of one image by one feature version, so that heads refit and rescore in seconds."""

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="features")
    version = models.CharField(max_length=64)
    vector = models.BinaryField()  # float32 (F,), little endian
    embedding = VectorField(dimensions=EMBEDDING_SIZE)
    measures = models.JSONField(default=dict)
    findings = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("features")
        verbose_name_plural = _("features")
        constraints = [
            models.UniqueConstraint(fields=["image", "version"], name="an_image_has_one_vector_per_version")
        ]

    def __str__(self) -> str:
        return f"{self.image_id} {self.version}"


class AccusedDefects(models.Func):
    """Codes of the findings a reader would act on, as a JSON list, worked out by the database."""

    template = "jsonb_path_query_array(%(expressions)s, '$[*] ? (@.probability >= 0.5).defect')"


class Score(models.Model):
    """What one model says of one image. Scores 0-100, higher is better.

    ``findings`` has every defect with its probability; ``accused`` the codes of those from 0.5, kept
    beside them since a filter that opens ten thousand findings takes twenty times as long.
    """

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="scores", db_index=False)
    model = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="scores", db_index=False)
    overall_score = models.FloatField()
    overall_std = models.FloatField()
    interval_low = models.FloatField()
    interval_high = models.FloatField()
    sharpness_score = models.FloatField()
    colour_score = models.FloatField()
    composition_score = models.FloatField()
    lighting_score = models.FloatField()
    background_score = models.FloatField()
    findings = models.JSONField(default=list)  # [{defect, probability, cause, value, unit, box}]
    accused = models.GeneratedField(
        expression=AccusedDefects("findings"), output_field=models.JSONField(), db_persist=True
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("score")
        verbose_name_plural = _("scores")
        constraints = [
            models.UniqueConstraint(fields=["image", "model"], name="a_model_scores_an_image_once"),
            models.CheckConstraint(
                condition=models.Q(overall_score__gte=0, overall_score__lte=100),
                name="an_overall_score_is_0_to_100",
            ),
        ]
        indexes = [models.Index(fields=["model", "overall_score"], name="scores_by_model")]

    def __str__(self) -> str:
        return f"{self.image_id}: {self.overall_score:.1f}"

    @property
    def votes_expected(self) -> tuple[float, ...]:
        """Shares 0-1 of the votes 1 to 5 that many people would give: of score and std, so not stored."""
        return votes_of(self.overall_score, self.overall_std)


class ShadowScore(models.Model):
    """What a model in the shadow says of one image; no page of the catalogue reads it.

    ``seconds`` are what the picture cost it, ``champion_seconds`` what it cost the champion, features and
    all; 0 where they were at hand already.
    """

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")
    model = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="+")
    overall_score = models.FloatField()
    overall_std = models.FloatField()
    seconds = models.FloatField(default=0.0)
    champion_seconds = models.FloatField(default=0.0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("shadow score")
        verbose_name_plural = _("shadow scores")
        constraints = [
            models.UniqueConstraint(fields=["image", "model"], name="a_shadow_scores_an_image_once"),
        ]

    def __str__(self) -> str:
        return f"{self.image_id}: {self.overall_score:.1f}"
