"""The head: from cached features to an overall score and five dimensions, refit in seconds.

A Bayesian linear model. Labels fit the residual over a prior head, so that twenty labels correct the
shipped model instead of replacing it; how strongly is decided by the evidence (marginal likelihood,
Bishop, Pattern Recognition and Machine Learning, 3.5). Its posterior gives the epistemic variance that
active learning asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from scoring.core.types import Dimension, FloatArray, NotFiniteError

Array = npt.NDArray[np.float64]
OUTPUTS = 1 + len(Dimension)  # overall first, then the dimensions in order
CLIP = 12.0  # beyond this a feature is an accident of the picture, not evidence
RIDGES = np.logspace(-3, 5, 33)
NOISE_FLOOR = 4.0  # score points squared: no label is surer than two points
FEWEST_DIMENSION_LABELS = 8
MIN_RELATIVE_EVIDENCE = 1.0  # nats a weaker ridge must win by, so that few labels do not overfit


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
    """``coefficients`` (6, F) on features standardised by ``mean`` and ``std`` (F,), ``intercepts`` (6,);
    ``covariance`` (F, F) of the overall coefficients; ``interval_factor`` is the conformal q."""

    feature_version: str
    mean: Array
    std: Array
    coefficients: Array
    intercepts: Array
    covariance: Array
    noise_var: float
    interval_factor: float = 1.645

    def predict(self, vectors: FloatArray, *, feature_version: str | None = None) -> HeadOutput:
        """Predict from vectors (N, F) of this head's feature version; scores clipped to 0-100."""
        if feature_version is not None and feature_version != self.feature_version:
            raise FeatureVersionError(f"head of {self.feature_version} was given {feature_version}")
        features = self.standardised(vectors)
        raw = np.clip(features @ self.coefficients.T + self.intercepts, 0.0, 100.0)
        epistemic = ((features @ self.covariance) * features).sum(axis=1)
        return HeadOutput(raw[:, 0], np.maximum(epistemic, 0.0), self.noise_var, raw[:, 1:])

    def standardised(self, vectors: FloatArray) -> Array:
        """Vectors (N, F) as the coefficients expect them; accidents of a picture are cut off."""
        table = np.atleast_2d(np.asarray(vectors, dtype=np.float64))
        if table.shape[1] != len(self.mean):
            raise FeatureVersionError(f"{len(self.mean)} features expected, got {table.shape[1]}")
        if not np.isfinite(table).all():
            raise NotFiniteError("features hold values that are not finite")
        return np.asarray(np.clip((table - self.mean) / self.std, -CLIP, CLIP), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Fit:
    """One ridge fit: coefficients (F,), intercept, covariance (F, F), noise variance, ridge."""

    coefficients: Array
    intercept: float
    covariance: Array
    noise_var: float
    ridge: float


def fit_head(
    *,
    vectors: FloatArray,
    overall: npt.ArrayLike,
    feature_version: str,
    dimensions: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
    prior: Head | None = None,
) -> Head:
    """Fit a head on N labelled pictures.

    ``vectors`` (N, F); ``overall`` (N,) 0-100; ``dimensions`` (N, 5) 0-100, NaN where nobody voted;
    ``weights`` (N,) 1 / label variance. With a ``prior`` the residual over it is fitted; a dimension
    with fewer than eight votes keeps the prior's coefficients. NaN in features or overall is refused.
    """
    table, target = np.asarray(vectors, dtype=np.float64), np.asarray(overall, dtype=np.float64)
    if not (np.isfinite(table).all() and np.isfinite(target).all()):
        raise NotFiniteError("features or labels hold values that are not finite")
    if len(table) < 2 or len(table) != len(target):
        raise ValueError(f"at least two labelled pictures are needed, got {len(table)} and {len(target)}")
    start = prior or _flat_head(table, target, feature_version)
    if start.feature_version != feature_version:
        raise FeatureVersionError(f"prior of {start.feature_version} offered for {feature_version}")
    features = start.standardised(table.astype(np.float32))
    share = _weights(weights, len(target))
    coefficients, intercepts = start.coefficients.copy(), start.intercepts.copy()
    fit = _fit(features, target - features @ coefficients[0] - intercepts[0], share)
    coefficients[0] += fit.coefficients
    intercepts[0] += fit.intercept
    if dimensions is not None:
        _fit_dimensions(features, np.asarray(dimensions, dtype=np.float64), share, coefficients, intercepts)
    return replace(
        start,
        coefficients=coefficients,
        intercepts=intercepts,
        covariance=fit.covariance,
        noise_var=fit.noise_var,
    )


def _fit_dimensions(
    features: Array, votes: Array, share: Array, coefficients: Array, intercepts: Array
) -> None:
    """Refit in place each dimension that enough people voted on."""
    for column in range(votes.shape[1]):
        known = np.isfinite(votes[:, column])
        if known.sum() >= FEWEST_DIMENSION_LABELS:
            row = column + 1
            residual = votes[known, column] - features[known] @ coefficients[row] - intercepts[row]
            fit = _fit(features[known], residual, share[known])
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
        intercepts=np.full(OUTPUTS, float(target.mean())),
        covariance=np.eye(count),
        noise_var=float(max(target.var(), NOISE_FLOOR)),
    )


