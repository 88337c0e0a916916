"""Claim: nine of ten labels lie inside the 90 % interval, on a fold neither fit nor calibration has seen.

Five times: three folds fit, one calibrates as a retrain does, one is asked. Needs a CSV as bench.srcc does,
and an encoder that saw none of the scores, the calibrating fold's neither.

python -m bench.intervals --data labels.csv [--weights FILE]
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.claims import report
from bench.damage import labels_options, share_between
from bench.fresh.unscored import said_of, unscored_weights
from bench.srcc import FOLDS, tables
from scoring.core.calibrate import conformal_factor
from scoring.core.head import fit_head
from scoring.core.ridge import kfold
from scoring.evaluate import read_labels

LOW_BAR, HIGH_BAR = 0.88, 0.92


def main() -> None:
    wanted = labels_options(__doc__)
    if wanted is None:
        return
    rows = read_labels(wanted.data)
    people = np.array([row.score for row in rows])
    paths = [row.path for row in rows]
    weights = unscored_weights(wanted.weights, paths)
    vectors, _ = tables(paths, wanted.keep, weights)
    folds = kfold(len(rows), FOLDS)
    inside, widths = np.zeros(len(rows)), np.zeros(len(rows))
    for number, test in enumerate(folds):
        calibration = folds[(number + 1) % FOLDS]
        train = np.concatenate([f for k, f in enumerate(folds) if k not in (number, (number + 1) % FOLDS)])
        head = fit_head(vectors=vectors[train], overall=people[train], feature_version="bench")
        known = head.predict(vectors[calibration])
        factor = conformal_factor(known.overall, people[calibration], known.overall_std)
        asked = replace(head, interval_factor=factor).predict(vectors[test])
        widths[test] = factor * asked.overall_std
        inside[test] = np.abs(asked.overall - people[test]) <= widths[test]
    share, low, high = share_between(inside, np.random.default_rng(0))
    report(
        "labels inside the 90 % interval, untouched folds",
        share,
        f"[{low:.3f}, {high:.3f}] of {len(rows)}",
        f"{LOW_BAR}-{HIGH_BAR}",
        LOW_BAR <= share <= HIGH_BAR,
        f"mean half-width {widths.mean():.1f} points; {said_of(weights)}",
    )


if __name__ == "__main__":
    main()
