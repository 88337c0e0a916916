"""Pictures that people scored, as the product's own code sees them, whole and harmed; extracted once."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

BATCH = 32
HARMED, SEVEREST, MILDEST = 600, 0.9, 0.25  # pictures harmed, and how much
SEED = 17


@dataclass(frozen=True)
class Photos:
    """N pictures with ``scores`` (N,) 0-100, and M harmed ones (M, F), each of a ``source`` row."""

    vectors: npt.NDArray[np.float32]
    embeddings: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float64]
    harmed: npt.NDArray[np.float32]
    source: npt.NDArray[np.int64]
    severity: npt.NDArray[np.float64]


def paths_of(table: Path) -> list[Path]:
    """The pictures a CSV with the columns path and score speaks of, in its order."""
    return [table.parent / row["path"] for row in _rows(table)]


def photos_of(table: Path, cache: Path, weights: Path) -> Photos:
    """The pictures of a table and their features by ``weights``; kept in ``cache`` per weights and table."""
    from scoring import device

    name = hashlib.sha256(device.feature_version(weights).encode() + table.read_bytes()).hexdigest()[:16]
    kept = cache / f"photos-{name}.npz"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        np.savez(kept, **_extracted(table, weights))
    with np.load(kept) as known:
        return Photos(**{name: known[name] for name in Photos.__dataclass_fields__})


def photos_keep(photos: Photos, encoder: str, file: Path) -> None:
    """All a bench needs of the pictures in one small file, with words about their encoder."""
    np.savez_compressed(file, encoder=np.array(encoder), **asdict(photos))


def photos_kept(file: Path) -> tuple[Photos, str]:
    """What ``photos_keep`` wrote: needs neither pictures nor weights, nothing but NumPy."""
    with np.load(file) as known:
        photos = Photos(**{name: known[name] for name in Photos.__dataclass_fields__})
        return photos, str(known["encoder"])


def _rows(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _extracted(table: Path, weights: Path) -> dict[str, Any]:
    paths = paths_of(table)
    whole = _features((path.read_bytes() for path in paths), weights)
    rng = np.random.default_rng(SEED)
    source = np.sort(rng.permutation(len(paths))[:HARMED])
    severity = rng.uniform(MILDEST, SEVEREST, len(source))
    harmed = _features(
        (_harmed(paths[k], s, k) for k, s in zip(source.tolist(), severity.tolist(), strict=True)), weights
    )
    return {
        "vectors": np.stack([each.vector for each in whole]),
        "embeddings": np.stack([each.embedding for each in whole]),
        "scores": np.array([float(row["score"]) for row in _rows(table)]),
        "harmed": np.stack([each.vector for each in harmed]),
        "source": source,
        "severity": severity,
    }


def _harmed(path: Path, severity: float, number: int) -> bytes:
    """The picture with one of the faults that count for any picture, seeded by its number, without loss."""
    from PIL import Image

    from scoring.core.degrade import degrade
    from scoring.core.falls import FALLS

    with Image.open(path) as picture:
        rgb = np.asarray(picture.convert("RGB"))
    fault = FALLS[number % len(FALLS)]
    out = io.BytesIO()
    Image.fromarray(degrade(rgb, fault, severity, np.random.default_rng([SEED, number])).rgb).save(out, "PNG")
    return out.getvalue()


def _features(blobs: Iterator[bytes], weights: Path) -> list[Any]:
    """Features of pictures, a batch at a time."""
    from scoring import device

    found, batch = [], []
    for blob in blobs:
        batch.append(blob)
        if len(batch) == BATCH:
            found += device.extract_features(batch, weights)
            batch = []
    return found + (device.extract_features(batch, weights) if batch else [])
