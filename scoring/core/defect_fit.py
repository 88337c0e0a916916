"""Fits the sixteen defect heads and decides from which probability on a photo is accused."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from scoring.core.evidence import Array, Evidence
from scoring.core.types import Defect

FOLDS = 5
LOGISTIC_RIDGE = 30.0
SMALLEST_SPREAD = 0.02  # of the widest direction: narrower ones are not blown up beyond this
ACCUSED_SHOP_SHARE = 0.025  # of untouched shop photos, of anything, at probability 0.5
SHOP_WEIGHT = 8.0  # of an untouched shop photo beside others: of all it is the dearest to accuse
F1_SLACK = 0.04  # what a limit may cost: it stands among those that cost no more
LIMIT_AT = 0.6  # of the way from the lowest of them to the highest
RECALL_KEPT = 0.85  # of plainly harmed photos of each fault, before a limit is raised further
DEAR = 10.0  # what it costs to raise a limit past that
PLAIN_SEVERITY = 0.35  # below this a fault is hardly seen and is no matter of right or wrong

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


def fit_defects(seen: Array, evidence: Evidence) -> tuple[Array, Array]:
    """Logistic weights (16, P + M) and biases (16,), moved so that few untouched photos are accused.

    How far is told by logits of groups that were not fitted: a fitted photo looks more innocent than it is.
    """
    mean, std = seen.mean(axis=0), seen.std(axis=0)
    scale = np.maximum(std, SMALLEST_SPREAD * float(std.max()))
    scaled = np.clip((seen - mean) / scale, -8, 8)
    truth, tells = _defect_table(evidence)
    share = _shares(truth, tells, evidence)
    fold = np.array([zlib.crc32(group.encode()) % FOLDS for group in evidence.group])
    outside = np.zeros((len(seen), len(Defect)))
    for number in range(FOLDS):
        weights, bias = fit_logistics(scaled, truth, share * (fold != number)[:, None])
        outside[fold == number] = scaled[fold == number] @ weights.T + bias
    weights, bias = fit_logistics(scaled, truth, share)
    bias = bias - _thresholds(outside, truth, tells, evidence)
    return weights / scale, bias - (weights / scale) @ mean


def _defect_table(evidence: Evidence) -> tuple[npt.NDArray[np.bool_], Array]:
    """Truth (N, 16), and whether each row tells of each defect: not where it may honestly show both, nor
    where nobody looked for it in a photo and somebody did in others of its home."""
    names = np.array([str(fault or "") for fault in evidence.fault])
    wild = evidence.untouched & np.isfinite(evidence.people)
    truth = np.stack([names == str(defect) for defect in Defect], axis=1)
    tells = np.stack(
        [~(np.isin(names, [str(a) for a in ALIKE.get(defect, ())]) | wild) for defect in Defect], axis=1
    )
    source = np.where(evidence.untouched, np.arange(len(names)), evidence.source)
    homes = evidence.home
    for home in np.unique(homes):
        here = homes == home
        looked_at = (evidence.told[here] != 0).any(axis=0)
        tells[here] &= ~looked_at | truth[here] | (evidence.told[source[here]] < 0)
    shown = evidence.told > 0
    return truth | shown, (tells | shown).astype(np.float64)


def _shares(truth: npt.NDArray[np.bool_], tells: Array, evidence: Evidence) -> Array:
    """How much each row tells of each defect (N, 16). Homes of a defect's examples have an equal say in what
    shows it, and in what does not: the answer should hold where the next picture comes from, not where most
    of these do. Shops' untouched photos then count SHOP_WEIGHT."""
    homes, weights = evidence.home, np.ones(truth.shape)
    for answer in (truth, ~truth):
        counts = np.stack(
            [((tells > 0) & answer & (homes == home)[:, None]).sum(0) for home in np.unique(homes)]
        )
        even = counts.sum(axis=0) / np.maximum(1, (counts > 0).sum(axis=0))
        for home, count in zip(np.unique(homes), counts, strict=True):
            weights = np.where((homes == home)[:, None] & answer, even / np.maximum(1, count), weights)
    return tells * weights * np.where(evidence.shop, SHOP_WEIGHT, 1.0)[:, None]


