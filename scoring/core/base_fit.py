"""Fits what ships with the encoder: the projection, the defect heads and the first head.

Three kinds of evidence: pictures people scored (absolute), pairs of one picture less and more harmed by a
seeded fault (how far it should fall), and untouched pictures (whom not to accuse).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from scoring.core.calibrate import conformal_factor
from scoring.core.defect_fit import fit_defects
from scoring.core.evidence import Array, Evidence
from scoring.core.features import EMBEDDING_SIZE, MEASURE_WEIGHT, FeatureModel, felt, standard_measures
from scoring.core.head import NOISE_FLOOR, OUTPUTS, Fit, Head, fit_ridge
from scoring.core.ridge import kfold
from scoring.core.types import Defect, Dimension, FloatArray

FALL_AT_RUIN = 60.0  # score points a picture loses when one fault ruins it
CLEAN_DIMENSION_SCORE = 78.0
CLEAN_SCORE = 72.0  # where an untouched product photo is assumed to stand, loosely
CLEAN_WEIGHT = 0.05
PAIR_WEIGHT = 0.35  # of a before-and-after pair beside one scored picture
CALIBRATION_FOLDS = 5
FALLS_AT_MOST = 2400  # rows that tell how faults move photos
FEWEST_SCORED = 20

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
# What a fault at its worst costs the whole picture, beside blur.
OVERALL_HARM: Mapping[Defect, float] = {
    Defect.DEFOCUS_BLUR: 1.0,
    Defect.MOTION_BLUR: 1.0,
    Defect.NOISE: 0.8,
    Defect.JPEG_ARTEFACTS: 0.8,
    Defect.UNDER_EXPOSED: 0.9,
    Defect.OVER_EXPOSED: 0.9,
    Defect.LOW_CONTRAST: 0.6,
    Defect.COLOUR_CAST: 0.6,
    Defect.UPSCALED: 0.8,
    Defect.CLUTTERED_BACKGROUND: 0.6,
    Defect.PRODUCT_TOO_SMALL: 0.6,
    Defect.OFF_CENTRE: 0.4,
    Defect.CROPPED: 0.6,
    Defect.BORDER: 0.4,
    Defect.TEXT_OVERLAY: 0.5,
    Defect.COLLAGE: 0.6,
}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What was said of the scored rows (S,) without having seen their scores: ``guess`` 0-100, and
    ``doubt``, the epistemic variance, in squared points."""

    guess: Array
    doubt: Array


def fit_features(
    evidence: Evidence, *, version: str, size: int, taught: FloatArray | None = None
) -> FeatureModel:
    """Projection by PCA of untouched rows, usual measures, and defect heads.

    ``taught`` (K, R): directions that tuning the encoder found, kept beside those of the PCA.
    """
    centre, components = projection_of(evidence, size=size)
    if taught is not None:
        components = np.concatenate([components, _even(taught, evidence, centre)])
    fair = evidence.fair
    usual = evidence.measures[fair if fair.any() else evidence.untouched].astype(np.float64)
    model = FeatureModel(
        version=version,
        centre=centre,
        components=components,
        usual_mean=usual.mean(axis=0).astype(np.float32),
        usual_std=np.maximum(usual.std(axis=0), 1e-3).astype(np.float32),
        defect_weights=np.zeros((len(Defect), len(components) + usual.shape[1]), dtype=np.float32),
        defect_bias=np.full(len(Defect), -4.0, dtype=np.float32),
    )
    weights, bias = fit_defects(seen_of(model, evidence), evidence)
    return replace(model, defect_weights=weights.astype(np.float32), defect_bias=bias.astype(np.float32))


