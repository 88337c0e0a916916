"""A head bends where labels call for it, stays straight where they do not, and keeps to its prior far off."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scoring.core import landmarks
from scoring.core.checkpoint import read_tensors, write_tensors
from scoring.core.fits import USUAL_RIDGE, fit_ridge
from scoring.core.head import Head, fit_head, head_from_tensors, head_to_tensors
from scoring.core.landmarks import landmarks_of
from scoring.core.metrics import srcc

RNG = np.random.default_rng(8)
VECTORS = RNG.normal(size=(500, 6)).astype(np.float32)
BENT = np.clip(70 - 14 * np.abs(VECTORS[:, 0]) - 9 * VECTORS[:, 1] ** 2 + RNG.normal(0, 2, 500), 0, 100)
STRAIGHT = np.clip(50 + VECTORS @ np.array([9, -6, 5, 3, 2, 1]) + RNG.normal(0, 4, 500), 0, 100)


def head_on(target: np.ndarray, count: int = 200, *, prior: Head | None = None) -> Head:
    return fit_head(vectors=VECTORS[:count], overall=target[:count], feature_version="v", prior=prior)


def test_what_bends_is_learnt_though_no_line_could() -> None:
    head = head_on(BENT)
    assert head.landmarks is not None
    assert srcc(head.predict(VECTORS[200:]).overall, BENT[200:]) > 0.85


def test_a_line_is_not_spoiled_by_the_offer_to_bend() -> None:
    assert srcc(head_on(STRAIGHT).predict(VECTORS[200:]).overall, STRAIGHT[200:]) > 0.9


def test_few_labels_never_bend() -> None:
    assert head_on(BENT, 9).landmarks is None


def test_thirty_labels_keep_near_the_usual_ridge_and_a_thousand_find_their_own() -> None:
    rng = np.random.default_rng(2)
    for count, lowest, highest in ((30, 0.01, 10.0), (1000, 30.0, 1e5)):
        features, share = rng.normal(size=(count, 8)) / np.sqrt(8), np.ones(count)
        noise = rng.normal(0, 10, count)  # nothing to be learnt
        told = fit_ridge(features, noise, share, margin=0.0, usual=USUAL_RIDGE)
        free = fit_ridge(features, noise, share, margin=0.0)
        assert lowest <= told.ridge <= highest, count
        assert told.ridge <= free.ridge
        assert told.evidence == free.evidence  # a belief is no argument for this kind of fit


def test_far_from_every_label_the_prior_speaks_alone_and_the_head_says_it_does_not_know() -> None:
    prior = head_on(STRAIGHT)
    bent = head_on(BENT, prior=prior)
    assert bent.landmarks is not None
    far = VECTORS[300:320] + 60.0
    moved = bent.predict(far).overall - prior.predict(far).overall
    assert np.ptp(moved) < 3.0  # a shift of level at most
    doubts = bent.predict(far).epistemic_var.mean(), bent.predict(VECTORS[:50]).epistemic_var.mean()
    assert doubts[0] > 2 * doubts[1]


def test_more_labels_than_landmarks_still_teach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landmarks, "MOST", 80)
    head = head_on(BENT, 400)
    assert head.landmarks is not None
    assert head.landmarks.centres.shape == (80, 6)
    assert srcc(head.predict(VECTORS[400:]).overall, BENT[400:]) > 0.85


def test_the_kernel_is_one_where_pictures_are_the_same_and_falls_with_distance() -> None:
    table = VECTORS[:60].astype(np.float64)
    found = landmarks_of(table)
    rows = found.features(table) + found.level
    kernel = rows @ rows.T
    assert kernel.diagonal() == pytest.approx(1.0, abs=1e-3)
    apart = ((table[0] - table) ** 2).sum(axis=1)
    assert (np.diff(kernel[0][np.argsort(apart)]) < 1e-6).all()


def test_a_bent_head_says_the_same_after_it_was_a_file(tmp_path: Path) -> None:
    head = head_on(BENT)
    digest = write_tensors(tmp_path, head_to_tensors(head), {})
    again = head_from_tensors(read_tensors(tmp_path, digest), feature_version="v")
    mine, theirs = head.predict(VECTORS[200:]), again.predict(VECTORS[200:])
    assert theirs.overall == pytest.approx(mine.overall, abs=0.05)
    assert theirs.overall_std == pytest.approx(mine.overall_std, rel=0.02)


def test_a_bent_head_is_no_prior() -> None:
    with pytest.raises(ValueError, match="prior"):
        head_on(STRAIGHT, prior=head_on(BENT))


@pytest.mark.parametrize("size", [0.2, 1.0, 4.0])
def test_a_prior_that_goes_too_far_or_not_far_enough_is_put_right_by_fifty_labels(size: float) -> None:
    true = head_on(STRAIGHT)
    prior = replace(true, coefficients=true.coefficients * size, landmarks=None, bend=None)
    head = fit_head(vectors=VECTORS[:50], overall=STRAIGHT[:50], feature_version="v", prior=prior)
    error = np.abs(head.predict(VECTORS[200:]).overall - STRAIGHT[200:]).mean()
    assert error < 5.5  # people's own noise is 3.2
