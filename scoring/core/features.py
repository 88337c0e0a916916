"""From what the network and the measures say to the cached vector every head reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scoring.core.decode import Picture, native_pixels, whole_view
from scoring.core.defects import findings_of
from scoring.core.foreground import Foreground, before_busy, before_plain
from scoring.core.measures import MEASURE_NAMES, Measured, measure_picture, small_copy
from scoring.core.types import ByteArray, FloatArray, ImageFeatures, NotFiniteError

FEATURE_CODE = "8"  # raise when views, measures, composition or what heads say change: nothing may mix
WHOLE_LONGEST = 224
CROP_SIDE = 224
MIDDLE = (0.5, 0.5)
EMBEDDING_SIZE = 128
CLIP = 5.0
FELT_CLIP = 12.0  # a fault cannot be surer than certain
FELT_WEIGHT = 0.15
MEASURE_WEIGHT = 0.1  # of a standard measure beside the network, whose first direction has variance one


@dataclass(frozen=True, slots=True)
class Views:
    """What one picture sends to the network, uint8 (h, w, 3), and the product if its background is plain."""

    whole: ByteArray
    crop: ByteArray
    before_plain: Foreground | None


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
    """The two views of model.md: the whole picture, and native pixels at the middle of the product.

    Before a busy background it is the picture's middle, since the network is still to say where things are.
    """
    product = before_plain(small_copy(picture))
    return Views(
        whole=whole_view(picture, longest=WHOLE_LONGEST),
        crop=native_pixels(picture.rgb, side=CROP_SIDE, centre=product.middle if product else MIDDLE),
        before_plain=product,
    )


def measured_on_product(picture: Picture, views: Views, likely: FloatArray | None) -> Measured:
    """Measures of a picture, on the product where ``likely`` (h, w) or a plain background tells it apart."""
    product = views.before_plain or before_busy(small_copy(picture), likely)
    return measure_picture(picture, product)


def compose(*, model: FeatureModel, raw: FloatArray, measured: Measured) -> ImageFeatures:
    """Features of one picture from its raw network vector (R,) and measures; NaN is refused."""
    return compose_each(model=model, raws=raw[None], measured=[measured])[0]


def compose_each(
    *, model: FeatureModel, raws: FloatArray, measured: Sequence[Measured]
) -> list[ImageFeatures]:
    """Features of N pictures from raw network vectors (N, R) and measures, the projection read once."""
    if not np.isfinite(raws).all():
        raise NotFiniteError("the network gave values that are not finite")
    # So turned, a third quicker: few pictures, many components.
    reduced = np.asarray((model.components @ (raws - model.centre).T).T, dtype=np.float32)
    standard = standard_measures(model, np.stack([measure_row(each) for each in measured]))
    seen = np.concatenate([reduced, standard * MEASURE_WEIGHT], axis=1)
    logits = seen @ model.defect_weights.T + model.defect_bias
    vectors = np.concatenate([seen, felt(logits)], axis=1).astype(np.float32)
    usual = dict(
        zip(MEASURE_NAMES, zip(model.usual_mean.tolist(), model.usual_std.tolist(), strict=True), strict=True)
    )
    return [
        ImageFeatures(
            version=model.version,
            vector=vectors[k],
            embedding=_unit(reduced[k, :EMBEDDING_SIZE]),
            measures=each.values,
            findings=findings_of(
                logits=logits[k], measures=each.values, usual=usual, foreground=each.foreground
            ),
        )
        for k, each in enumerate(measured)
    ]


def measure_row(measured: Measured) -> FloatArray:
    """Measures (M,) in the order of MEASURE_NAMES."""
    return np.array([measured.values[name] for name in MEASURE_NAMES], dtype=np.float32)


def standard_measures(model: FeatureModel, measures: FloatArray) -> FloatArray:
    """Measures (..., M) in standard deviations from usual, clipped to five."""
    return np.asarray(np.clip((measures - model.usual_mean) / model.usual_std, -CLIP, CLIP), dtype=np.float32)


def felt(logits: FloatArray) -> FloatArray:
    """How strongly each fault is felt (..., 16): nothing on clean pictures, then about as its severity.

    Heads read these beside what they are made of: what a fault costs is then one number to learn.
    """
    return np.asarray(np.logaddexp(0, np.clip(logits, -FELT_CLIP, FELT_CLIP)) * FELT_WEIGHT, dtype=np.float32)


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
