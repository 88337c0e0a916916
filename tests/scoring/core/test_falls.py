"""From ruin alone a head learns which way quality falls, and not what pictures show."""

from __future__ import annotations

import numpy as np
import pytest

from scoring.core.falls import LEVEL, SHARPNESS, SPREAD, head_from_falls
from scoring.core.head import fit_head
from scoring.core.measures import MEASURE_NAMES
from scoring.core.metrics import srcc
from scoring.core.nearness import column_of
from scoring.core.types import Defect

RNG = np.random.default_rng(3)
QUALITY, CONTENT = RNG.normal(size=400), RNG.normal(size=(400, 20))
VECTORS = np.column_stack([QUALITY, 4 * CONTENT]).astype(np.float32)
SEVERITY = RNG.uniform(0.1, 1.0, 120)
FALLS = np.column_stack([-2 * SEVERITY, RNG.normal(0, 0.3, (120, 20))]).astype(np.float32)
PEOPLE = np.clip(50 + 14 * QUALITY + RNG.normal(0, 4, 400), 0, 100)


def test_nobodys_score_is_needed_to_rank_pictures() -> None:
    head = head_from_falls(untouched=VECTORS, falls=FALLS, severity=SEVERITY, feature_version="v")
    output = head.predict(VECTORS)
    assert srcc(output.overall, QUALITY) > 0.6
    assert output.overall.mean() == pytest.approx(LEVEL, abs=1)
    assert output.overall.std() == pytest.approx(SPREAD, rel=0.1)


def test_it_is_a_prior_that_few_labels_build_on() -> None:
    prior = head_from_falls(untouched=VECTORS, falls=FALLS, severity=SEVERITY, feature_version="v")
    told = {"vectors": VECTORS[:15], "overall": PEOPLE[:15], "feature_version": "v"}
    with_it, without = fit_head(**told, prior=prior), fit_head(**told)
    assert srcc(with_it.predict(VECTORS[15:]).overall, PEOPLE[15:]) > 0.6
    assert srcc(without.predict(VECTORS[15:]).overall, PEOPLE[15:]) < 0.5


def test_a_harmed_picture_scores_less_than_it_did() -> None:
    head = head_from_falls(untouched=VECTORS, falls=FALLS, severity=SEVERITY, feature_version="v")
    before, after = head.predict(VECTORS[:120]), head.predict(VECTORS[:120] + FALLS)
    assert (after.overall < before.overall).mean() > 0.9


def test_of_two_pictures_alike_the_sharper_ranks_first_though_no_fall_told_so() -> None:
    width = 1 + len(MEASURE_NAMES) + len(Defect)
    vectors = RNG.normal(0, 0.1, (200, width)).astype(np.float32)
    falls = np.zeros((60, width), dtype=np.float32)
    falls[:, 0] = -SEVERITY[:60]
    head = head_from_falls(untouched=vectors, falls=falls, severity=SEVERITY[:60], feature_version="v")
    sharper = vectors.copy()
    sharper[:, column_of("sharpness", width)] += 0.1
    gain = head.unclipped(sharper) - head.unclipped(vectors)
    assert gain.mean() == pytest.approx(SPREAD * SHARPNESS, rel=0.25)
