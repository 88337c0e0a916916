"""The head: from cached features to an overall score and five dimensions, refit in seconds.

A Bayesian linear model, bent by a smooth function near labelled pictures where the labels call for it
(``landmarks.py``). Labels fit the residual over a prior head, so that twenty labels correct the shipped model
instead of replacing it; how strongly, and whether bent, is decided by the evidence (marginal likelihood,
Bishop, Pattern Recognition and Machine Learning, 3.5). See docs/adr/0011.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from scoring.core.correction import Correction, correction_in
from scoring.core.fits import NOISE_FLOOR, Fit, fit_bent, fit_level, fit_ridge
from scoring.core.landmarks import Landmarks
from scoring.core.types import Dimension, FloatArray, NotFiniteError

Array = npt.NDArray[np.float64]
__all__ = [
    "NOISE_FLOOR",
    "Fit",
    "Head",
    "HeadOutput",
    "fit_head",
    "fit_ridge",
    "head_from_tensors",
    "head_to_tensors",
]

OUTPUTS = 1 + len(Dimension)  # overall first, then the dimensions in order
CLIP = 12.0  # beyond this a feature is an accident of the picture, not evidence
FEWEST_DIMENSION_LABELS = 8


class FeatureVersionError(ValueError):
    """Features of one version were offered to a head of another."""


@dataclass(frozen=True, slots=True)
class HeadOutput:
    """Predictions for N pictures, in score points: ``overall`` (N,), ``epistemic_var`` (N,) what more
    labels would remove, ``noise_var`` what they would not, ``dimensions`` (N, 5)."""

    overall: Array
    epistemic_var: Array
    noise_var: float
    dimensions: Array

    @property
    def overall_std(self) -> Array:
        """Standard deviation (N,) of a new label around the prediction."""
        return np.asarray(np.sqrt(self.epistemic_var + self.noise_var), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Head:
    """``coefficients`` (6, F) on features standardised by ``mean`` and ``std`` (F,), ``intercepts`` (6,): of
    the overall score, then by how much each dimension lies above it. ``covariance`` (F, F) of the overall
    coefficients; ``interval_factor`` is the conformal q. With ``landmarks`` the overall score also has a
    ``bend`` (L,), and ``covariance`` is (F + L, F + L). ``category_factors``: the conformal q of categories
    that had enough labels for one of their own. ``correction``: what the shipped head adds to its line."""

    feature_version: str
    mean: Array
    std: Array
    coefficients: Array
    intercepts: Array
    covariance: Array
    noise_var: float
    interval_factor: float = 1.645
    landmarks: Landmarks | None = None
    bend: Array | None = None
    category_factors: Mapping[str, float] = field(default_factory=dict)
    correction: Correction | None = None

    def predict(self, vectors: FloatArray, *, feature_version: str | None = None) -> HeadOutput:
        """Predict from vectors (N, F) of this head's feature version; scores clipped to 0-100."""
        if feature_version is not None and feature_version != self.feature_version:
            raise FeatureVersionError(f"head of {self.feature_version} was given {feature_version}")
        features = self.features(vectors)
        raw = np.clip(self._unclipped(features), 0.0, 100.0)
        epistemic = ((features @ self.covariance) * features).sum(axis=1)
        return HeadOutput(raw[:, 0], np.maximum(epistemic, 0.0), self.noise_var, raw[:, 1:])

    def factors(self, categories: Sequence[str]) -> Array:
        """Conformal q (N,) by category; the common one where a category has none."""
        return np.array([self.category_factors.get(name, self.interval_factor) for name in categories])

    def features(self, vectors: FloatArray) -> Array:
        """What ``covariance`` speaks of: standardised vectors, and beside them those of the landmarks."""
        linear = self.standardised(vectors)
        if self.landmarks is None:
            return linear
        return np.concatenate([linear, self.landmarks.features(linear)], axis=1)

    def unclipped(self, vectors: FloatArray) -> Array:
        """Overall scores (N,) before they are cut to 0-100: differences stay whole at both ends."""
        return self._unclipped(self.features(vectors))[:, 0]

    def _unclipped(self, features: Array) -> Array:
        raw: Array = features[:, : len(self.mean)] @ self.coefficients.T + self.intercepts
        if self.bend is not None:
            raw[:, 0] += features[:, len(self.mean) :] @ self.bend
        if self.correction is not None:
            raw[:, 0] += self.correction.points(features[:, : len(self.mean)])
        raw[:, 1:] += raw[:, :1]
        return raw

    def standardised(self, vectors: FloatArray) -> Array:
        """Vectors (N, F) as the coefficients expect them; accidents of a picture are cut off."""
        table = np.atleast_2d(np.asarray(vectors, dtype=np.float64))
        if table.shape[1] != len(self.mean):
            raise FeatureVersionError(f"{len(self.mean)} features expected, got {table.shape[1]}")
        if not np.isfinite(table).all():
            raise NotFiniteError("features hold values that are not finite")
        return np.asarray(np.clip((table - self.mean) / self.std, -CLIP, CLIP), dtype=np.float64)


