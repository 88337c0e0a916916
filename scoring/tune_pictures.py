"""Pictures for tuning: pairs of one photo harmed more and less, and photos people scored. Needs torch."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from scoring.core.decode import as_input, native_crop
from scoring.core.degrade import degrade
from scoring.core.train_loop import Batch
from scoring.core.types import ByteArray, Defect, FloatArray

FAULT_NAMES = list(Defect)
PHOTO_LONGEST = 512


@dataclass(frozen=True, slots=True)
class Scored:
    """Pictures with people's scores: uint8 pictures and targets standardised to about -1 to 1."""

    pictures: list[ByteArray]
    targets: FloatArray


class Pairs(torch.utils.data.IterableDataset[dict[str, Tensor]]):
    """Endless pairs of one photo, less and more harmed by one seeded fault; views of ``side`` pixels."""

    def __init__(self, photos: Sequence[Path], seed: int, side: int) -> None:
        self.photos, self.seed, self.side = photos, seed, side

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        torch.set_num_threads(1)
        info = torch.utils.data.get_worker_info()
        rng = np.random.default_rng([self.seed, info.id if info else 0])
        while True:
            photo = self.photos[int(rng.integers(len(self.photos)))]
            yield pair_of(_photo(photo), self.side, rng)


def _photo(path: Path) -> ByteArray:
    with Image.open(path) as image:
        upright = image.convert("RGB")
        upright.thumbnail((PHOTO_LONGEST, PHOTO_LONGEST))
        return np.asarray(upright, dtype=np.uint8)


def pair_of(rgb: ByteArray, side: int, rng: np.random.Generator) -> dict[str, Tensor]:
    """Two views each of a photo less and more harmed, with severities, their gap, and the kind of fault."""
    kind = int(rng.integers(len(FAULT_NAMES)))
    light = 0.0 if rng.random() < 0.5 else float(rng.uniform(0.05, 0.45))
    heavy = float(rng.uniform(light + 0.25, 1.0)) if light < 0.75 else 1.0
    seed = int(rng.integers(2**31))
    better = rgb if light == 0 else degrade(rgb, FAULT_NAMES[kind], light, np.random.default_rng(seed)).rgb
    worse = degrade(rgb, FAULT_NAMES[kind], heavy, np.random.default_rng(seed)).rgb
    if rng.random() < 0.5:
        better, worse = better[:, ::-1], worse[:, ::-1]
    where = (float(rng.uniform(0.3, 0.7)), float(rng.uniform(0.3, 0.7)))
    views = [view for picture in (better, worse) for view in views_at(picture, side, where)]
    names = ("better_whole", "better_crop", "worse_whole", "worse_crop")
    told = {name: torch.from_numpy(view) for name, view in zip(names, views, strict=True)}
    facts = {"light": light, "heavy": heavy, "gap": 0.6 * (heavy - light)}
    return told | {name: torch.tensor(value) for name, value in facts.items()} | {"kind": torch.tensor(kind)}


def views_at(
    rgb: ByteArray, side: int, where: tuple[float, float] = (0.5, 0.5)
) -> tuple[FloatArray, FloatArray]:
    """Both views (3, side, side); the whole one is brought to a square so that pictures share a batch."""
    picture = np.ascontiguousarray(rgb)
    resized = Image.fromarray(picture).resize((side, side), Image.Resampling.BILINEAR)
    return as_input(np.asarray(resized, dtype=np.uint8)), native_crop(picture, side=side, centre=where)


def score_batches(
    scored: Scored, rows: Sequence[int], *, epochs: int, batch: int, side: int, rng: np.random.Generator
) -> Iterator[Batch]:
    """Shuffled batches; flips and moved crops only, since scaling and colour change quality."""
    for _ in range(epochs):
        order = rng.permutation(np.asarray(rows))
        for start in range(0, len(order) - batch + 1, batch):
            chosen = order[start : start + batch]
            views = [_moved(scored.pictures[k], side, rng) for k in chosen]
            yield {
                "whole": torch.from_numpy(np.stack([view[0] for view in views])),
                "crop": torch.from_numpy(np.stack([view[1] for view in views])),
                "target": torch.from_numpy(scored.targets[chosen]),
            }


def _moved(rgb: ByteArray, side: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    picture = rgb[:, ::-1] if rng.random() < 0.5 else rgb
    return views_at(picture, side, (float(rng.uniform(0.25, 0.75)), float(rng.uniform(0.25, 0.75))))


def read_scored(path: Path) -> Scored:
    """Scored pictures of a CSV with path and score (0-100), decoded once."""
    pictures, targets = [], []
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            with Image.open(path.parent / row["path"]) as image:
                pictures.append(np.asarray(image.convert("RGB"), dtype=np.uint8))
            targets.append((float(row["score"]) - 50) / 25)
    return Scored(pictures, np.array(targets, dtype=np.float32))
