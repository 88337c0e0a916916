"""Claim: faults are found and clean product photos are not accused. Photos of unseen groups only.

python -m bench.defects --images FOLDER ...    (a folder named catalogue answers for clean product photos)
"""

from __future__ import annotations

import numpy as np

from bench.claims import report
from bench.damage import Shot, ask_model, options, share_between, told_of, unseen_photos
from scoring.core.defect_fit import ALIKE
from scoring.core.defects import ACCUSED_FROM
from scoring.core.metrics import classification
from scoring.core.types import Defect

F1_BAR, RECALL_BAR, ACCUSED_BAR = 0.85, 0.8, 0.05
FAULTS_EACH = 5
SEVERITY = (0.4, 1.0)  # from nearly visible at arm's length to ruined
SEED = 12


def main() -> None:
    wanted = options(__doc__)
    if wanted is None:
        return
    rng = np.random.default_rng(SEED)
    shots: list[Shot] = []
    for folder in wanted.images:
        for photo in unseen_photos(folder, wanted.limit, rng):
            shots.append(Shot(photo))
            for number in rng.choice(len(Defect), size=FAULTS_EACH, replace=False):
                severity, draw = float(rng.uniform(*SEVERITY)), int(rng.integers(2**31))
                shots.append(Shot(photo, list(Defect)[number], severity, draw))
    said = told_of(shots, ask_model)[:, 1:] >= ACCUSED_FROM
    fault = [shot.fault for shot in shots]
    found = {}
    for k, defect in enumerate(Defect):
        # Where a picture may honestly show both, it is no evidence about the other.
        fair = np.array([f not in ALIKE.get(defect, ()) for f in fault])
        truth = np.array([f is defect for f in fault])
        found[defect] = classification(said[fair, k], truth[fair])
        told = found[defect]
        print(f"{defect:22} precision {told.precision:.3f} recall {told.recall:.3f} F1 {told.f1:.3f}")
    _accused(shots, said, rng)
    macro = float(np.mean([told.f1 for told in found.values()]))
    draws = _macro_draws(said, fault, rng)
    worst = min(found, key=lambda defect: found[defect].recall)
    report(
        "faults found on unseen photos, macro F1 over 16",
        macro,
        f"[{draws[0]:.3f}, {draws[1]:.3f}]",
        f">= {F1_BAR}",
        macro >= F1_BAR,
        f"{len(shots)} pictures, severity {SEVERITY[0]}-{SEVERITY[1]}",
    )
    report(
        "recall of the fault found worst",
        found[worst].recall,
        str(worst),
        f">= {RECALL_BAR}",
        found[worst].recall >= RECALL_BAR,
    )


def _accused(shots: list[Shot], said: np.ndarray, rng: np.random.Generator) -> None:
    for name in sorted({shot.photo.group.split("/")[0] for shot in shots}):
        clean = [shot.fault is None and shot.photo.group.startswith(f"{name}/") for shot in shots]
        share, low, high = share_between(said[clean].any(axis=1).astype(float), rng)
        which = {str(d): int(n) for d, n in zip(Defect, said[clean].sum(axis=0), strict=True) if n}
        is_shop = name == "catalogue"
        report(
            f"untouched photos accused of anything: {name}",
            share,
            f"[{low:.3f}, {high:.3f}] of {sum(clean)}",
            f"<= {ACCUSED_BAR}" if is_shop else "",
            share <= ACCUSED_BAR if is_shop else None,
            ", ".join(f"{word} {count}" for word, count in which.items()),
        )


def _macro_draws(
    said: np.ndarray, fault: list[Defect | None], rng: np.random.Generator
) -> tuple[float, float]:
    """95 % bootstrap interval of the macro F1."""
    names = np.array([str(f) for f in fault])
    fair = np.stack([~np.isin(names, [str(a) for a in ALIKE.get(d, ())]) for d in Defect], axis=1)
    truth = np.stack([names == str(d) for d in Defect], axis=1)
    macros = []
    for rows in rng.integers(0, len(names), (300, len(names))):
        hits = (said[rows] & truth[rows]).sum(axis=0)
        asked = (said[rows] & fair[rows]).sum(axis=0) + truth[rows].sum(axis=0)
        macros.append(float(np.mean(2 * hits / np.maximum(1, asked))))
    low, high = np.quantile(macros, [0.025, 0.975])
    return float(low), float(high)


if __name__ == "__main__":
    main()
