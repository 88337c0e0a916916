"""Pictures for tuning: pairs of one photo harmed more and less, and photos people scored. Needs torch.

Both stay bytes (uint8, channels last) until the device turns them into the network's input: a batch is then a
quarter as long on its way, and a GPU holds thousands of pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from scoring.core.decode import MEAN, SCALE, native_pixels
from scoring.core.degrade import degrade
from scoring.core.train_loop import Batch
from scoring.core.types import ByteArray, Defect, FloatArray
from scoring.labelled import read_labels
from scoring.photos import read_photo

FAULT_NAMES = list(Defect)
AS_IT_IS = 2**20  # pixels a side that no picture has
PHOTO_LONGEST = 512
VIEWS = ("better_whole", "better_crop", "worse_whole", "worse_crop")
GAP = 0.6  # how far apart the scores of a pair should lie, of the gap of their severities


@dataclass(frozen=True, slots=True)
class Scored:
    """Pictures people scored, on a device: ``native`` uint8 (h, w, 3) each, ``wholes`` uint8
    (N, side, side, 3), and ``targets`` standardised to about -1 to 1."""

    native: list[Tensor]
    wholes: Tensor
    targets: FloatArray
    side: int

    def views(self, rows: Sequence[int], centres: FloatArray) -> tuple[Tensor, Tensor]:
        """Whole and native crops about ``centres`` (N, 2) in fractions x, y, as the network reads them."""
        crops = [
            crop_at(self.native[row], self.side, where)
            for row, where in zip(rows, centres.tolist(), strict=True)
        ]
        return as_network(self.wholes[list(rows)]), as_network(torch.stack(crops))


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
            yield pair_of(read_photo(photo, longest=PHOTO_LONGEST), self.side, rng)


class Pool:
    """Pairs kept on the device, to be seen again: making one costs a CPU more than seeing it a GPU.

    The newest overwrite the oldest. What is drawn depends on the seed and on what was added, not on time.
    """

    def __init__(self, capacity: int, device: str) -> None:
        self.capacity, self.device, self.added = capacity, device, 0
        self.kept: dict[str, Tensor] = {}

    def add(self, batch: Mapping[str, Tensor]) -> None:
        """Keep a batch of pairs."""
        count = len(batch["kind"])
        if not self.kept:
            self.kept = {
                name: torch.empty((self.capacity, *value.shape[1:]), dtype=value.dtype, device=self.device)
                for name, value in batch.items()
            }
        places = torch.arange(self.added, self.added + count, device=self.device) % self.capacity
        for name, value in batch.items():
            self.kept[name][places] = value.to(self.device, non_blocking=True)
        self.added += count

    def draw(self, count: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Pairs as the network reads them, drawn with replacement."""
        rows = torch.from_numpy(rng.integers(min(self.added, self.capacity), size=count)).to(self.device)
        drawn = {name: value[rows] for name, value in self.kept.items()}
        return {name: as_network(value) if name in VIEWS else value for name, value in drawn.items()}


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
    views = [
        view
        for picture in (better, worse)
        for view in (squared(picture, side), native_pixels(picture, side=side, centre=where))
    ]
    told = {name: torch.from_numpy(view.copy()) for name, view in zip(VIEWS, views, strict=True)}
    facts = {"light": light, "heavy": heavy, "gap": GAP * (heavy - light)}
    return told | {name: torch.tensor(value) for name, value in facts.items()} | {"kind": torch.tensor(kind)}


def squared(rgb: ByteArray, side: int) -> ByteArray:
    """The whole picture brought to a square, so that pictures of all shapes share a batch."""
    picture = Image.fromarray(np.ascontiguousarray(rgb))
    return np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR), dtype=np.uint8)


def as_network(pictures: Tensor) -> Tensor:
    """uint8 (B, h, w, 3) to the network's float32 (B, 3, h, w), channels last in memory."""
    return ((pictures.float() - MEAN) / SCALE).permute(0, 3, 1, 2)


def crop_at(picture: Tensor, side: int, where: Sequence[float]) -> Tensor:
    """``native_pixels`` on a device; the picture is no smaller than the crop."""
    height, width = picture.shape[:2]
    top, left = (
        min(max(0, round(extent * centre - side / 2)), extent - side)
        for extent, centre in ((height, where[1]), (width, where[0]))
    )
    return picture[top : top + side, left : left + side]


def score_batches(
    scored: Scored, rows: npt.NDArray[np.int64], *, epochs: int, batch: int, rng: np.random.Generator
) -> Iterator[Batch]:
    """Shuffled batches; flips and moved crops only, since scaling and colour change quality."""
    for _ in range(epochs):
        order = rng.permutation(rows)
        for start in range(0, len(order) - batch + 1, batch):
            chosen = order[start : start + batch]
            centres = rng.uniform(0.25, 0.75, (batch, 2)).astype(np.float32)
            whole, crop = scored.views(chosen.tolist(), centres)
            flipped = torch.from_numpy(rng.random(batch) < 0.5).to(whole.device)[:, None, None, None]
            yield {
                "whole": torch.where(flipped, whole.flip(3), whole),
                "crop": torch.where(flipped, crop.flip(3), crop),
                "target": torch.from_numpy(scored.targets[chosen]).to(whole.device),
            }


def read_scored(path: Path, *, side: int, device: str) -> Scored:
    """Scored pictures of a table (``scoring.labelled``), decoded once and kept on the device."""
    native, wholes, targets = [], [], []
    for row in read_labels(path).rows:
        pixels = read_photo(row.path, longest=AS_IT_IS)
        short = [max(0, side - extent) for extent in pixels.shape[:2]]
        wide = np.pad(pixels, ((0, short[0]), (0, short[1]), (0, 0)), mode="symmetric")
        native.append(torch.from_numpy(wide).to(device))
        wholes.append(torch.from_numpy(squared(pixels, side).copy()))
        targets.append((row.score - 50) / 25)
    return Scored(native, torch.stack(wholes).to(device), np.array(targets, dtype=np.float32), side)
