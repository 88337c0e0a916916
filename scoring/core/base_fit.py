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
from scoring.core.correction import Known, fit_correction
from scoring.core.defect_fit import fit_defects
from scoring.core.evidence import Array, Evidence
from scoring.core.features import EMBEDDING_SIZE, MEASURE_WEIGHT, FeatureModel, felt, standard_measures
from scoring.core.head import NOISE_FLOOR, OUTPUTS, Fit, Head, fit_ridge, level_of
from scoring.core.ridge import kfold
from scoring.core.types import Defect, Dimension, FloatArray

FALL_AT_RUIN = 60.0  # score points a picture loses when one fault ruins it
CLEAN_SCORE = 72.0  # where an untouched product photo is assumed to stand, loosely
CLEAN_WEIGHT = 0.05
PAIR_WEIGHT = 0.35  # of a before-and-after pair beside one scored picture, where a photo has FALLS of them
FALLS = 4
NEAR_PAIR_WEIGHT, NEAR_CLEAN_WEIGHT = 0.06, 0.01  # likewise, of both, for what corrects the line
SHOWN = 700  # photos, with and without faults, that a correction speaks of beside all scored ones
SEED = 5
UNTOUCHED_WEIGHT = 0.15  # of a photo beside a fall, for how far dimensions stand apart
CALIBRATION_FOLDS = 5
FALLS_AT_MOST = 2400  # rows that tell how faults move photos
FEWEST_SCORED = 20

Rows = npt.NDArray[np.int64]

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
    head = _with_dimensions(_overall_head(vectors, evidence, scored, version), vectors, evidence)
    left_out = left_out or leave_out(vectors, evidence)
    return head if left_out is None else _calibrated(head, left_out, evidence.people[scored])


def _overall_head(vectors: Array, evidence: Evidence, scored: Rows, version: str) -> Head:
    """A head that says the overall score, and of all dimensions the same: a line, and what corrects it."""
    anchor = vectors[scored if len(scored) else evidence.untouched].mean(axis=0)
    level = float(evidence.people[scored].mean()) if len(scored) else CLEAN_SCORE
    fit = _fit_line(vectors, evidence, scored, anchor, level)
    coefficients = np.zeros((OUTPUTS, vectors.shape[1]))
    coefficients[0] = fit.coefficients
    head = Head(
        feature_version=version,
        mean=anchor,
        std=np.ones(vectors.shape[1]),
        coefficients=coefficients,
        intercepts=level_of(level),
        covariance=fit.covariance,
        noise_var=fit.noise_var,
    )
    return head if len(scored) < FEWEST_SCORED else _corrected(head, vectors, evidence, scored)


def _fit_line(vectors: Array, evidence: Evidence, scored: Rows, anchor: Array, level: float) -> Fit:
    """Fit of the overall score, from a level, on these scored rows, all falls, and how clean photos stand."""
    degraded, clean = np.flatnonzero(~evidence.untouched), np.flatnonzero(evidence.fair)
    parts = (
        (vectors[scored] - anchor, evidence.people[scored] - level, 1.0),
        (
            vectors[degraded] - vectors[evidence.source[degraded]],
            _overall_falls(evidence),
            PAIR_WEIGHT * rarity_of(evidence),
        ),
        (vectors[clean] - anchor, np.full(len(clean), CLEAN_SCORE - level), CLEAN_WEIGHT),
    )
    return fit_ridge(
        np.concatenate([x for x, _, _ in parts]),
        np.concatenate([y for _, y, _ in parts]),
        np.concatenate([np.full(len(y), weight) for _, y, weight in parts]),
    )


