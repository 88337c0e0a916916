"""A head learns a line, knows what it does not know, and refuses features of another kind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scoring.core.checkpoint import WeightsError, read_tensors, write_tensors
from scoring.core.head import FeatureVersionError, fit_head, head_from_tensors, head_to_tensors
from scoring.core.metrics import srcc
from scoring.core.predict import score_table
from scoring.core.types import NotFiniteError

RNG = np.random.default_rng(4)
VECTORS = RNG.normal(size=(300, 40)).astype(np.float32)
TRUTH = np.clip(55 + VECTORS[:, :5] @ np.array([9, -6, 5, 3, 2]) + RNG.normal(0, 4, 300), 0, 100)


def test_a_line_is_learnt_and_its_noise_is_told() -> None:
    head = fit_head(vectors=VECTORS[:200], overall=TRUTH[:200], feature_version="v")
    output = head.predict(VECTORS[200:])
    assert srcc(output.overall, TRUTH[200:]) > 0.9
    assert head.noise_var == pytest.approx(16, rel=0.5)


def test_more_labels_leave_less_to_learn() -> None:
    few, many = (fit_head(vectors=VECTORS[:n], overall=TRUTH[:n], feature_version="v") for n in (30, 200))
    asked = VECTORS[200:]
    assert many.predict(asked).epistemic_var.mean() < few.predict(asked).epistemic_var.mean()


def test_twenty_labels_correct_a_prior_instead_of_replacing_it() -> None:
    prior = fit_head(vectors=VECTORS[:200], overall=TRUTH[:200], feature_version="v")
    strict = TRUTH - 15
    corrected = fit_head(vectors=VECTORS[200:220], overall=strict[200:220], feature_version="v", prior=prior)
    output = corrected.predict(VECTORS[220:])
    assert abs(float((output.overall - strict[220:]).mean())) < 4
    assert srcc(output.overall, strict[220:]) > 0.88


def test_a_dimension_few_voted_on_keeps_the_priors_opinion() -> None:
    prior = fit_head(vectors=VECTORS[:200], overall=TRUTH[:200], feature_version="v")
    votes = np.full((100, 5), np.nan)
    votes[:7, 0], votes[:, 1] = 10.0, TRUTH[200:]
    head = fit_head(
        vectors=VECTORS[200:], overall=TRUTH[200:], dimensions=votes, feature_version="v", prior=prior
    )
    assert (head.coefficients[1] == prior.coefficients[1]).all()
    assert srcc(head.predict(VECTORS[:200]).dimensions[:, 1], TRUTH[:200]) > 0.8


def test_features_of_another_version_or_length_are_refused() -> None:
    head = fit_head(vectors=VECTORS, overall=TRUTH, feature_version="v")
    with pytest.raises(FeatureVersionError):
        head.predict(VECTORS, feature_version="w")
    with pytest.raises(FeatureVersionError):
        head.predict(VECTORS[:, :39])
    with pytest.raises(NotFiniteError):
        head.predict(np.full((1, 40), np.nan, dtype=np.float32))


def test_a_head_survives_its_weights_file(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    head = replace(fit_head(vectors=VECTORS, overall=TRUTH, feature_version="v"), interval_factor=1.7)
    digest = write_tensors(folder, head_to_tensors(head), {"seed": 1})
    again = head_from_tensors(read_tensors(folder, digest), feature_version="v")
    assert np.abs(score_table(again, VECTORS) - score_table(head, VECTORS)).max() < 0.01
    body = (folder / f"{digest}.safetensors").read_bytes()
    (folder / f"{digest}.safetensors").write_bytes(body[:-1] + bytes([body[-1] ^ 1]))
    with pytest.raises(WeightsError, match="not the file"):
        read_tensors(folder, digest)
    with pytest.raises(WeightsError, match="no weights"):
        read_tensors(folder, "0" * 64)


def test_intervals_stay_on_the_scale_and_hold_the_score() -> None:
    table = score_table(fit_head(vectors=VECTORS, overall=TRUTH, feature_version="v"), VECTORS * 4)
    assert table[:, [0, 2, 3, 4, 5, 6, 7, 8]].min() >= 0
    assert table[:, [0, 2, 3]].max() <= 100
    assert ((table[:, 2] <= table[:, 0]) & (table[:, 0] <= table[:, 3])).all()
