"""Photos of our own studio to learn from, by another seed than the sample catalogue's.

Framing is a matter of how a photo is taken: each is also taken again with such a fault, which the laboratory
can only make out of a photo that was taken well.
"""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from scoring.core.sample import FRAMED, Shot, plan_catalogue, render
from scoring.core.types import Defect

SEED = 7
AGAIN = 2  # with a fault each
SEVERITY = (0.2, 1.0)


@dataclass(frozen=True, slots=True)
class Taken:
    """A photo taken well, and ``again`` with a fault: path, fault and severity."""

    path: Path
    group: str
    again: tuple[tuple[Path, Defect, float], ...]


def take_photos(folder: Path, count: int, *, processes: int) -> list[Taken]:
    """``count`` photos below a folder, the same for ever, each also taken with AGAIN faults of framing."""
    if count == 0:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    clean = [shot for shot in plan_catalogue(count=4 * count, seed=SEED) if shot.fault is None][:count]
    rng = np.random.default_rng(SEED)
    again = [_harmed(shot, rng) for shot in clean]
    shots = [*clean, *(shot for harmed in again for shot in harmed)]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        pool.map(_keep, [(folder, shot) for shot in shots], chunksize=4)
    return [
        Taken(
            path=_place(folder, shot),
            group=f"{folder.name}/{shot.product_id}",
            again=tuple((_place(folder, each), Defect(str(each.fault)), each.severity) for each in harmed),
        )
        for shot, harmed in zip(clean, again, strict=True)
    ]


def _harmed(shot: Shot, rng: np.random.Generator) -> list[Shot]:
    faults = [sorted(FRAMED)[k] for k in rng.choice(len(FRAMED), size=AGAIN, replace=False)]
    return [replace(shot, fault=fault, severity=float(rng.uniform(*SEVERITY))) for fault in faults]


def _place(folder: Path, shot: Shot) -> Path:
    return folder / (f"{shot.fault}-{shot.name}" if shot.fault else shot.name)


def _keep(job: tuple[Path, Shot]) -> None:
    folder, shot = job
    _place(folder, shot).write_bytes(render(shot))
