"""Photos of a folder and who took them, so that what is tested was never trained on.

A folder may hold a labels.csv; its rows name the photos, and one of GROUP_COLUMNS says what belongs
together: a sender, a product, a kind of thing. Without one, photos of one folder belong together.
"""

from __future__ import annotations

import csv
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from scoring.core.reencode import upright_srgb
from scoring.core.splits import HOLDOUT, split_of
from scoring.core.types import ByteArray

PICTURES = {".jpg", ".jpeg", ".png", ".webp"}
GROUP_COLUMNS = ("photographer", "sender_id", "seller", "product_group", "fine_class")
LONGEST = 1000  # photos are brought to at most this size before they are degraded
UNSEEN_SHARE = 0.25
SEED = 2026


class PhotoError(ValueError):
    """A photo to learn from, or a folder of them, cannot be read; the message names it."""


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo; ``group`` names all that must stay on one side of a split."""

    path: Path
    group: str

    @property
    def is_unseen(self) -> bool:
        """Whether training must leave it alone: a quarter of all groups, the same for ever."""
        return split_of(self.group, seed=SEED, holdout_share=UNSEEN_SHARE) == HOLDOUT


def photos_of(folder: Path) -> list[Photo]:
    """Photos below a folder, in a stable order; PhotoError where there is none."""
    if not folder.is_dir():
        raise PhotoError(f"There is no folder {folder}")
    table = folder / "labels.csv"
    if table.exists():
        with table.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        photos = [Photo(folder / row["path"], _group(folder, row)) for row in rows]
        return sorted(photos, key=lambda photo: str(photo.path))
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)
    if not found:
        raise PhotoError(f"There are no photos in {folder}")
    return [Photo(path, f"{folder.name}/{path.parent.relative_to(folder)}") for path in found]


def name_of(photo: Photo, folder: Path) -> str:
    """What tables call a photo of a folder: the folder's name, then where it lies in it."""
    return f"{folder.name}/{photo.path.relative_to(folder).as_posix()}"


def seen_photos(folder: Path, *, limit: int, rng: np.random.Generator) -> list[Photo]:
    """At most ``limit`` photos of a folder that training may see, drawn at random."""
    found = [photo for photo in photos_of(folder) if not photo.is_unseen]
    return [found[index] for index in rng.permutation(len(found))[:limit]]


def draw_of(folder: Path, seed: int) -> np.random.Generator:
    """The generator that draws from one folder, whatever other folders there are."""
    return np.random.default_rng([seed, zlib.crc32(folder.name.encode())])


def read_photo(path: Path, *, longest: int = LONGEST) -> ByteArray:
    """Pixels (h, w, 3) as the gate would let them in, no side over ``longest``; PhotoError says why not."""
    try:
        with Image.open(path) as image:
            image.draft("RGB", (longest, longest))
            upright = upright_srgb(image)
    except Exception as error:  # Pillow raises seven classes for damaged files
        raise PhotoError(f"{path} cannot be read: {error}") from error
    upright.thumbnail((longest, longest))
    return np.asarray(upright, dtype=np.uint8)


def _group(folder: Path, row: dict[str, str]) -> str:
    column = next((name for name in GROUP_COLUMNS if row.get(name)), None)
    own = row[column] if column else str(Path(row["path"]).parent)
    return "/".join(part for part in (folder.name, row.get("source", ""), own) if part)