def _corrected(head: Head, vectors: Array, evidence: Evidence, scored: Rows) -> Head:
    """With what pictures nearby say that the line does not."""
    degraded, clean = np.flatnonzero(~evidence.untouched), np.flatnonzero(evidence.fair)
    level = head.intercepts[0]
    parts = (
        (scored, evidence.people[scored] - level, 1.0),
        (degraded, _overall_falls(evidence), NEAR_PAIR_WEIGHT * rarity_of(evidence)),
        (clean, np.full(len(clean), CLEAN_SCORE - level), NEAR_CLEAN_WEIGHT),
    )
    known = Known(
        at=np.concatenate([rows for rows, _, _ in parts]),
        less=np.concatenate([evidence.source[rows] for rows, _, _ in parts]),
        points=np.concatenate([points for _, points, _ in parts]),
        weights=np.concatenate([np.full(len(rows), weight) for rows, _, weight in parts]),
    )
    photos = np.concatenate([clean, degraded])
    drawn = np.random.default_rng(SEED).choice(photos, min(SHOWN, len(photos)), replace=False)
    table = head.standardised(vectors.astype(np.float32))
    line = head.coefficients[0]
    return replace(head, correction=fit_correction(table, line, known, scored=scored, shown=np.sort(drawn)))


def _with_dimensions(head: Head, vectors: Array, evidence: Evidence) -> Head:
    """With how far each dimension stands above the overall score: about not at all on untouched photos, and
    by what a fault takes from the whole and not from it."""
    degraded, untouched = np.flatnonzero(~evidence.untouched), np.flatnonzero(evidence.untouched)
    falls = vectors[degraded] - vectors[evidence.source[degraded]]
    table = np.concatenate([vectors[untouched] - head.mean, falls])
    weights = np.concatenate(
        [np.full(len(untouched), UNTOUCHED_WEIGHT), np.full(len(falls), rarity_of(evidence))]
    )
    of_overall = _falls_of(head.unclipped(vectors.astype(np.float32)), evidence)
    coefficients = head.coefficients.copy()
    for column, dimension in enumerate(Dimension, start=1):
        harm = np.array([_harm(evidence.fault[int(k)], dimension) for k in degraded])
        above = -FALL_AT_RUIN * harm * evidence.severity[degraded] - of_overall
        coefficients[column] = fit_ridge(
            table, np.concatenate([np.zeros(len(untouched)), above]), weights
        ).coefficients
    return replace(head, coefficients=coefficients)


def rarity_of(evidence: Evidence) -> float:
    """What a fall counts: the less, the more than FALLS a photo has, so that all together weigh the same."""
    photos, falls = int(np.count_nonzero(evidence.fair)), int(np.count_nonzero(~evidence.untouched))
    return min(1.0, FALLS * photos / max(1, falls))


def _overall_falls(evidence: Evidence) -> Array:
    """Points (D,) by which the overall score of each degraded row should change."""
    degraded = np.flatnonzero(~evidence.untouched)
    harm = np.array([OVERALL_HARM[Defect(str(evidence.fault[int(k)]))] for k in degraded])
    return np.asarray(-FALL_AT_RUIN * harm * evidence.severity[degraded])


def _falls_of(said: Array, evidence: Evidence) -> Array:
    """By how much scores (N,) of all rows change with each degraded row (D,)."""
    degraded = np.flatnonzero(~evidence.untouched)
    return np.asarray(said[degraded] - said[evidence.source[degraded]])


def _harm(fault: Defect | None, dimension: Dimension) -> float:
    return HARMS[fault].get(dimension, 0.0) if fault else 0.0


def leave_out(vectors: Array, evidence: Evidence) -> LeftOut | None:
    """Guesses of scored rows by fits that left them out, a fifth at a time; None of too few."""
    scored = np.flatnonzero(np.isfinite(evidence.people))
    if len(scored) < FEWEST_SCORED:
        return None
    guess, doubt = np.zeros(len(scored)), np.zeros(len(scored))
    for fold in kfold(len(scored), CALIBRATION_FOLDS):
        kept = np.setdiff1d(np.arange(len(scored)), fold)
        head = _overall_head(vectors, evidence, scored[kept], "")
        told = head.predict(vectors[scored[fold]].astype(np.float32))
        guess[fold], doubt[fold] = told.overall, told.epistemic_var
    return LeftOut(guess, doubt)


def _calibrated(head: Head, left_out: LeftOut, people: Array) -> Head:
    """Noise and conformal factor from scored rows that were left out."""
    noise = max(NOISE_FLOOR, float(np.mean((left_out.guess - people) ** 2 - left_out.doubt)))
    factor = conformal_factor(left_out.guess, people, np.sqrt(left_out.doubt + noise))
    return replace(head, noise_var=noise, interval_factor=factor)
