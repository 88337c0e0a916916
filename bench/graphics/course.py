"""A deep retrain's course from pictures and scores: what scoring.deep writes, without a database."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from scoring import device
from scoring.core.checkpoint import read_tensor_file
from scoring.core.decode import decode_picture
from scoring.core.features import views_of
from scoring.core.recipes import Recipe
from scoring.deep_course import course_write, views_write

KEPT_PARTS = ("centre", "components", "defect_weights")


def course_of(
    folder: Path,
    *,
    blobs: Sequence[bytes],
    targets: npt.NDArray[Any],
    is_judged: npt.NDArray[np.bool_],
    recipe: Recipe,
    weights: Path = device.BASE_WEIGHTS,
) -> None:
    """Write the course of N pictures with ``targets`` (N,) 0-100, from the head that ships."""
    once = list(dict.fromkeys(blobs))  # a bench repeats its pictures
    seen = dict(zip(once, (views_of(decode_picture(blob)) for blob in once), strict=True))
    for row, blob in enumerate(blobs):
        views_write(folder, row, whole=seen[blob].whole, crop=seen[blob].crop)
    head, tensors = device.base_head(weights), read_tensor_file(weights)
    features = dict(zip(once, device.extract_features(once, weights=weights), strict=True))
    arrays = {name: tensors[f"features.{name}"] for name in KEPT_PARTS}
    arrays |= {"mean": head.mean, "std": head.std, "coefficients": head.coefficients[0]}
    arrays |= {"vectors": np.stack([features[blob].vector for blob in blobs]), "targets": targets}
    arrays["histograms"] = np.maximum(0.0, 1 - np.abs(np.arange(5) - targets[:, None] / 25))
    single = {name: np.asarray(value, dtype=np.float32) for name, value in arrays.items()}
    course_write(
        folder,
        recipe=recipe,
        lessons=single | {"is_judged": is_judged},
        facts={"weights": str(weights), "level": float(head.intercepts[0])},
    )


def weights_with(path: Path, encoder: Any, weights: Path = device.BASE_WEIGHTS) -> Path:
    """A weights file at ``path`` with a tuned encoder in it, which serves in float."""
    from scoring.core.quantise import without_ranges

    tensors = without_ranges(dict(read_tensor_file(weights)))
    for name, value in encoder.state_dict().items():
        key = f"{device.ENCODER_PREFIX}{name}"
        if key in tensors:
            tensors[key] = value.detach().float().cpu().numpy().astype(tensors[key].dtype)
    path.write_bytes(save({name: np.ascontiguousarray(value) for name, value in tensors.items()}))
    return path
