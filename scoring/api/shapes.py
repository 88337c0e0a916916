"""How a picture and what the model says of it look in the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.urls import reverse
from rest_framework import serializers

from scoring.core.types import Defect, Dimension, Grade, Prediction, grade_of
from scoring.models import Image, Score
from scoring.records import dimensions_of, finding_record
from scoring.words import cause_words, defect_words

ACCUSED_FROM = 0.5
SHARE_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Said:
    """What a model says of a picture, stored or not."""

    overall: float
    std: float
    low: float
    high: float
    grade: str
    votes_expected: Sequence[float]
    dimensions: Mapping[str, float]
    defects: Sequence[str]
    findings: Sequence[Mapping[str, Any]]
    model: str

    @staticmethod
    def of_score(score: Score) -> Said:
        return Said(
            overall=score.overall_score,
            std=score.overall_std,
            low=score.interval_low,
            high=score.interval_high,
            grade=str(grade_of(score.overall_score)),
            votes_expected=_shares(score.votes_expected),
            dimensions={str(name): value for name, value in dimensions_of(score).items()},
            defects=score.accused,
            findings=[_in_words(finding) for finding in score.findings],
            model=score.model.name,
        )

    @staticmethod
    def of_prediction(prediction: Prediction, *, model: str) -> Said:
        records = [finding_record(finding) for finding in prediction.findings]
        return Said(
            overall=prediction.overall_score,
            std=prediction.overall_std,
            low=prediction.interval_low,
            high=prediction.interval_high,
            grade=str(prediction.grade),
            votes_expected=_shares(prediction.votes_expected),
            dimensions={str(name): value for name, value in prediction.dimensions.items()},
            defects=[record["defect"] for record in records if record["probability"] >= ACCUSED_FROM],
            findings=[_in_words(record) for record in records],
            model=model,
        )


@dataclass(frozen=True, slots=True)
class Pictured:
    """An image with what is shown of it."""

    image: Image
    score: Said | None
    measures: Mapping[str, float] = field(default_factory=dict)

    @property
    def picture(self) -> str:
        return reverse("api-image-picture", args=[self.image.pk])


def _shares(votes: Sequence[float]) -> list[float]:
    return [round(share, SHARE_DIGITS) for share in votes]


def _in_words(finding: Mapping[str, Any]) -> dict[str, Any]:
    words = f"{defect_words(str(finding['defect']))}: {cause_words(finding)}"
    return {**finding, "words": words}


class FindingShape(serializers.Serializer[Mapping[str, Any]]):
    defect = serializers.ChoiceField(choices=[str(defect) for defect in Defect])
    probability = serializers.FloatField(help_text="0-1; from 0.5 the defect is in `defects`.")
    cause = serializers.CharField(help_text="The measure that speaks most for it; empty: the network alone.")
    value = serializers.FloatField()
    unit = serializers.CharField()
    box = serializers.ListField(
        child=serializers.FloatField(),
        allow_null=True,
        help_text="Left, top, right, bottom as shares of the picture, or null for the whole picture.",
    )
    words = serializers.CharField(help_text="The same for people, in the language asked for.")


class DimensionsShape(serializers.Serializer[Mapping[str, float]]):
    """Five scores 0-100, higher is better."""

    sharpness = serializers.FloatField()
    colour = serializers.FloatField()
    composition = serializers.FloatField()
    lighting = serializers.FloatField()
    background = serializers.FloatField()


assert {str(dimension) for dimension in Dimension} == set(DimensionsShape().fields)  # noqa: S101


class ScoreShape(serializers.Serializer[Said]):
    """Scores 0-100, higher is better; `low` to `high` is the 90 % interval."""

    overall = serializers.FloatField()
    std = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()
    grade = serializers.ChoiceField(choices=[str(grade) for grade in Grade])
    votes_expected = serializers.ListField(
        child=serializers.FloatField(),
        min_length=5,
        max_length=5,
        help_text="Shares 0-1 of the votes 1 to 5 that many people would give, reckoned from score and std.",
    )
    dimensions = DimensionsShape()
    defects = serializers.ListField(
        child=serializers.CharField(), help_text="Codes of the defects a reader would act on."
    )
    findings = FindingShape(many=True)
    model = serializers.CharField()


class ProductShape(serializers.Serializer[Any]):
    product_id = serializers.CharField(source="external_id")
    title = serializers.CharField()
    category = serializers.CharField()
    seller = serializers.CharField()


class ImageShape(serializers.Serializer[Any]):
    id = serializers.IntegerField(source="image.pk")
    digest = serializers.CharField(source="image.digest", help_text="SHA-256 of the bytes that came in.")
    name = serializers.CharField(source="image.name")
    width = serializers.IntegerField(source="image.width")
    height = serializers.IntegerField(source="image.height")
    added_at = serializers.DateTimeField(source="image.created_at")
    product = ProductShape(source="image.product")
    score = ScoreShape(allow_null=True, help_text="Null until the picture has been scored.")
    picture = serializers.CharField(help_text="Where its bytes are, re-encoded and without metadata.")


class ImageDetailShape(ImageShape):
    measures = serializers.DictField(
        child=serializers.FloatField(), help_text="The plain numbers measured on the picture."
    )
