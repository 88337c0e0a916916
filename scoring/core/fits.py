"""One fit: ridge regression whose strength, and whether it bends, the evidence decides. Pure arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from scoring.core.landmarks import Landmarks, landmarks_of

Array = npt.NDArray[np.float64]
RIDGES = np.logspace(-3, 5, 33)
NOISE_FLOOR = 4.0  # score points squared: no label is surer than two points
MIN_RELATIVE_EVIDENCE = 1.0  # nats a weaker ridge must win by, so that few labels do not overfit
SLACK = 3.0  # nats a straight fit must win by: what it gains by chance at few labels
FEWEST_BENT = 30  # below it people who agree with the prior would pay for a bend they do not need
STRAIGHT_SHARE = 0.3  # of the straight part beside the bent one, in standard deviations
HUNCH_SHARE = 0.3  # likewise, of a prior's own direction
USUAL_RIDGE, RIDGE_SPREAD = 0.1, 1.5  # of a bent fit, as a log-normal: thirty labels alone cannot tell theirs


@dataclass(frozen=True, slots=True)
class Fit:
    """One ridge fit: coefficients (F,), intercept, covariance (F, F), noise variance, ridge, log evidence."""

    coefficients: Array
    intercept: float
    covariance: Array
    noise_var: float
    ridge: float
    evidence: float = 0.0


def fit_level(
    features: Array,
    residual: Array,
    share: Array,
    *,
    margin: float = MIN_RELATIVE_EVIDENCE,
    usual: float | None = None,
) -> Fit:
    """Weighted ridge with an intercept, itself drawn towards zero as far as it may be chance."""
    intercept = _level(residual, share)
    fit = fit_ridge(features, residual - intercept, share, margin=margin, usual=usual)
    return replace(fit, intercept=intercept)


def fit_bent(
    features: Array, residual: Array, share: Array, *, hunch: Array | None = None
) -> tuple[Fit, Landmarks | None]:
    """The fit of highest evidence, straight or bent, and the landmarks of a bent one.

    Of a bent fit coefficients and covariance speak of features (N, F) and the landmarks' (N, L) beside them.
    Where there are more labels than landmarks, which then miss some of what is straight, it may also be both.
    ``hunch`` (F,) is a direction believed to matter, its size unknown: a prior's, which may go too far or
    not far enough.
    """
    straight = fit_level(features, residual, share)
    if len(residual) < FEWEST_BENT:
        return straight, None
    landmarks = landmarks_of(features)
    near = landmarks.features(features)
    size = float(np.sqrt((features**2).sum(axis=1).mean())) + 1e-12
    best: tuple[Fit, Landmarks | None] = straight, None
    for scale in (0.0, STRAIGHT_SHARE / size)[: 1 if len(features) <= near.shape[1] else 2]:
        ways = _ways(features, scale, hunch)
        along = features @ ways
        level = along.mean(axis=0)
        bent = fit_level(
            np.concatenate([along - level, near], axis=1), residual, share, margin=0.0, usual=USUAL_RIDGE
        )
        if bent.evidence > best[0].evidence - (SLACK if best[1] is None else 0.0):
            best = _told_apart(bent, ways, level), landmarks
    return best


def _ways(features: Array, scale: float, hunch: Array | None) -> Array:
    """Directions (F, K) a fit may go beside its landmarks: all of them alike, that of the hunch, or none."""
    ways = np.eye(features.shape[1]) * scale if scale else np.zeros((features.shape[1], 0))
    spread = 0.0 if hunch is None else float((features @ hunch).std())
    if hunch is None or spread == 0.0:
        return ways
    return np.column_stack([ways, hunch * (HUNCH_SHARE / spread)])


def _told_apart(fit: Fit, ways: Array, level: Array) -> Fit:
    """A fit on ways (F, K), less their level (K,), and landmarks as one on features and landmarks."""
    width, taken = ways.shape
    back = np.zeros((width + len(fit.coefficients) - taken, len(fit.coefficients)))
    back[:width, :taken] = ways
    back[width:, taken:] = np.eye(len(fit.coefficients) - taken)
    return replace(
        fit,
        coefficients=back @ fit.coefficients,
        covariance=back @ fit.covariance @ back.T,
        intercept=fit.intercept - float(level @ fit.coefficients[:taken]),
    )


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


def fit_ridge(
    features: Array,
    target: Array,
    share: Array,
    *,
    margin: float = MIN_RELATIVE_EVIDENCE,
    usual: float | None = None,
) -> Fit:
    """Weighted ridge through the origin; the evidence picks the ridge. O(min(N, F)^3 + N F min(N, F)).

    ``features`` (N, F), ``target`` (N,), ``share`` (N,) weights of mean one. A weaker
    ridge must win by ``margin`` nats. ``usual``: where the ridge is believed to lie before any label.
    """
    root = np.sqrt(share)[:, None]
    x, y = features * root, target * root[:, 0]
    count, width = x.shape
    values, basis = np.linalg.eigh(x @ x.T if count <= width else x.T @ x)
    values = np.maximum(values, 0.0)
    rotated = basis.T @ y if count <= width else (basis.T @ (x.T @ y)) / np.sqrt(np.maximum(values, 1e-12))
    rest = max(0.0, float(y @ y - rotated @ rotated))
    ridge, noise, evidence = _best_ridge(values, rotated, rest, count, margin, usual)
    inner = (basis / (values + ridge)) @ basis.T
    if count <= width:
        coefficients = x.T @ (inner @ y)
        covariance = (np.eye(width) - x.T @ inner @ x) * (noise / ridge)
    else:
        coefficients, covariance = inner @ (x.T @ y), inner * noise
    return Fit(coefficients, 0.0, covariance, max(noise, NOISE_FLOOR), ridge, evidence)


def _best_ridge(
    values: Array, rotated: Array, rest: float, count: int, margin: float, usual: float | None
) -> tuple[float, float, float]:
    """Ridge and noise variance of highest evidence, and that; a weaker ridge must win clearly.

    What was believed before the labels helps to choose; it says nothing for or against this kind of fit.
    """
    best: tuple[float, float, float] | None = None
    highest = -np.inf
    for ridge in RIDGES[::-1]:
        shrink = ridge / (values + ridge)
        noise = (float((rotated**2 * shrink).sum()) + rest) / count
        evidence = -0.5 * (count * np.log(max(noise, 1e-9)) - float(np.log(shrink).sum()))
        doubt = 0.0 if usual is None else 0.5 * float(np.log(ridge / usual) / RIDGE_SPREAD) ** 2
        if best is None or evidence - doubt > best[0] + margin:
            best = (evidence - doubt, float(ridge), max(noise, NOISE_FLOOR))
        highest = max(highest, evidence)
    if best is None:
        raise ValueError("no ridge could be tried")
    return best[1], best[2], highest
