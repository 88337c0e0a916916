"""From what the network and the measures say to the cached vector every head reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scoring.core.decode import Picture, native_crop, whole_view
from scoring.core.defects import findings_of
from scoring.core.measures import MEASURE_NAMES, Measured, measure_picture
from scoring.core.types import FloatArray, ImageFeatures, NotFiniteError

FEATURE_CODE = "1"  # raise when views, measures or composition change: cached vectors must not mix
WHOLE_LONGEST = 256
CROP_SIDE = 256
EMBEDDING_SIZE = 128
CLIP = 5.0
MEASURE_WEIGHT = 0.1  # of a standard measure beside the network, whose first direction has variance one


@dataclass(frozen=True, slots=True)
class Views:
    """What one picture sends to the network, and its measures."""

    whole: FloatArray
    crop: FloatArray
    measured: Measured


@dataclass(frozen=True, slots=True)
class FeatureModel:
    """The fitted part of feature extraction, shipped with the encoder.

    ``centre`` (R,) and ``components`` (P, R) reduce the raw network vector, scaled to unit variance;
    ``usual_mean``/``usual_std`` (M,) are the measures of unharmed pictures; ``defect_weights``
    (16, P + M) and ``defect_bias`` (16,) give defect logits.
    """

    version: str
    centre: FloatArray
    components: FloatArray
    usual_mean: FloatArray
    usual_std: FloatArray
    defect_weights: FloatArray
    defect_bias: FloatArray


def views_of(picture: Picture) -> Views:
    """The two views of model.md: the whole picture, and native pixels at the middle of the product."""
    measured = measure_picture(picture.rgb, jpeg_quality=picture.jpeg_quality)
    box = measured.foreground.box
    centre = ((box.left + box.right) / 2, (box.top + box.bottom) / 2)
    return Views(
        whole=whole_view(picture.rgb, longest=WHOLE_LONGEST),
        crop=native_crop(picture.rgb, side=CROP_SIDE, centre=centre),
        measured=measured,
    )


def compose(*, model: FeatureModel, raw: FloatArray, measured: Measured) -> ImageFeatures:
    """Features of one picture from its raw network vector (R,) and measures; NaN is refused."""
    if not np.isfinite(raw).all():
        raise NotFiniteError("the network gave values that are not finite")
    reduced = model.components @ (raw - model.centre)
    vector = np.concatenate([reduced, standard_measures(model, measured) * MEASURE_WEIGHT]).astype(np.float32)
    logits = model.defect_weights @ vector + model.defect_bias
    usual = {
        name: (float(model.usual_mean[k]), float(model.usual_std[k])) for k, name in enumerate(MEASURE_NAMES)
    }
    return ImageFeatures(
        version=model.version,
        vector=vector,
        embedding=_unit(reduced[:EMBEDDING_SIZE]),
        measures=measured.values,
        findings=findings_of(
            logits=logits, measures=measured.values, usual=usual, foreground=measured.foreground
        ),
    )


def standard_measures(model: FeatureModel, measured: Measured) -> FloatArray:
    """Measures (M,) in standard deviations from usual, clipped to five."""
    values = np.array([measured.values[name] for name in MEASURE_NAMES], dtype=np.float32)
    return np.asarray(np.clip((values - model.usual_mean) / model.usual_std, -CLIP, CLIP), dtype=np.float32)


def model_from_tensors(tensors: Mapping[str, npt.NDArray[Any]], *, version: str) -> FeatureModel:
    """The feature model a weights file holds; a missing array is a KeyError naming it."""
    return FeatureModel(
        version=version,
        **{
            name: np.asarray(tensors[f"features.{name}"], dtype=np.float32)
            for name in FeatureModel.__slots__
            if name != "version"
        },
    )


def model_to_tensors(model: FeatureModel) -> dict[str, npt.NDArray[Any]]:
    """Arrays for a weights file; the large projection in half precision."""
    return {
        f"features.{name}": getattr(model, name).astype(np.float16 if name == "components" else np.float32)
        for name in FeatureModel.__slots__
        if name != "version"
    }


def _unit(vector: FloatArray) -> FloatArray:
    wide = np.zeros(EMBEDDING_SIZE, dtype=np.float32)
    wide[: len(vector)] = vector
    norm = float(np.linalg.norm(wide))
    if norm == 0:
        wide[0] = norm = 1.0
    return wide / np.float32(norm)
