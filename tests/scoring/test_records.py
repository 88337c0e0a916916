"""Rows of predictions."""

from __future__ import annotations

import pytest

from scoring.core.defects import ACCUSED_FROM
from scoring.core.types import Defect
from scoring.models import Score
from tests.factories import image_make, score_make


@pytest.mark.django_db
def test_the_database_keeps_the_accused_defects_beside_the_findings() -> None:
    score = score_make(image_make())
    below = {"defect": Defect.BORDER, "probability": ACCUSED_FROM - 0.0001}
    at = {"defect": Defect.NOISE, "probability": ACCUSED_FROM}
    Score.objects.filter(pk=score.pk).update(findings=[below, at])
    score.refresh_from_db()
    assert score.accused == ["noise"]
    assert list(Score.objects.filter(accused__contains=["noise"])) == [score]
    assert not Score.objects.filter(accused__contains=["border"]).exists()
    Score.objects.filter(pk=score.pk).update(findings=[])
    score.refresh_from_db()
    assert score.accused == []
