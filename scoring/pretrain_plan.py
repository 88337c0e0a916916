"""What ``vitrine pretrain`` looks at, drawn from one seed: scored pictures, photos and faults, cut-outs."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from scoring.core.decode import Picture
from scoring.core.degrade import degrade, to_linear, to_srgb
from scoring.core.foreground import before_plain
from scoring.core.sample import plan_catalogue, render
from scoring.core.types import ByteArray, Defect
from scoring.labelled import read_labels
from scoring.photos import draw_of, read_photo, seen_photos

FAULTS = 4  # single faults per photo
RENDER_SEED = 7
HARD_TO_TELL = {
    Defect.TEXT_OVERLAY,
    Defect.COLOUR_CAST,
    Defect.CROPPED,
    Defect.OVER_EXPOSED,
    Defect.UNDER_EXPOSED,
}
HARD_CHANCE = 2.0
CUT_OUT_SHARE = 0.25  # of shops' photos before one plain surface, shown once more on black
BLIND_SHARE = 0.03  # of all photos, shown once more so dark that nothing is seen
BLIND_STOPS = (7.0, 12.0)  # darker; the darkest fault of the laboratory is four


@dataclass(frozen=True, slots=True)
class Task:
    """One row of evidence to make: a picture, and the fault to give it (None: none)."""

    path: str
    fault: Defect | None = None
    severity: float = 0.0
    seed: int = 0
    score: float = math.nan
    source: int = -1
    group: str = ""
    is_shop: bool = False  # as a shop shows it
    is_cut_out: bool = False
    stops: float = 0.0  # darker than the photo


def render_photos(folder: Path, count: int) -> Path:
    """Faultless pictures of the code's own studio, by another seed than the sample catalogue's."""
    folder.mkdir(parents=True, exist_ok=True)
    shots = [shot for shot in plan_catalogue(count=4 * count, seed=RENDER_SEED) if shot.fault is None][:count]
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "product_group"])
        for shot in shots:
            (folder / shot.name).write_bytes(render(shot))
            writer.writerow([shot.name, shot.product_id])
    return folder


def plan(folders: Mapping[Path, bool], scores: Path | None, *, limit: int, seed: int) -> list[Task]:
    """Rows to make, drawn from one seed: scored pictures, then seen photos each followed by its faults.

    ``folders`` says of each whether it is a shop's. Each photo gets FAULTS single faults, those that are
    hard to tell more often, and one more at two severities, light and heavy. Some of the shops' photos come
    again at the end, cut out and on black: what a transparent picture becomes where its transparency is lost
    says nothing of how the product was lit. And a few of all come again as a lens cap would have them.
    """
    tasks = _scored_tasks(scores) if scores is not None else []
    cut_outs = []
    for folder, is_shop in folders.items():
        rng = draw_of(folder, seed)
        photos = seen_photos(folder, limit=limit, rng=rng)
        for photo in photos:
            tasks += _with_faults(Task(path=str(photo.path), group=photo.group, is_shop=is_shop), tasks, rng)
        chosen = [photo for photo in photos if is_shop and rng.random() < CUT_OUT_SHARE]
        cut_outs += [(photo, rng) for photo in chosen if before_plain(read_photo(photo.path))]
    for photo, rng in cut_outs:
        clean = Task(path=str(photo.path), group=photo.group, is_cut_out=True)
        tasks += _with_faults(clean, tasks, rng)
    return tasks + _blind(tasks, np.random.default_rng(seed))


def _with_faults(clean: Task, before: Sequence[Task], rng: np.random.Generator) -> list[Task]:
    """An untouched photo, which will stand behind those ``before``, and its faults."""
    chances = np.array([HARD_CHANCE if defect in HARD_TO_TELL else 1.0 for defect in Defect])
    faults = rng.choice(len(Defect), size=FAULTS + 1, replace=False, p=chances / chances.sum())
    tasks = [clean]
    for k, number in enumerate(faults):
        draw, severity = int(rng.integers(2**31)), float(rng.uniform(0.15, 1.0))
        light_and_heavy = (severity * 0.45, min(1.0, severity * 0.45 + 0.5))
        for strength in light_and_heavy if k == FAULTS else (severity,):
            fault = list(Defect)[number]
            tasks.append(replace(clean, fault=fault, severity=strength, seed=draw, source=len(before)))
    return tasks


def _blind(tasks: Sequence[Task], rng: np.random.Generator) -> list[Task]:
    """Some of the untouched photos among these, with nothing to be seen on them."""
    clean = [n for n, task in enumerate(tasks) if task.fault is None and math.isnan(task.score)]
    return [
        replace(
            tasks[n],
            fault=Defect.UNDER_EXPOSED,
            severity=1.0,
            source=n,
            stops=float(rng.uniform(*BLIND_STOPS)),
        )
        for n in rng.permutation(clean)[: round(BLIND_SHARE * len(clean))].tolist()
    ]


def _scored_tasks(scores: Path) -> list[Task]:
    return [Task(path=str(row.path), score=row.score, group=row.name) for row in read_labels(scores).rows]


def cut_out(rgb: ByteArray) -> ByteArray:
    """The product alone, on black; the picture as it is where no plain surface lies behind the product."""
    product = before_plain(rgb)
    if product is None:
        return rgb
    mask = Image.fromarray(product.mask.astype(np.uint8) * 255)
    alpha = np.asarray(mask.resize(rgb.shape[1::-1], Image.Resampling.BILINEAR), dtype=np.uint16)
    return np.asarray(rgb * alpha[:, :, None] // 255, dtype=np.uint8)


def picture_of(task: Task) -> Picture:
    """The photo of a task, with its fault."""
    rgb = read_photo(Path(task.path))
    if task.is_cut_out:
        rgb = cut_out(rgb)
    if task.stops:
        rgb = to_srgb(to_linear(rgb) * 2.0**-task.stops)
    elif task.fault is not None:
        rgb = degrade(rgb, task.fault, task.severity, np.random.default_rng(task.seed)).rgb
    return Picture(rgb)
