"""Fits what ships with the encoder: the projection, the defect heads and the first head.

Three kinds of evidence: pictures people scored (absolute), pairs of one picture before and after a
seeded fault (how far it should fall), and untouched pictures (whom not to accuse).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from scoring.core.calibrate import conformal_factor
from scoring.core.features import EMBEDDING_SIZE, MEASURE_WEIGHT, FeatureModel
from scoring.core.head import OUTPUTS, Head, fit_ridge
from scoring.core.types import Defect, Dimension, FloatArray

Array = npt.NDArray[np.float64]
FALL_AT_RUIN = 60.0  # score points a picture loses when one fault ruins it
CLEAN_DIMENSION_SCORE = 78.0
PAIR_WEIGHT = 0.35  # of a before-and-after pair beside one scored picture
LOGISTIC_RIDGE = 3.0
ACCUSED_CLEAN_SHARE = 0.003  # of untouched pictures, per defect, at probability 0.5

S, C, K, L, B = (
    Dimension.SHARPNESS,
    Dimension.COLOUR,
    Dimension.COMPOSITION,
    Dimension.LIGHTING,
    Dimension.BACKGROUND,
)
HARMS: Mapping[Defect, Mapping[Dimension, float]] = {
    Defect.DEFOCUS_BLUR: {S: 1.0},
    Defect.MOTION_BLUR: {S: 1.0},
    Defect.NOISE: {S: 0.8, C: 0.2},
    Defect.JPEG_ARTEFACTS: {S: 0.8, C: 0.2},
    Defect.UNDER_EXPOSED: {L: 1.0, C: 0.3},
    Defect.OVER_EXPOSED: {L: 1.0, C: 0.4},
    Defect.LOW_CONTRAST: {L: 0.8, C: 0.5},
    Defect.COLOUR_CAST: {C: 1.0},
    Defect.UPSCALED: {S: 1.0},
    Defect.CLUTTERED_BACKGROUND: {B: 1.0, K: 0.2},
    Defect.PRODUCT_TOO_SMALL: {K: 1.0},
    Defect.OFF_CENTRE: {K: 0.8},
    Defect.CROPPED: {K: 1.0},
    Defect.BORDER: {B: 0.7, K: 0.3},
    Defect.TEXT_OVERLAY: {B: 0.9},
    Defect.COLLAGE: {K: 0.9, B: 0.5},
}
# A picture with the first fault may honestly show the second: it is no evidence against it.
ALIKE: Mapping[Defect, frozenset[Defect]] = {
    Defect.DEFOCUS_BLUR: frozenset({Defect.UPSCALED, Defect.MOTION_BLUR, Defect.JPEG_ARTEFACTS}),
    Defect.MOTION_BLUR: frozenset({Defect.DEFOCUS_BLUR, Defect.UPSCALED}),
    Defect.UPSCALED: frozenset({Defect.DEFOCUS_BLUR}),
    Defect.OFF_CENTRE: frozenset({Defect.PRODUCT_TOO_SMALL, Defect.CROPPED}),
    Defect.PRODUCT_TOO_SMALL: frozenset({Defect.OFF_CENTRE}),
    Defect.CROPPED: frozenset({Defect.OFF_CENTRE, Defect.CLUTTERED_BACKGROUND}),
    Defect.CLUTTERED_BACKGROUND: frozenset({Defect.COLLAGE, Defect.CROPPED}),
    Defect.COLLAGE: frozenset({Defect.CLUTTERED_BACKGROUND, Defect.CROPPED}),
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """Rows (N,) of raw network vectors (N, R) and measures (N, M).

    ``source``: index of the untouched row a degraded one came from, -1 for untouched. ``fault`` and
    ``severity`` of degraded rows. ``people``: human score 0-100, NaN where nobody scored. ``may_be_accused``:
    untouched rows that are no evidence of being free of faults (photos in the wild).
    """

    raw: FloatArray
    measures: FloatArray
    source: npt.NDArray[np.int64]
    fault: Sequence[Defect | None]
    severity: Array
    people: Array
    may_be_accused: npt.NDArray[np.bool_]


def fit_features(evidence: Evidence, *, version: str, size: int) -> FeatureModel:
    """Projection by PCA of untouched rows, usual measures, and defect heads."""
    untouched = evidence.source < 0
    raw = evidence.raw[untouched].astype(np.float64)
    centre = raw.mean(axis=0)
    _, spread, basis = np.linalg.svd(raw - centre, full_matrices=False)
    kept = max(EMBEDDING_SIZE, min(size, len(spread)))
    components = basis[:kept] * (np.sqrt(len(raw)) / spread[0])
    fair = untouched & ~evidence.may_be_accused
    usual = evidence.measures[fair if fair.any() else untouched].astype(np.float64)
    model = FeatureModel(
        version=version,
        centre=centre.astype(np.float32),
        components=components.astype(np.float32),
        usual_mean=usual.mean(axis=0).astype(np.float32),
        usual_std=np.maximum(usual.std(axis=0), 1e-3).astype(np.float32),
        defect_weights=np.zeros((len(Defect), kept + evidence.measures.shape[1]), dtype=np.float32),
        defect_bias=np.full(len(Defect), -4.0, dtype=np.float32),
    )
    weights, bias = _fit_defects(vectors_of(model, evidence), evidence)
    return FeatureModel(
        **{name: getattr(model, name) for name in FeatureModel.__slots__ if not name.startswith("defect")},
        defect_weights=weights.astype(np.float32),
        defect_bias=bias.astype(np.float32),
    )


def vectors_of(model: FeatureModel, evidence: Evidence) -> Array:
    """Vectors (N, F) of all rows, as ``features.compose`` makes them."""
    reduced = (evidence.raw - model.centre) @ model.components.T
    standard = np.clip((evidence.measures - model.usual_mean) / model.usual_std, -5, 5) * MEASURE_WEIGHT
    return np.concatenate([reduced, standard], axis=1).astype(np.float64)


def _fit_defects(vectors: Array, evidence: Evidence) -> tuple[Array, Array]:
    """Logistic weights (16, F) and biases (16,), the biases moved so that few untouched are accused."""
    mean, std = vectors.mean(axis=0), np.maximum(vectors.std(axis=0), 1e-6)
    scaled = np.clip((vectors - mean) / std, -8, 8)
    untouched = (evidence.source < 0) & ~evidence.may_be_accused
    weights, biases = [], []
    for defect in Defect:
        truth = np.array([fault == defect for fault in evidence.fault])
        alike = ALIKE.get(defect, frozenset())
        unsure = np.array([fault in alike for fault in evidence.fault]) | (
            (evidence.source < 0) & evidence.may_be_accused
        )
        coefficients, bias = fit_logistic(scaled[~unsure], truth[~unsure])
        logits = scaled[untouched] @ coefficients + bias
        if len(logits):
            bias -= max(0.0, float(np.quantile(logits, 1 - ACCUSED_CLEAN_SHARE)))
        weights.append(coefficients / std)
        biases.append(bias - float((coefficients / std) @ mean))
    return np.stack(weights), np.array(biases)


def fit_logistic(
    x: Array, truth: npt.NDArray[np.bool_], *, ridge: float = LOGISTIC_RIDGE
) -> tuple[Array, float]:
    """Weights (F,) and bias of a ridge-penalised logistic model; both answers weigh the same in sum."""
    sign = np.where(truth, 1.0, -1.0)
    share = np.where(truth, 0.5 / max(1, truth.sum()), 0.5 / max(1, (~truth).sum())) * len(truth)

    def loss(parameters: Array) -> tuple[float, Array]:
        margin = sign * (x @ parameters[:-1] + parameters[-1])
        value = share @ np.logaddexp(0, -margin) + ridge * parameters[:-1] @ parameters[:-1]
        slope = -sign * share / (1 + np.exp(np.clip(margin, -30, 30)))
        gradient = np.append(x.T @ slope + 2 * ridge * parameters[:-1], slope.sum())
        return float(value), gradient

    found = minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 300})
    return np.asarray(found.x[:-1]), float(found.x[-1])


def fit_base_head(vectors: Array, evidence: Evidence, *, version: str, rng: np.random.Generator) -> Head:
    """The first head: people's scores where there are any, falls of before-and-after pairs everywhere."""
    scored = np.isfinite(evidence.people)
    degraded = np.flatnonzero(evidence.source >= 0)
    falls = vectors[degraded] - vectors[evidence.source[degraded]]
    anchor = vectors[scored].mean(axis=0) if scored.any() else vectors[evidence.source < 0].mean(axis=0)
    level = float(evidence.people[scored].mean()) if scored.any() else CLEAN_DIMENSION_SCORE
    overall = fit_ridge(
        np.concatenate([vectors[scored] - anchor, falls]),
        np.concatenate([evidence.people[scored] - level, -FALL_AT_RUIN * evidence.severity[degraded]]),
        np.concatenate([np.ones(int(scored.sum())), np.full(len(falls), PAIR_WEIGHT)]),
    )
    coefficients = np.zeros((OUTPUTS, vectors.shape[1]))
    intercepts = np.full(OUTPUTS, CLEAN_DIMENSION_SCORE)
    coefficients[0], intercepts[0] = overall.coefficients, level
    _fit_dimension_rows(vectors, evidence, anchor, coefficients, intercepts)
    head = Head(
        feature_version=version,
        mean=anchor,
        std=np.ones(vectors.shape[1]),
        coefficients=coefficients,
        intercepts=intercepts,
        covariance=overall.covariance,
        noise_var=overall.noise_var,
    )
    return _with_interval(head, vectors[scored], evidence.people[scored])