def _weights(weights: npt.ArrayLike | None, count: int) -> Array:
    """Weights with mean one; NaN, zero and negative ones are refused."""
    share = np.ones(count) if weights is None else np.asarray(weights, dtype=np.float64)
    if len(share) != count or not np.isfinite(share).all() or (share <= 0).any():
        raise NotFiniteError("every label needs a finite weight above zero")
    return np.asarray(share / share.mean(), dtype=np.float64)


def _fit(features: Array, residual: Array, share: Array) -> Fit:
    """Weighted ridge with an intercept, itself drawn towards zero as far as it may be chance."""
    intercept = _level(residual, share)
    return replace(fit_ridge(features, residual - intercept, share), intercept=intercept)


def _level(residual: Array, share: Array) -> float:
    """Weighted mean, shrunk by its own error (James and Stein 1961, positive part).

    People who agree with the prior on the whole must not move it by the noise of twenty votes.
    """
    mean = float(share @ residual / share.sum())
    if mean == 0 or len(residual) < 2:
        return 0.0
    variance = float(share @ (residual - mean) ** 2 / share.sum())
    error = variance * float((share**2).sum()) / float(share.sum()) ** 2
    return mean * max(0.0, 1.0 - error / mean**2)


def fit_ridge(features: Array, target: Array, share: Array) -> Fit:
    """Weighted ridge through the origin; the evidence picks the ridge. O(min(N, F)^3 + N F min(N, F)).

    ``features`` (N, F), ``target`` (N,), ``share`` (N,) weights of mean one.
    """
    root = np.sqrt(share)[:, None]
    x, y = features * root, target * root[:, 0]
    count, width = x.shape
    values, basis = np.linalg.eigh(x @ x.T if count <= width else x.T @ x)
    values = np.maximum(values, 0.0)
    rotated = basis.T @ y if count <= width else (basis.T @ (x.T @ y)) / np.sqrt(np.maximum(values, 1e-12))
    rest = max(0.0, float(y @ y - rotated @ rotated))
    ridge, noise = _best_ridge(values, rotated, rest, count)
    inner = (basis / (values + ridge)) @ basis.T
    if count <= width:
        coefficients = x.T @ (inner @ y)
        covariance = (np.eye(width) - x.T @ inner @ x) * (noise / ridge)
    else:
        coefficients, covariance = inner @ (x.T @ y), inner * noise
    return Fit(coefficients, 0.0, covariance, max(noise, NOISE_FLOOR), ridge)


def _best_ridge(values: Array, rotated: Array, rest: float, count: int) -> tuple[float, float]:
    """Ridge and noise variance of highest evidence; a weaker ridge must win clearly."""
    best: tuple[float, float, float] | None = None
    for ridge in RIDGES[::-1]:
        shrink = ridge / (values + ridge)
        noise = (float((rotated**2 * shrink).sum()) + rest) / count
        evidence = -0.5 * (count * np.log(max(noise, 1e-9)) - float(np.log(shrink).sum()))
        if best is None or evidence > best[0] + MIN_RELATIVE_EVIDENCE:
            best = (evidence, float(ridge), max(noise, NOISE_FLOOR))
    if best is None:
        raise ValueError("no ridge could be tried")
    return best[1], best[2]


def head_to_tensors(head: Head) -> dict[str, npt.NDArray[Any]]:
    """Arrays of a head for a weights file, float32 but for the covariance (float16 would lose it)."""
    return {
        "mean": head.mean.astype(np.float32),
        "std": head.std.astype(np.float32),
        "coefficients": head.coefficients.astype(np.float32),
        "intercepts": head.intercepts.astype(np.float32),
        "covariance": head.covariance.astype(np.float32),
        "noise_var": np.array([head.noise_var], dtype=np.float32),
        "interval_factor": np.array([head.interval_factor], dtype=np.float32),
    }


def head_from_tensors(tensors: Mapping[str, npt.NDArray[Any]], *, feature_version: str) -> Head:
    """The head a weights file holds; a missing array is a KeyError naming it."""
    wide = {name: np.asarray(value, dtype=np.float64) for name, value in tensors.items()}
    return Head(
        feature_version=feature_version,
        mean=wide["mean"],
        std=wide["std"],
        coefficients=wide["coefficients"],
        intercepts=wide["intercepts"],
        covariance=wide["covariance"],
        noise_var=float(wide["noise_var"][0]),
        interval_factor=float(wide["interval_factor"][0]),
    )
