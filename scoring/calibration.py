"""Calibration: what the displayed model promised of the labels it is judged by, and what was kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scoring.audit import judged_labels
from scoring.core.calibrate import COVERAGE
from scoring.core.intervals import Interval
from scoring.core.reliability import (
    Answers,
    Bin,
    GroupKept,
    Kept,
    kept_by_group,
    kept_by_level,
    score_bins,
)
from scoring.models import DatasetVersion, ModelVersion


@dataclass(frozen=True, slots=True)
class Calibration:
    """``levels`` of intervals, ``bins`` of scores, ``groups`` by category; ``is_taught`` as in Fairness."""

    model: ModelVersion
    dataset: DatasetVersion
    rows: int
    is_taught: bool
    levels: list[Kept]
    bins: list[Bin]
    groups: list[GroupKept]

    @property
    def shown(self) -> Interval:
        """Share 0-1 of labels inside the intervals that people see."""
        return next(one.kept for one in self.levels if one.promised == COVERAGE)


def calibration_now() -> Calibration | None:
    """The scores and intervals people see against the newest version's labels; None with too few."""
    judged = judged_labels("overall_score", "interval_low", "interval_high")
    if judged is None:
        return None
    predicted, low, high = np.array([judged.scores[pk] for pk in judged.images], dtype=np.float64).T
    answers = Answers(predicted, low, high, np.array(judged.people, dtype=np.float64))
    return Calibration(
        model=judged.model,
        dataset=judged.dataset,
        rows=len(judged.images),
        is_taught=judged.is_taught,
        levels=kept_by_level(answers),
        bins=score_bins(answers, rng=np.random.default_rng(0)),
        groups=kept_by_group(answers, judged.categories),
    )