def _fit_dimension_rows(
    vectors: Array, evidence: Evidence, anchor: Array, coefficients: Array, intercepts: Array
) -> None:
    """Each dimension falls by what a fault harms it, and stands at 78 on untouched product photos."""
    degraded = np.flatnonzero(evidence.source >= 0)
    clean = np.flatnonzero((evidence.source < 0) & ~evidence.may_be_accused)
    falls = vectors[degraded] - vectors[evidence.source[degraded]]
    for column, dimension in enumerate(Dimension, start=1):
        harm = np.array([_harm(evidence.fault[int(k)], dimension) for k in degraded])
        drop = -FALL_AT_RUIN * harm * evidence.severity[degraded]
        fit = fit_ridge(
            np.concatenate([vectors[clean] - anchor, falls]),
            np.concatenate([np.zeros(len(clean)), drop]),
            np.concatenate([np.full(len(clean), 0.15), np.ones(len(falls))]),
        )
        coefficients[column] = fit.coefficients
        intercepts[column] = CLEAN_DIMENSION_SCORE


def _harm(fault: Defect | None, dimension: Dimension) -> float:
    return HARMS[fault].get(dimension, 0.0) if fault else 0.0


def _with_interval(head: Head, vectors: Array, people: Array) -> Head:
    """A conformal factor from scored rows; in-sample, so widened by a tenth until real labels recalibrate."""
    if len(people) < 20:
        return head
    output = head.predict(vectors.astype(np.float32))
    factor = 1.1 * conformal_factor(output.overall, people, output.overall_std)
    return Head(
        **{name: getattr(head, name) for name in Head.__slots__ if name != "interval_factor"},
        interval_factor=factor,
    )
