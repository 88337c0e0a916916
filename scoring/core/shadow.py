"""A candidate in the shadow of the champion: which pictures it scores beside it, and how the two differ."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoring.core.metrics import Estimate, bootstrap, srcc
from scoring.core.types import Grade, grade_of

Array = npt.NDArray[np.float64]
FEWEST_RANKED = 10
RESAMPLES = 300


@dataclass(frozen=True, slots=True)
class Compared:
    """Shadow against champion on the same N pictures.

    ``same_grade`` 0-1 with its interval; ``rank`` the SRCC between them, None below ten pictures; ``shift``
    mean of shadow minus champion in points; ``moved`` pictures by how many grades they would move, down
    negative; ``furthest`` rows, the furthest apart first; seconds a picture at the median and the 95th
    percentile.
    """

    count: int
    same_grade: Estimate
    rank: Estimate | None
    shift: float
    moved: dict[int, int]
    furthest: npt.NDArray[np.int64]
    shadow_s: tuple[float, float]
    champion_s: tuple[float, float]


def is_shadowed(image_id: int, *, model_id: int, share: float) -> bool:
    """Whether a picture is in the share a model scores in the shadow: a hash is a fair die, and the same for
    every worker."""
    digest = hashlib.sha256(f"{model_id}\x1f{image_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < share


def compare(
    shadow: Array, champion: Array, shadow_s: Array, champion_s: Array, *, rng: np.random.Generator
) -> Compared | None:
    """How two models differ on N pictures, scores (N,) 0-100, seconds (N,); None where there are none."""
    if not len(shadow):
        return None
    steps = grade_steps(shadow, champion)
    values, counts = np.unique(steps, return_counts=True)
    enough = len(shadow) >= FEWEST_RANKED and np.ptp(shadow) > 0 and np.ptp(champion) > 0
    return Compared(
        count=len(shadow),
        same_grade=bootstrap(_agreement, shadow, champion, rng=rng, resamples=RESAMPLES),
        rank=bootstrap(srcc, shadow, champion, rng=rng, resamples=RESAMPLES) if enough else None,
        shift=float(np.mean(shadow - champion)),
        moved={int(step): int(count) for step, count in zip(values, counts, strict=True) if step},
        furthest=np.argsort(-np.abs(shadow - champion), kind="stable"),
        shadow_s=_middle_and_slow(shadow_s),
        champion_s=_middle_and_slow(champion_s),
    )


def grade_steps(shadow: Array, champion: Array) -> npt.NDArray[np.int64]:
    """By how many grades each picture (N,) would move; positive is better."""
    return _ranks(shadow) - _ranks(champion)


def _ranks(scores: Array) -> npt.NDArray[np.int64]:
    order = {grade: -number for number, grade in enumerate(Grade)}
    return np.array([order[grade_of(float(score))] for score in scores], dtype=np.int64)


def _agreement(shadow: Array, champion: Array) -> float:
    return float(np.mean(grade_steps(shadow, champion) == 0))


def _middle_and_slow(seconds: Array) -> tuple[float, float]:
    low, high = np.quantile(seconds, [0.5, 0.95])
    return float(low), float(high)
