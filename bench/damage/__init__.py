"""Photos that training never saw, whole and harmed by seeded faults, and what the shipped model says."""

from __future__ import annotations

import argparse
import io
import multiprocessing
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.fresh.unscored import add_weights_option
from scoring.core.degrade import degrade
from scoring.core.types import ByteArray, Defect, FloatArray
from scoring.photos import Photo, photos_of, read_photo

Array = npt.NDArray[np.float64]
PROCESSES = 2
Kind = TypeVar("Kind")


@dataclass(frozen=True, slots=True)
class Shot:
    """One photo as it will be scored: ``fault`` None for untouched."""

    photo: Photo
    fault: Defect | None = None
    severity: float = 0.0
    seed: int = 0

    def pixels(self) -> ByteArray:
        rgb = read_photo(self.photo.path)
        if self.fault is None:
            return rgb
        return degrade(rgb, self.fault, self.severity, np.random.default_rng(self.seed)).rgb


def options(description: str | None) -> argparse.Namespace | None:
    """``--images FOLDER ...`` (or IMAGES) and how many photos of each; None, said aloud, without a folder."""
    given = [Path(part) for part in os.environ.get("IMAGES", "").split(os.pathsep) if part]
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--images", type=Path, nargs="+", default=given, help="folders of clean photos")
    parser.add_argument("--limit", type=int, default=150, help="unseen photos per folder")
    wanted = parser.parse_args()
    if not wanted.images:
        print("# no folder of pictures given (IMAGES=folder): nothing was measured")
        return None
    return wanted


def labels_options(description: str | None) -> argparse.Namespace | None:
    """``--data CSV`` (or SCORES), weights, and where to keep features; None, said aloud, without a CSV."""
    parser = argparse.ArgumentParser(description=description)
    add_weights_option(parser)
    parser.add_argument("--data", type=Path, default=os.environ.get("SCORES") or None)
    parser.add_argument(
        "--left-out",
        type=Path,
        help="left_out.csv of vitrine pretrain: what weights said of folds unseen",
    )
    parser.add_argument("--keep", type=Path, help="keep the features in this .npz, or use it again")
    wanted = parser.parse_args()
    if wanted.data is None:
        print("# no scored pictures given (SCORES=labels.csv): nothing was measured")
        return None
    return wanted


def unseen_photos(folder: Path, limit: int, rng: np.random.Generator) -> list[Photo]:
    """At most ``limit`` photos of groups that no training has seen, drawn at random."""
    photos = [photo for photo in photos_of(folder) if photo.is_unseen]
    return [photos[k] for k in rng.permutation(len(photos))[:limit]]


def told_of(shots: Sequence[Kind], ask: Callable[[Kind], FloatArray]) -> FloatArray:
    """What ``ask`` tells of every shot (N, K), by two processes. ``ask`` is a module's own function."""
    os.environ.update(OMP_NUM_THREADS="1", PYTHONWARNINGS="ignore")
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        return np.stack(pool.map(ask, shots, chunksize=4))


def ask_model(shot: Shot) -> FloatArray:
    """Overall score, then the probability of each defect (17,)."""
    return said_of(as_bytes(shot.pixels()))


def said_of(picture: bytes) -> FloatArray:
    """What the model says of a file: overall score, then the probability of each defect (17,)."""
    from scoring.core.predict import predict_pictures
    from scoring.device import base_head, extract_features

    features = extract_features([picture])
    said = predict_pictures(head=base_head(), features=features)[0]
    return np.array([said.overall_score, *said.defects.values()], dtype=np.float32)


def as_bytes(rgb: ByteArray) -> bytes:
    """A PNG: the fault is to be judged, not another compression."""
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "PNG", compress_level=1)
    return out.getvalue()


def share_between(hits: Array, rng: np.random.Generator) -> tuple[float, float, float]:
    """A share 0-1 and its 95 % bootstrap interval."""
    draws = hits[rng.integers(0, len(hits), (1000, len(hits)))].mean(axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(hits.mean()), float(low), float(high)