def _thresholds(outside: Array, truth: npt.NDArray[np.bool_], tells: Array, evidence: Evidence) -> Array:
    """Logits (16,) from which a photo is accused: where F1 is about best, then raised until few shop photos
    are.

    Most faults leave a wide gap between photos that have them and photos that do not. A limit stands near its
    middle: where other people take the photos, faults look slighter and photos odder.

    Photo by photo, always where it costs the least F1: some photos of shops do have a fault of their own, and
    no defect should pay for all of them. Nor should a fault be found rarely so that few are accused: below
    RECALL_KEPT a limit is raised only when nothing else is left.
    """
    plain = (tells > 0) & ((evidence.severity >= PLAIN_SEVERITY) | evidence.untouched)[:, None]
    curves = [_f1_curve(outside[plain[:, k], k], truth[plain[:, k], k]) for k in range(len(Defect))]
    kept = np.array([_kept(outside[plain[:, k] & truth[:, k], k]) for k in range(len(Defect))])
    good = [cuts[f1 >= f1.max() - F1_SLACK] for cuts, f1 in curves]
    limits = np.array([cuts.min() + LIMIT_AT * (cuts.max() - cuts.min()) for cuts in good])
    limits = np.minimum(limits, kept)
    shop = outside[evidence.shop]
    allowed = ACCUSED_SHOP_SHARE * len(shop)
    while len(shop) and (accused := shop > limits).any(axis=1).sum() > allowed:
        costs = np.full(len(Defect), np.inf)
        raised = limits.copy()
        for k in np.flatnonzero(accused.any(axis=0)):
            raised[k] = shop[accused[:, k], k].min()
            cuts, f1 = curves[k]
            now, then = (
                f1[min(int(np.searchsorted(cuts, cut)), len(f1) - 1)] for cut in (limits[k], raised[k])
            )
            # A photo that is accused of something else too is not cleared by this alone.
            freed = accused[np.argmin(np.where(accused[:, k], shop[:, k], np.inf))].sum() == 1
            costs[k] = (now - then) / (1.0 if freed else 0.5) + DEAR * (raised[k] > kept[k])
        best = int(costs.argmin())
        limits[best] = raised[best]
    return np.asarray(limits)


def _kept(harmed: Array) -> float:
    """The highest logit that still finds RECALL_KEPT of the harmed photos."""
    return float(np.quantile(harmed, 1 - RECALL_KEPT)) if len(harmed) else np.inf


def _f1_curve(logits: Array, truth: npt.NDArray[np.bool_]) -> tuple[Array, Array]:
    """Cuts in rising order, and the F1 of accusing what lies above each."""
    order = np.argsort(logits)
    hits = truth.sum() - np.cumsum(truth[order])
    asked = len(truth) - np.arange(1, len(truth) + 1)
    return logits[order], 2 * hits / np.maximum(1, asked + truth.sum())


def fit_logistics(
    x: Array, truth: npt.NDArray[np.bool_], share: Array, *, ridge: float = LOGISTIC_RIDGE
) -> tuple[Array, Array]:
    """Weights (K, F) and biases (K,) of K ridge-penalised logistic models on x (N, F), fitted together.

    ``share`` (N, K) says how much each row tells; both answers then weigh the same in sum.
    """
    sign = np.where(truth, 1.0, -1.0)
    yes, no = (share * truth).sum(axis=0), (share * ~truth).sum(axis=0)
    share = share * np.where(truth, 0.5 / np.maximum(yes, 1), 0.5 / np.maximum(no, 1)) * (yes + no)
    shape = (truth.shape[1], x.shape[1] + 1)

    def loss(parameters: Array) -> tuple[float, Array]:
        table = parameters.reshape(shape)
        margin = sign * (x @ table[:, :-1].T + table[:, -1])
        value = (share * np.logaddexp(0, -margin)).sum() + ridge * (table[:, :-1] ** 2).sum()
        slope = -sign * share / (1 + np.exp(np.clip(margin, -30, 30)))
        gradient = np.concatenate(
            [slope.T @ x + 2 * ridge * table[:, :-1], slope.sum(axis=0)[:, None]], axis=1
        )
        return float(value), gradient.ravel()

    start = np.zeros(shape[0] * shape[1])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 250}).x.reshape(shape)
    return found[:, :-1], found[:, -1]
