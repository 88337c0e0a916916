"""Questions whose answer is known, and pictures asked again: what tells how far a label can be trusted.

They stand beside the slots and not among them, so no probe can ever count as a vote. On the page they are
told apart by nothing: a probe's id comes from the same sequence as a slot's, an answer's from that of votes.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from labeling.models.annotation import Annotation
from labeling.models.assignment import Item
from labeling.models.project import Project


class NextOf(models.Func):
    """The next number of a sequence."""

    function = "nextval"
    output_field = models.BigIntegerField()


def slot_number() -> NextOf:
    return NextOf(models.Value("labeling_assignment_id_seq"))


def vote_number() -> NextOf:
    return NextOf(models.Value("labeling_annotation_id_seq"))


class GoldQuestion(models.Model):
    """A picture whose right answer is known: ``expected_low``..``expected_high`` on the ACR scale 1-5.

    ``spoilt``: made from the clear picture ``source`` by one fault of the degradation lab at ``severity``
    0-1; ``clear``: a picture that several people found good, as it is. One that most people fail asks the
    wrong thing and is retired.
    """

    class Kind(models.TextChoices):
        SPOILT = "spoilt", _("Spoilt on purpose")
        CLEAR = "clear", _("Clearly good")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="gold_questions")
    kind = models.CharField(max_length=8, choices=Kind)
    image = models.ForeignKey("scoring.Image", on_delete=models.PROTECT, related_name="+")
    source = models.ForeignKey("scoring.Image", on_delete=models.PROTECT, related_name="+")
    fault = models.CharField(max_length=32, blank=True, default="")
    severity = models.FloatField(default=0.0)
    expected_low = models.PositiveSmallIntegerField()
    expected_high = models.PositiveSmallIntegerField()
    retired_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("gold question")
        verbose_name_plural = _("gold questions")
        constraints = [
            models.UniqueConstraint(fields=["project", "image"], name="a_picture_is_asked_for_gold_once"),
            models.CheckConstraint(
                condition=Q(expected_low__gte=1)
                & Q(expected_high__gte=F("expected_low"), expected_high__lte=5),
                name="a_gold_answer_is_1_to_5",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.image_id}: {self.expected_low}-{self.expected_high}"


class Probe(models.Model):
    """One picture put to one person beside their slots: open -> answered | skipped, and back by undo.

    ``expected_low``..``expected_high`` are the right answers where there are any; ``repeats`` is the vote
    that a repeat asks for again. The prediction shown is that of ``scored_as``: of the clear picture, where a
    spoilt one is shown.
    """

    class Kind(models.TextChoices):
        GOLD = "gold", _("Gold question")
        REPEAT = "repeat", _("Repeat")
        WARMUP = "warmup", _("Warm-up")
        QUALIFY = "qualify", _("Qualification")

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        ANSWERED = "answered", _("Answered")
        SKIPPED = "skipped", _("Skipped")

    id = models.BigIntegerField(primary_key=True, db_default=slot_number(), editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="probes")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=8, choices=Kind)
    state = models.CharField(max_length=8, choices=State, default=State.OPEN, db_default=State.OPEN)
    image = models.ForeignKey("scoring.Image", on_delete=models.PROTECT, related_name="+")
    scored_as = models.ForeignKey("scoring.Image", on_delete=models.PROTECT, related_name="+")
    item = models.ForeignKey(Item, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    gold = models.ForeignKey(
        GoldQuestion, null=True, blank=True, on_delete=models.CASCADE, related_name="probes"
    )
    repeats = models.ForeignKey(Annotation, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    is_blind = models.BooleanField(default=False)
    expected_low = models.PositiveSmallIntegerField(null=True, blank=True)
    expected_high = models.PositiveSmallIntegerField(null=True, blank=True)
    lease_until = models.DateTimeField()
    opened_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("probe")
        verbose_name_plural = _("probes")
        constraints = [
            models.UniqueConstraint(
                fields=["user", "gold"], condition=Q(kind="gold"), name="nobody_gets_a_gold_question_twice"
            ),
            models.UniqueConstraint(
                fields=["user", "item"], condition=Q(kind="repeat"), name="nobody_repeats_an_item_twice"
            ),
            models.CheckConstraint(
                condition=~Q(kind="gold") | Q(gold__isnull=False, expected_low__isnull=False),
                name="a_gold_probe_knows_its_answer",
            ),
            models.CheckConstraint(
                condition=~Q(kind="repeat") | Q(repeats__isnull=False), name="a_repeat_names_the_first_vote"
            ),
        ]
        indexes = [
            models.Index(fields=["user", "project"], name="probes_at_hand", condition=Q(state="open")),
            models.Index(fields=["project", "kind", "user"], name="probes_of_a_project"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.image_id} for {self.user_id}"

    @property
    def planted_score(self) -> None:
        """A probe shows what a slot would; nothing is planted besides."""


class ProbeAnswer(models.Model):
    """What a person said to a probe; a chain of rows that are never changed, like votes.

    ``is_right`` is null where no answer is right or wrong.
    """

    id = models.BigIntegerField(primary_key=True, db_default=vote_number(), editable=False)
    probe = models.ForeignKey(Probe, on_delete=models.PROTECT, related_name="answers")
    rater = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    rating = models.PositiveSmallIntegerField(null=True, blank=True)  # ACR 1-5; null when withdrawn
    is_accepted = models.BooleanField(default=False)
    is_withdrawn = models.BooleanField(default=False)
    is_right = models.BooleanField(null=True, blank=True)
    dimensions = models.JSONField(default=dict)
    defects = models.JSONField(default=dict)
    is_flagged = models.BooleanField(default=False)
    note = models.CharField(max_length=1000, blank=True, default="")
    shown_score = models.FloatField(null=True, blank=True)
    duration_ms = models.PositiveIntegerField(default=0)
    key = models.UUIDField(unique=True)
    body_digest = models.CharField(max_length=64)
    supersedes = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="successor"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("probe answer")
        verbose_name_plural = _("probe answers")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["probe"], condition=Q(supersedes__isnull=True), name="a_probe_has_one_first_answer"
            ),
            models.CheckConstraint(
                condition=Q(is_withdrawn=True, rating__isnull=True)
                | Q(is_withdrawn=False, rating__gte=1, rating__lte=5),
                name="a_probe_answer_is_1_to_5",
            ),
        ]
        indexes = [models.Index(fields=["rater", "-id"], name="probe_answers_of_a_person")]

    def __str__(self) -> str:
        return f"{self.probe_id}: {self.rating}"

    @property
    def assignment_id(self) -> int:
        """What the page calls the slot."""
        return self.probe_id