def projection_of(evidence: Evidence, *, size: int) -> tuple[FloatArray, FloatArray]:
    """Centre (R,) and components (P, R): how photos differ, then how faults move them beside that.

    A third of the directions are those of falls, for what a fault changes need not be what photos differ in:
    of text laid over a picture the first two thirds see little. The first direction has variance one.
    """
    photos = evidence.raw[evidence.untouched].astype(np.float32)
    centre = photos.mean(axis=0)
    harmed = np.flatnonzero(~evidence.untouched)
    harmed = harmed[:: 1 + len(harmed) // FALLS_AT_MOST]
    of_photos = max(EMBEDDING_SIZE, size - size // 3) if len(harmed) else size
    first, spread = _directions(photos - centre, of_photos)
    if not len(harmed):
        return centre, (first / np.sqrt(spread)).astype(np.float32)
    falls = evidence.raw[harmed].astype(np.float32) - evidence.raw[evidence.source[harmed]]
    falls -= (falls @ first.T) @ first
    second, _ = _directions(falls, size // 3)
    return centre, (np.concatenate([first, second]) / np.sqrt(spread)).astype(np.float32)


def _even(directions: FloatArray, evidence: Evidence, centre: FloatArray) -> FloatArray:
    """Directions (K, R) scaled so that untouched photos differ by one along each."""
    photos = evidence.raw[evidence.untouched].astype(np.float32) - centre
    spread = np.maximum((photos @ directions.T).std(axis=0), 1e-6)
    return np.asarray(directions / spread[:, None], dtype=np.float32)


def _directions(rows: FloatArray, count: int) -> tuple[FloatArray, float]:
    """At most ``count`` orthonormal directions (P, R) of most spread in rows (N, R); the first's variance."""
    values, basis = np.linalg.eigh((rows @ rows.T).astype(np.float64))
    kept = min(count, int((values > values[-1] * 1e-9).sum()))
    values, basis = values[::-1][:kept], basis[:, ::-1][:, :kept]
    return ((basis / np.sqrt(values)).T @ rows).astype(np.float32), float(values[0]) / len(rows)


def seen_of(model: FeatureModel, evidence: Evidence) -> Array:
    """What defect heads read (N, P + M), as ``features.compose`` makes it."""
    reduced = (evidence.raw.astype(np.float32) - model.centre) @ model.components.T
    standard = standard_measures(model, evidence.measures) * MEASURE_WEIGHT
    return np.concatenate([reduced, standard], axis=1).astype(np.float64)


def vectors_of(model: FeatureModel, evidence: Evidence) -> Array:
    """Vectors (N, F) of all rows, as ``features.compose`` makes them."""
    seen = seen_of(model, evidence)
    logits = seen @ model.defect_weights.T.astype(np.float64) + model.defect_bias
    return np.concatenate([seen, felt(logits.astype(np.float32))], axis=1)


def fit_base_head(
    vectors: Array, evidence: Evidence, *, version: str, left_out: LeftOut | None = None
) -> Head:
    """The first head: people's scores where there are any, falls of before-and-after pairs everywhere.

    ``left_out``: what models said of the scored rows that had not seen them, encoder included. Without it
    only the head's own fit leaves them out, which is too kind where the encoder was tuned on them.
    """
    scored = np.flatnonzero(np.isfinite(evidence.people))
    anchor = vectors[scored].mean(axis=0) if len(scored) else vectors[evidence.untouched].mean(axis=0)
    overall, level = _fit_overall(vectors, evidence, scored, anchor)
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
    if len(scored) < FEWEST_SCORED:
        return head
    return _calibrated(head, left_out or _leave_out(head, vectors, evidence, scored), evidence.people[scored])


def _fit_overall(
    vectors: Array, evidence: Evidence, scored: npt.NDArray[np.int64], anchor: Array
) -> tuple[Fit, float]:
    """Fit of the overall score on these scored rows, all falls, and the usual standing of clean photos."""
    degraded, clean = np.flatnonzero(~evidence.untouched), np.flatnonzero(evidence.fair)
    falls = vectors[degraded] - vectors[evidence.source[degraded]]
    level = float(evidence.people[scored].mean()) if len(scored) else CLEAN_SCORE
    harm = np.array([OVERALL_HARM[Defect(str(evidence.fault[int(k)]))] for k in degraded])
    parts = (
        (vectors[scored] - anchor, evidence.people[scored] - level, 1.0),
        (falls, -FALL_AT_RUIN * harm * evidence.severity[degraded], PAIR_WEIGHT),
        (vectors[clean] - anchor, np.full(len(clean), CLEAN_SCORE - level), CLEAN_WEIGHT),
    )
    fit = fit_ridge(
        np.concatenate([x for x, _, _ in parts]),
        np.concatenate([y for _, y, _ in parts]),
        np.concatenate([np.full(len(y), weight) for _, y, weight in parts]),
    )
    return fit, level


def _fit_dimension_rows(
    vectors: Array, evidence: Evidence, anchor: Array, coefficients: Array, intercepts: Array
) -> None:
    """Each dimension falls by what a fault harms it, and stands at 78 on untouched product photos."""
    degraded, clean = np.flatnonzero(~evidence.untouched), np.flatnonzero(evidence.fair)
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


def _leave_out(head: Head, vectors: Array, evidence: Evidence, scored: npt.NDArray[np.int64]) -> LeftOut:
    """Guesses of scored rows by fits that left them out, a fifth at a time."""
    guess, doubt = np.zeros(len(scored)), np.zeros(len(scored))
    for fold in kfold(len(scored), CALIBRATION_FOLDS):
        kept = np.setdiff1d(np.arange(len(scored)), fold)
        fit, level = _fit_overall(vectors, evidence, scored[kept], head.mean)
        features = vectors[scored[fold]] - head.mean
        guess[fold] = np.clip(level + features @ fit.coefficients, 0, 100)
        doubt[fold] = ((features @ fit.covariance) * features).sum(axis=1)
    return LeftOut(guess, doubt)


def _calibrated(head: Head, left_out: LeftOut, people: Array) -> Head:
    """Noise and conformal factor from scored rows that were left out."""
    noise = max(NOISE_FLOOR, float(np.mean((left_out.guess - people) ** 2 - left_out.doubt)))
    factor = conformal_factor(left_out.guess, people, np.sqrt(left_out.doubt + noise))
    return replace(head, noise_var=noise, interval_factor=factor)
