"""What labels teach a head, and how sure it may say it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scoring.core.correction import Correction
from scoring.core.head import Head, level_of
from scoring.core.splits import CALIBRATION, TRAIN
from scoring.trial import FEWEST_CALIBRATION, FEWEST_CROSSED, Labels, fit_on, straight_on

WIDTH = 120
PRIOR = Head(
    feature_version="v",
    mean=np.zeros(WIDTH),
    std=np.ones(WIDTH),
    coefficients=np.zeros((6, WIDTH)),
    intercepts=level_of(55.0),
    covariance=np.eye(WIDTH),
    noise_var=100.0,
)


def labels_of(count: int, *, seed: int, calibration: int = 0, each: int = 1) -> Labels:
    """Pictures whose score bends along a few of many directions, ``each`` so many of a product."""
    rng = np.random.default_rng([seed, count])
    vectors = rng.normal(0, 1, (count, WIDTH)).astype(np.float32)
    told = 55 + 14 * np.tanh(vectors[:, 0]) + 6 * vectors[:, 1] * vectors[:, 2] + rng.normal(0, 4, count)
    splits = np.array([CALIBRATION] * calibration + [TRAIN] * (count - calibration))
    return Labels(
        vectors=vectors,
        targets=np.clip(told, 0, 100),
        weights=np.ones(count),
        dimensions=np.full((count, 5), np.nan),
        groups=[f"mug {number // each}" for number in range(count)],
        categories=["mugs"] * count,
        splits=splits,
    )


def width(head: Head, labels: Labels) -> float:
    return float((head.interval_factor * head.predict(labels.vectors).overall_std).mean())


def covered(head: Head, seed: int) -> float:
    new = labels_of(800, seed=seed + 1000)
    told = head.predict(new.vectors)
    return float((np.abs(told.overall - new.targets) <= head.interval_factor * told.overall_std).mean())


@pytest.mark.parametrize("count", [FEWEST_CROSSED, 40, 100])
def test_nine_of_ten_new_labels_lie_inside_the_interval_of_a_head_taught_by_few(count: int) -> None:
    heads = [fit_on(labels_of(count, seed=seed), np.ones(count, dtype=bool), PRIOR) for seed in range(8)]
    assert np.mean([covered(head, seed) for seed, head in enumerate(heads)]) > 0.85


def test_an_interval_is_set_by_the_rows_drawn_for_it_where_they_are_enough() -> None:
    labels = labels_of(100, seed=3, calibration=FEWEST_CALIBRATION)
    rows = np.ones(100, dtype=bool)
    head, drawn = fit_on(labels, rows, PRIOR), labels.splits == CALIBRATION
    strange = labels.targets.copy()
    strange[drawn] = 100 - strange[drawn]  # the rows it is set by speak against what the others teach
    told = Labels(**{**{name: getattr(labels, name) for name in Labels.__slots__}, "targets": strange})
    assert fit_on(told, rows & ~drawn, PRIOR).predict(labels.vectors).overall == pytest.approx(
        fit_on(labels, rows & ~drawn, PRIOR).predict(labels.vectors).overall
    )
    assert width(fit_on(told, rows, PRIOR), labels) > 1.5 * width(head, labels)


def test_a_network_to_be_tuned_starts_from_a_line_that_needs_no_pictures_nearby() -> None:
    labels, rows = labels_of(100, seed=4), np.ones(100, dtype=bool)
    centres = labels.vectors[:5]
    corrected = replace(PRIOR, correction=Correction(8.0, np.ones(WIDTH), centres, np.full(5, 9.0), 4.0))
    line, other = (straight_on(labels, rows, prior) for prior in (PRIOR, corrected))
    assert other.correction is None
    assert other.coefficients == pytest.approx(line.coefficients)
    assert fit_on(labels, rows, corrected).correction is corrected.correction


def test_one_product_alone_keeps_the_prior_s_factor_for_it_cannot_be_parted() -> None:
    labels = labels_of(20, seed=1, each=20)
    assert fit_on(labels, np.ones(20, dtype=bool), PRIOR).interval_factor == PRIOR.interval_factor


def test_too_few_labels_keep_the_prior_s_factor() -> None:
    labels = labels_of(FEWEST_CROSSED - 1, seed=1)
    rows = np.ones(FEWEST_CROSSED - 1, dtype=bool)
    assert fit_on(labels, rows, PRIOR).interval_factor == PRIOR.interval_factor
