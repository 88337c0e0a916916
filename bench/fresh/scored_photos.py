"""Pictures that people scored, as the product's own code sees them, whole and harmed; extracted once."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
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


def photos_of(table: Path, cache: Path) -> Photos:
    """The pictures of a CSV with the columns path and score; kept in ``cache`` per encoder and table."""
    from scoring import device

    name = hashlib.sha256(device.feature_version().encode() + table.read_bytes()).hexdigest()[:16]
    kept = cache / f"photos-{name}.npz"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        np.savez(kept, **_extracted(table))
    with np.load(kept) as known:
        return Photos(**{name: known[name] for name in Photos.__dataclass_fields__})


def _extracted(table: Path) -> dict[str, Any]:
    rows = list(csv.DictReader(table.open(encoding="utf-8", newline="")))
    paths = [table.parent / row["path"] for row in rows]
    whole = _features(path.read_bytes() for path in paths)
    rng = np.random.default_rng(SEED)
    source = np.sort(rng.permutation(len(paths))[:HARMED])
    severity = rng.uniform(MILDEST, SEVEREST, len(source))
    harmed = _features(
        _harmed(paths[k], s, k) for k, s in zip(source.tolist(), severity.tolist(), strict=True)
    )
    return {
        "vectors": np.stack([each.vector for each in whole]),
        "embeddings": np.stack([each.embedding for each in whole]),
        "scores": np.array([float(row["score"]) for row in rows]),
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


def _features(blobs: Iterator[bytes]) -> list[Any]:
    """Features of pictures, a batch at a time."""
    from scoring import device

    found, batch = [], []
    for blob in blobs:
        batch.append(blob)
        if len(batch) == BATCH:
            found += device.extract_features(batch)
            batch = []
    return found + (device.extract_features(batch) if batch else [])