def fit_head(
    *,
    vectors: FloatArray,
    overall: npt.ArrayLike,
    feature_version: str,
    dimensions: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
    prior: Head | None = None,
    may_bend: bool = True,
) -> Head:
    """Fit a head on N labelled pictures.

    ``vectors`` (N, F); ``overall`` (N,) 0-100; ``dimensions`` (N, 5) 0-100, NaN where nobody voted;
    ``weights`` (N,) 1 / label variance. With a ``prior`` the residual over it is fitted; a dimension
    with fewer than eight votes stands as far above the overall score as the prior says. NaN in features or
    overall is refused. Unless it ``may_bend`` the head has no landmarks.
    """
    table, target = np.asarray(vectors, dtype=np.float64), np.asarray(overall, dtype=np.float64)
    if not (np.isfinite(table).all() and np.isfinite(target).all()):
        raise NotFiniteError("features or labels hold values that are not finite")
    if len(table) < 2 or len(table) != len(target):
        raise ValueError(f"at least two labelled pictures are needed, got {len(table)} and {len(target)}")
    start = prior or _flat_head(table, target, feature_version)
    if start.landmarks is not None:
        raise ValueError("a bent head cannot be a prior: fit over the one it was fitted over")
    if start.feature_version != feature_version:
        raise FeatureVersionError(f"prior of {start.feature_version} offered for {feature_version}")
    features = start.standardised(table.astype(np.float32))
    share = _weights(weights, len(target))
    coefficients, intercepts = start.coefficients.copy(), start.intercepts.copy()
    residual = target - start.unclipped(table.astype(np.float32))
    if may_bend:
        fit, landmarks = fit_bent(features, residual, share, hunch=coefficients[0].copy())
    else:
        fit, landmarks = fit_level(features, residual, share), None
    coefficients[0] += fit.coefficients[: len(start.mean)]
    intercepts[0] += fit.intercept
    if dimensions is not None:
        above = np.asarray(dimensions, dtype=np.float64) - target[:, None]
        _fit_dimensions(features, above, share, coefficients, intercepts)
    return replace(
        start,
        coefficients=coefficients,
        intercepts=intercepts,
        covariance=fit.covariance,
        noise_var=fit.noise_var,
        landmarks=landmarks,
        bend=None if landmarks is None else fit.coefficients[len(start.mean) :],
    )


def _fit_dimensions(
    features: Array, above: Array, share: Array, coefficients: Array, intercepts: Array
) -> None:
    """Refit in place each dimension that enough people voted on; ``above`` (N, 5): their votes, less those on
    the whole picture."""
    for column in range(above.shape[1]):
        known = np.isfinite(above[:, column])
        if known.sum() >= FEWEST_DIMENSION_LABELS:
            row = column + 1
            residual = above[known, column] - features[known] @ coefficients[row] - intercepts[row]
            fit = fit_level(features[known], residual, share[known])
            coefficients[row] += fit.coefficients
            intercepts[row] += fit.intercept


