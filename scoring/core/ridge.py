"""Ridge regression that picks its own strength, and the folds to try it on. Pure arrays, no heads."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
RIDGES = np.logspace(-5, 2, 40)


def ridge_predictions(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    train: npt.ArrayLike,
    test: npt.ArrayLike,
    *,
    standardise: bool = False,
) -> Array:
    """Predictions (T,) for the ``test`` rows of x (N, F) from the labels y (N,) of the ``train`` rows.

    The ridge is the best by generalised cross-validation (Golub, Heath and Wahba 1979). Directions keep
    their own scale, so that what differs little between pictures counts little, unless ``standardise``.
    """
    table, labels = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    train, test = np.asarray(train), np.asarray(test)
    centre, level = table[train].mean(axis=0), float(labels[train].mean())
    a, b = table[train] - centre, table[test] - centre
    if standardise:
        spread = a.std(axis=0) + 1e-8
        a, b = a / spread, np.clip(b / spread, -8, 8)
    scale = np.sqrt((a**2).sum(axis=1).mean())
    a, b = a / scale, b / scale
    values, basis = np.linalg.eigh(a @ a.T)
    values = np.maximum(values, 0)
    target = basis.T @ (labels[train] - level)
    best = min(RIDGES, key=lambda ridge: _gcv(values, target, float(ridge)))
    return np.asarray(level + b @ (a.T @ (basis @ (target / (values + best)))), dtype=np.float64)


def _gcv(values: Array, target: Array, ridge: float) -> float:
    """Generalised cross-validation error of one ridge."""
    hat = values / (values + ridge)
    rest = target * (1 - hat)
    return float((rest @ rest) / (1 - hat.mean()) ** 2)


def kfold(count: int, folds: int) -> list[npt.NDArray[np.int64]]:
    """Test rows of the folds of scikit-learn's ``KFold(folds, shuffle=True, random_state=0)``."""
    order = np.arange(count)
    np.random.RandomState(0).shuffle(order)
    return [np.sort(fold) for fold in np.array_split(order, folds)]
