"""Splits by product and seller, never by picture: two photos of one thing must not face each other."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

TRAIN, CALIBRATION, HOLDOUT = "train", "calibration", "holdout"


def split_of(group: str, *, seed: int, holdout_share: float = 0.2, calibration_share: float = 0.15) -> str:
    """Split of a group (seller and product), the same for ever for one seed: a hash is a fair die."""
    digest = hashlib.sha256(f"{seed}\x1f{group}".encode()).digest()
    draw = int.from_bytes(digest[:8], "big") / 2**64
    if draw < holdout_share:
        return HOLDOUT
    return CALIBRATION if draw < holdout_share + calibration_share else TRAIN


def teaching_split(group: str, *, seed: int, calibration_share: float = 0.1875) -> str:
    """TRAIN or CALIBRATION for a group that is known not to be held back; the same for ever for one seed."""
    digest = hashlib.sha256(f"{seed}\x1f{group}".encode()).digest()
    return CALIBRATION if int.from_bytes(digest[8:16], "big") / 2**64 < calibration_share else TRAIN


def grouped_folds(groups: Sequence[str], *, folds: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Fold 0..folds-1 of each row (N,), rows of one group together, folds of nearly equal size."""
    names, codes = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    sizes = np.bincount(codes, minlength=len(names))
    order = rng.permutation(len(names))
    order = order[np.argsort(-sizes[order], kind="stable")]
    filled = np.zeros(folds, dtype=np.int64)
    fold_of = np.zeros(len(names), dtype=np.int64)
    for name in order:
        fold_of[name] = int(np.argmin(filled))
        filled[fold_of[name]] += sizes[name]
    return np.asarray(fold_of[codes], dtype=np.int64)