def _flat_head(table: Array, target: Array, feature_version: str) -> Head:
    """A prior that knows only the mean of the labels."""
    count = table.shape[1]
    return Head(
        feature_version=feature_version,
        mean=table.mean(axis=0),
        # One scale for all: directions in which pictures differ little should also count little.
        std=np.full(count, max(float(table.std(axis=0).max()), 1e-6)),
        coefficients=np.zeros((OUTPUTS, count)),
        intercepts=level_of(float(target.mean())),
        covariance=np.eye(count),
        noise_var=float(max(target.var(), NOISE_FLOOR)),
    )


def level_of(score: float) -> Array:
    """Intercepts (6,) of a head that says this score of every picture, and of its dimensions the same."""
    return np.array([score, *[0.0] * len(Dimension)])


def _weights(weights: npt.ArrayLike | None, count: int) -> Array:
    """Weights with mean one; NaN, zero and negative ones are refused."""
    share = np.ones(count) if weights is None else np.asarray(weights, dtype=np.float64)
    if len(share) != count or not np.isfinite(share).all() or (share <= 0).any():
        raise NotFiniteError("every label needs a finite weight above zero")
    return np.asarray(share / share.mean(), dtype=np.float64)


def head_to_tensors(head: Head) -> dict[str, npt.NDArray[Any]]:
    """Arrays of a head for a weights file, float32 but for the covariance (float16 would lose it)."""
    arrays = {
        "mean": head.mean,
        "std": head.std,
        "coefficients": head.coefficients,
        "intercepts": head.intercepts,
        "covariance": head.covariance,
        "noise_var": np.array([head.noise_var]),
        "interval_factor": np.array([head.interval_factor]),
    }
    if head.category_factors:
        names = json.dumps(list(head.category_factors)).encode()
        arrays |= {
            "categories": np.frombuffer(names, dtype=np.uint8),
            "category_factors": np.array(list(head.category_factors.values())),
        }
    if head.landmarks is not None and head.bend is not None:
        arrays |= {
            "bend": head.bend,
            "landmarks.centres": head.landmarks.centres,
            "landmarks.root": head.landmarks.root,
            "landmarks.level": head.landmarks.level,
            "landmarks.length": np.array([head.landmarks.length]),
            "landmarks.scales": head.landmarks.scales,
        }
    told = {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in arrays.items()}
    return told if head.correction is None else told | head.correction.tensors()


def head_from_tensors(tensors: Mapping[str, npt.NDArray[Any]], *, feature_version: str) -> Head:
    """The head a weights file holds; a missing array is a KeyError naming it."""
    wide = {name: np.asarray(value, dtype=np.float64) for name, value in tensors.items()}
    landmarks = None
    if "bend" in wide:
        landmarks = Landmarks(
            centres=wide["landmarks.centres"],
            root=wide["landmarks.root"],
            level=wide["landmarks.level"],
            length=float(wide["landmarks.length"][0]),
            scales=wide.get("landmarks.scales", np.ones(len(wide["mean"]))),  # files of before have none
        )
    return Head(
        feature_version=feature_version,
        mean=wide["mean"],
        std=wide["std"],
        coefficients=wide["coefficients"],
        intercepts=wide["intercepts"],
        covariance=wide["covariance"],
        noise_var=float(wide["noise_var"][0]),
        interval_factor=float(wide["interval_factor"][0]),
        landmarks=landmarks,
        bend=wide.get("bend"),
        category_factors=_category_factors(wide),
        correction=correction_in(tensors),
    )


def _category_factors(wide: Mapping[str, Array]) -> dict[str, float]:
    if "categories" not in wide:
        return {}
    names = json.loads(wide["categories"].astype(np.uint8).tobytes())
    return dict(zip(names, wide["category_factors"].tolist(), strict=True))
