"""Claim: faults that photos really have are found, where a person looked for them; and those of a studio.

python -m bench.real_faults --images FOLDER ...    (of the folders named in bench/told.csv)

bench/told.csv says in which photos one person saw a cluttered background, and clothes cut off by the frame;
an empty cell says that it was not looked for, or that no answer was plain. Here only those of groups are
asked about that training never saw. The studio's photos are taken with a fault by our own code, by a seed
that no training and no sample catalogue used.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from bench.claims import report
from bench.damage import Shot, ask_model, options, said_of, share_between, told_of
from scoring.core import sample
from scoring.core.defect_fit import PLAIN_SEVERITY
from scoring.core.defects import ACCUSED_FROM
from scoring.core.foreground import Mask
from scoring.core.types import Defect, FloatArray
from scoring.labelled import read_faults
from scoring.photos import name_of, photos_of

TOLD = Path(__file__).with_name("told.csv")
STUDIO_SEED, STUDIO_COUNT = 41, 400
SEED = 12


def main() -> None:
    wanted = options(__doc__)
    if wanted is None:
        return
    rng = np.random.default_rng(SEED)
    told = read_faults(TOLD)
    for defect in dict.fromkeys(defect for each in told.values() for defect in each):
        _real(
            wanted.images, defect, {name: each[defect] for name, each in told.items() if defect in each}, rng
        )
    _studio("the sample catalogue", sample.plan_catalogue(), rng)
    _studio("other studio photos", sample.plan_catalogue(count=STUDIO_COUNT, seed=STUDIO_SEED), rng)


def _real(folders: list[Path], defect: Defect, told: dict[str, bool], rng: np.random.Generator) -> None:
    photos = [
        (photo, told[name])
        for folder in folders
        for photo in photos_of(folder)
        if photo.is_unseen and (name := name_of(photo, folder)) in told
    ]
    shows = np.array([seen for _, seen in photos])
    if not shows.any() or shows.all():
        print(f"# no unseen photos of {defect} in these folders: nothing was measured")
        return
    said = told_of([Shot(photo) for photo, _ in photos], ask_model)[:, 1 + list(Defect).index(defect)]
    _found(f"{defect} seen by a person in photos as they are", said, shows, rng)


def _studio(where: str, shots: list[sample.Shot], rng: np.random.Generator) -> None:
    said = told_of(shots, ask_of_studio)[:, 1:] >= ACCUSED_FROM
    plain = [
        (n, shot.fault) for n, shot in enumerate(shots) if shot.fault and shot.severity >= PLAIN_SEVERITY
    ]
    hits = np.array([said[n, list(Defect).index(fault)] for n, fault in plain], dtype=np.float64)
    share, low, high = share_between(hits, rng)
    missed = [str(fault) for (_, fault), hit in zip(plain, hits, strict=True) if not hit]
    which = ", ".join(f"{name} {missed.count(name)}" for name in sorted(set(missed)))
    report(
        f"faults found in {where}",
        share,
        f"[{low:.3f}, {high:.3f}] of {len(hits)}",
        "",
        None,
        f"missed: {which}",
    )
    clean = said[[n for n, shot in enumerate(shots) if shot.fault is None]].any(axis=1).astype(float)
    share, low, high = share_between(clean, rng)
    report(
        f"faultless photos accused of anything: {where}",
        share,
        f"[{low:.3f}, {high:.3f}] of {len(clean)}",
        "",
        None,
    )


def ask_of_studio(shot: sample.Shot) -> FloatArray:
    """Overall score, then the probability of each defect (17,)."""
    return said_of(sample.render(shot))


def _found(claim: str, said: FloatArray, shows: Mask, rng: np.random.Generator) -> None:
    """How many are found, how many accused that do not show it, and how well the two are told apart."""
    for what, rows in (("found", shows), ("accused where it is not", ~shows)):
        share, low, high = share_between((said[rows] >= ACCUSED_FROM).astype(float), rng)
        report(f"{claim}: {what}", share, f"[{low:.3f}, {high:.3f}] of {int(rows.sum())}", "", None)
    draws = rng.integers(0, len(said), (1000, len(said)))
    low, high = np.quantile([_auroc(said[rows], shows[rows]) for rows in draws], [0.025, 0.975])
    report(f"{claim}: AUROC", _auroc(said, shows), f"[{low:.3f}, {high:.3f}]", "", None)


def _auroc(said: FloatArray, shows: Mask) -> float:
    """Chance that a photo that shows it is said to more than one that does not; ties count half."""
    yes, no = int(shows.sum()), int((~shows).sum())
    return float((rankdata(said)[shows].sum() - yes * (yes + 1) / 2) / max(1, yes * no))


if __name__ == "__main__":
    main()
