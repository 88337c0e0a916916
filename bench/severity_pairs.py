"""Claim: of one photo harmed lightly and heavily by the same fault, the model likes the lighter better.

Photos of unseen photographers only. Laplacian variance, the usual home-made measure, orders the same pairs.

python -m bench.severity_pairs --images FOLDER ...
"""

from __future__ import annotations

import numpy as np

from bench.claims import report
from bench.damage import Shot, ask_model, options, share_between, told_of, unseen_photos
from scoring.core.types import Defect, FloatArray

BAR = 0.95
GAP = (0.3, 0.55)
SEED = 11


def ask(shot: Shot) -> FloatArray:
    """The model's score, and log Laplacian variance of the whole picture."""
    luma = shot.pixels().astype(np.float32) @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    middle = luma[1:-1, 1:-1]
    laplacian = 4 * middle - luma[:-2, 1:-1] - luma[2:, 1:-1] - luma[1:-1, :-2] - luma[1:-1, 2:]
    return np.array([ask_model(shot)[0], np.log(laplacian.var() + 1e-3)], dtype=np.float32)


def main() -> None:
    wanted = options(__doc__)
    if wanted is None:
        return
    rng = np.random.default_rng(SEED)
    shots: list[Shot] = []
    for folder in wanted.images:
        for photo in unseen_photos(folder, wanted.limit, rng):
            for number in rng.choice(len(Defect), size=2, replace=False):
                light = float(rng.uniform(0.1, 0.45))
                draw = int(rng.integers(2**31))
                for severity in (light, light + float(rng.uniform(*GAP))):
                    shots.append(Shot(photo, list(Defect)[number], severity, draw))
    told = told_of(shots, ask)
    right = told[0::2] > told[1::2]
    model, low, high = share_between(right[:, 0].astype(float), rng)
    laplacian = float(right[:, 1].mean())
    by_fault = {fault: right[[shot.fault is fault for shot in shots[0::2]], 0] for fault in Defect}
    for fault, hits in sorted(by_fault.items(), key=lambda item: item[1].mean() if len(item[1]) else 1):
        if len(hits):
            print(f"{fault:22} {hits.mean():.3f} of {len(hits)}")
    report(
        "pairs of one photo ordered by severity, unseen photographers",
        model,
        f"[{low:.3f}, {high:.3f}] of {len(right)}",
        f">= {BAR} and ahead of Laplacian variance",
        model >= BAR and model > laplacian,
        f"Laplacian variance {laplacian:.3f}",
    )


if __name__ == "__main__":
    main()
