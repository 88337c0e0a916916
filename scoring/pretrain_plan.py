"""What ``vitrine pretrain`` looks at, drawn from one seed: scored pictures, photos and faults, cut-outs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from scoring.core.decode import Picture
from scoring.core.degrade import degrade, to_linear, to_srgb
from scoring.core.foreground import before_plain
from scoring.core.types import ByteArray, Defect
from scoring.labelled import read_labels
from scoring.photos import Photo, draw_of, name_of, photos_of, read_photo, seen_photos
from scoring.pretrain_studio import Taken

FAULTS = 4  # single faults per photo
HARD_TO_TELL = {
    Defect.TEXT_OVERLAY,
    Defect.COLOUR_CAST,
    Defect.CROPPED,
    Defect.OVER_EXPOSED,
    Defect.UNDER_EXPOSED,
}
HARD_CHANCE = 2.0
CUT_OUT_SHARE = 0.5  # of shops' and our studio's photos before one plain surface, shown again on black
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
    is_taken_so: bool = False  # the photo has the fault already
    told: Mapping[Defect, bool] = field(default_factory=dict)  # what somebody saw in it, and did not


Faults = Mapping[str, Mapping[Defect, bool]]


def plan(
    folders: Mapping[Path, bool],
    scores: Path | None,
    *,
    limit: int,
    seed: int,
    told: Faults | None = None,
    studio: Sequence[Taken] = (),
) -> list[Task]:
    """Rows to make, drawn from one seed: scored pictures, then seen photos each followed by its faults.

    ``folders`` says of each whether it is a shop's. Each photo gets FAULTS single faults, those that are
    hard to tell more often, and one more at two severities, light and heavy. Some of the shops' and the
    studio's photos come again at the end, cut out and on black: what a transparent picture becomes where its
    transparency is lost says nothing of how the product was lit. And a few of all come again as a lens cap
    would have them.

    ``told`` says by name, folder first, which faults people saw in photos as they are; those that were not
    drawn come untouched. ``studio``: photos of our own studio, which are also taken with a fault.
    """
    told = told or {}
    tasks = _scored_tasks(scores) if scores is not None else []
    cut_outs = []
    for folder, is_shop in folders.items():
        rng = draw_of(folder, seed)
        photos = seen_photos(folder, limit=limit, rng=rng)
        for photo in photos:
            tasks += _with_faults(_untouched(photo, folder, told, is_shop=is_shop), tasks, rng)
        drawn = {photo.path for photo in photos}
        others = [photo for photo in photos_of(folder) if photo.path not in drawn and not photo.is_unseen]
        looked_at = [_untouched(photo, folder, told, is_shop=is_shop) for photo in others]
        tasks += [task for task in looked_at if task.told]
        chosen = [photo for photo in photos if is_shop and rng.random() < CUT_OUT_SHARE]
        cut_outs += [(photo, rng) for photo in chosen if before_plain(read_photo(photo.path))]
    rng = np.random.default_rng([seed, len(studio)])
    for taken in studio:
        if rng.random() < CUT_OUT_SHARE and before_plain(read_photo(taken.path)):
            cut_outs.append((Photo(taken.path, taken.group), rng))
        clean, source = Task(path=str(taken.path), group=taken.group), len(tasks)
        tasks += _with_faults(clean, tasks, rng)
        tasks += [
            replace(clean, path=str(path), fault=fault, severity=severity, source=source, is_taken_so=True)
            for path, fault, severity in taken.again
        ]
    for photo, rng in cut_outs:
        clean = Task(path=str(photo.path), group=photo.group, is_cut_out=True)
        tasks += _with_faults(clean, tasks, rng)
    return tasks + _blind(tasks, np.random.default_rng(seed))


def _untouched(photo: Photo, folder: Path, told: Faults, *, is_shop: bool) -> Task:
    seen = told.get(name_of(photo, folder), {})
    return Task(path=str(photo.path), group=photo.group, is_shop=is_shop, told=seen)


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
            harmed = replace(clean, fault=fault, severity=strength, seed=draw, source=len(before), told={})
            tasks.append(harmed)
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
            told={},
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
    elif task.fault is not None and not task.is_taken_so:
        rgb = degrade(rgb, task.fault, task.severity, np.random.default_rng(task.seed)).rgb
    return Picture(rgb)
