"""Claim: nine of ten labels lie inside the 90 % interval, on a fold neither fit nor calibration has seen.

Five times: three folds fit, one calibrates as a retrain does, one is asked. Needs a CSV as bench.srcc does,
and an encoder that saw none of the scores, the calibrating fold's neither. Then the same of heads that a
retrain fits on few labels, whose intervals come from rows left out by turns.

python -m bench.intervals --data labels.csv [--weights FILE | --left-out FILE] [--weights FILE]
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from typing import Any

import django
import numpy as np

from bench.claims import report
from bench.damage import labels_options, share_between
from bench.fresh.unscored import said_of, unscored_weights
from bench.srcc import FOLDS, tables
from scoring.core.calibrate import conformal_factor
from scoring.core.head import Head, fit_head
from scoring.core.metrics import Array
from scoring.core.ridge import kfold
from scoring.core.splits import TRAIN
from scoring.core.types import Dimension, FloatArray
from scoring.labelled import read_labels
from scoring.pretrain import read_left_out

LOW_BAR, HIGH_BAR = 0.88, 0.92
FEW, DRAWS = (40, 120), 4  # labels, and how often they are drawn for each fold
BEFORE = 200  # labels of the model a retrain corrects
PLAIN_FACTOR = 1.645  # of a normal's nine in ten


def main() -> None:
    wanted = labels_options(__doc__)
    if wanted is None:
        return
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "iqa_site.settings")
    os.environ.setdefault("VITRINE_SECRET_KEY", "for the registry of models alone")
    django.setup()
    rows = read_labels(wanted.data).rows
    people = np.array([row.score for row in rows])
    folds = kfold(len(rows), FOLDS)
    paths = [row.path for row in rows]
    vectors: FloatArray | None = None
    if wanted.left_out is None:
        weights = unscored_weights(wanted.weights, paths)
        vectors, of_what = tables(paths, wanted.keep, weights)[0], said_of(weights)
        inside, widths = _by_fold(vectors, people, folds)
    else:
        inside, widths = _left_out(wanted, people, folds)
        of_what = "encoder tuned without the fold"
    share, low, high = share_between(inside, np.random.default_rng(0))
    report(
        "labels inside the 90 % interval, untouched folds",
        share,
        f"[{low:.3f}, {high:.3f}] of {len(rows)}",
        f"{LOW_BAR}-{HIGH_BAR}",
        LOW_BAR <= share <= HIGH_BAR,
        f"mean half-width {widths.mean():.1f} points; {of_what}",
    )
    if vectors is not None:
        for count in FEW:
            _report_few(vectors, people, folds, count)


def _report_few(vectors: FloatArray, people: Array, folds: list[Any], count: int) -> None:
    """What a retrain on so many labels promises, as it is done and by the fit's own doubts alone."""
    rng, kept, plain, widths = np.random.default_rng(count), [], [], []
    for test in folds:
        rest = np.setdiff1d(np.arange(len(people)), test)
        for _ in range(DRAWS):
            before, taught = np.split(rng.choice(rest, BEFORE + count, replace=False), [BEFORE])
            prior = fit_head(
                vectors=vectors[before], overall=people[before], feature_version="bench", may_bend=False
            )
            fit = fit_head(
                vectors=vectors[taught], overall=people[taught], feature_version="bench", prior=prior
            )
            head = _retrained(vectors[taught], people[taught], prior)
            kept.append(_inside(head, head.interval_factor, vectors[test], people[test]))
            plain.append(_inside(fit, PLAIN_FACTOR, vectors[test], people[test]))
            widths.append(float(head.interval_factor * head.predict(vectors[test]).overall_std.mean()))
    report(
        f"labels inside the 90 % interval of a fast retrain on {count} labels",
        float(np.mean(kept)),
        f"mean of {len(kept)} draws, a tenth below {np.quantile(kept, 0.1):.2f}",
        "",
        None,
        f"mean half-width {np.mean(widths):.1f}; by the fit's own doubts {np.mean(plain):.3f}",
    )


def _inside(head: Head, factor: float, vectors: FloatArray, people: Array) -> float:
    told = head.predict(vectors)
    return float((np.abs(told.overall - people) <= factor * told.overall_std).mean())


def _retrained(vectors: FloatArray, people: Array, prior: Head) -> Head:
    """The head of a retrain on these pictures, each a product of its own, none drawn to set intervals by."""
    from scoring.trial import Labels, fit_on

    count = len(people)
    labels = Labels(
        vectors=vectors,
        targets=people,
        weights=np.ones(count),
        dimensions=np.full((count, len(Dimension)), np.nan),
        groups=[str(number) for number in range(count)],
        categories=[""] * count,
        splits=np.full(count, TRAIN),
    )
    return fit_on(labels, np.ones(count, dtype=bool), prior)


def _by_fold(vectors: FloatArray, people: Array, folds: list[Any]) -> tuple[Array, Array]:
    inside, widths = np.zeros(len(people)), np.zeros(len(people))
    for number, test in enumerate(folds):
        calibration = folds[(number + 1) % FOLDS]
        train = np.concatenate([f for k, f in enumerate(folds) if k not in (number, (number + 1) % FOLDS)])
        head = fit_head(vectors=vectors[train], overall=people[train], feature_version="bench")
        known = head.predict(vectors[calibration])
        factor = conformal_factor(known.overall, people[calibration], known.overall_std)
        asked = replace(head, interval_factor=factor).predict(vectors[test])
        widths[test] = factor * asked.overall_std
        inside[test] = np.abs(asked.overall - people[test]) <= widths[test]
    return inside, widths


def _left_out(wanted: argparse.Namespace, people: Array, folds: list[Any]) -> tuple[Array, Array]:
    """Each fold by what the other four, left out in their turn, say of noise and of the conformal factor."""
    told = read_left_out(wanted.left_out)
    inside, widths = np.zeros(len(people)), np.zeros(len(people))
    for test in folds:
        rest = np.setdiff1d(np.arange(len(people)), test)
        noise = float(np.mean((told.guess[rest] - people[rest]) ** 2 - told.doubt[rest]))
        std = np.sqrt(told.doubt + noise)
        widths[test] = conformal_factor(told.guess[rest], people[rest], std[rest]) * std[test]
        inside[test] = np.abs(told.guess[test] - people[test]) <= widths[test]
    return inside, widths


if __name__ == "__main__":
    main()
