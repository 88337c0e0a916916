"""Claim: nine of ten labels lie inside the 90 % interval, on a fold neither fit nor calibration has seen.

Five times: three folds fit, one calibrates as a retrain does, one is asked. Needs a CSV as bench.srcc does,
and an encoder that saw none of the scores, the calibrating fold's neither.

python -m bench.intervals --data labels.csv [--weights FILE | --left-out FILE] [--weights FILE]
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.claims import report
from bench.damage import labels_options, share_between
from bench.fresh.unscored import said_of, unscored_weights
from bench.srcc import FOLDS, tables
from scoring.core.calibrate import conformal_factor
from scoring.core.head import fit_head
from scoring.core.metrics import Array
from scoring.core.ridge import kfold
from scoring.evaluate import read_labels
from scoring.pretrain import read_left_out

LOW_BAR, HIGH_BAR = 0.88, 0.92


def main() -> None:
    wanted = labels_options(__doc__)
    if wanted is None:
        return
    rows = read_labels(wanted.data)
    people = np.array([row.score for row in rows])
    folds = kfold(len(rows), FOLDS)
    ask = _by_weights if wanted.left_out is None else _left_out
    inside, widths, of_what = ask(wanted, [row.path for row in rows], people, folds)
    share, low, high = share_between(inside, np.random.default_rng(0))
    report(
        "labels inside the 90 % interval, untouched folds",
        share,
        f"[{low:.3f}, {high:.3f}] of {len(rows)}",
        f"{LOW_BAR}-{HIGH_BAR}",
        LOW_BAR <= share <= HIGH_BAR,
        f"mean half-width {widths.mean():.1f} points; {of_what}",
    )


def _by_weights(
    wanted: argparse.Namespace, paths: list[Path], people: Array, folds: list[Any]
) -> tuple[Array, Array, str]:
    weights = unscored_weights(wanted.weights, paths)
    vectors, _ = tables(paths, wanted.keep, weights)
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
    return inside, widths, said_of(weights)


def _left_out(
    wanted: argparse.Namespace, paths: list[Path], people: Array, folds: list[Any]
) -> tuple[Array, Array, str]:
    """Each fold by what the other four, left out in their turn, say of noise and of the conformal factor."""
    told = read_left_out(wanted.left_out)
    inside, widths = np.zeros(len(people)), np.zeros(len(people))
    for test in folds:
        rest = np.setdiff1d(np.arange(len(people)), test)
        noise = float(np.mean((told.guess[rest] - people[rest]) ** 2 - told.doubt[rest]))
        std = np.sqrt(told.doubt + noise)
        widths[test] = conformal_factor(told.guess[rest], people[rest], std[rest]) * std[test]
        inside[test] = np.abs(told.guess[test] - people[test]) <= widths[test]
    return inside, widths, "encoder tuned without the fold"


if __name__ == "__main__":
    main()
