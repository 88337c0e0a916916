"""Where a picture loses its score: measured by asking the model about one place at a time.

No gradients: every tile of native pixels takes the place of the fine view, with the place's own measures of
detail and light, and the model says what the picture would score then and which faults it would have. A place
is hot where two heads agree: it costs points against the picture's usual place, and a fault is felt there
that is not felt in the picture's calm places. Points alone would follow what things are made of, for a smooth
thing scores less than a lively one; a fault alone may cost nothing. A place darker or brighter than the rest
is as hot as bad exposure is felt there. Faults of the frame (a border, text, clutter, a cut-off product) are
drawn where they are measured, as hot as the points they cost: what the picture would score if they were not
felt. Flat places can show neither blur nor noise and stay cool.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy  # its parts load where first used: the web starts without
from PIL import Image

from scoring.core.decode import Picture
from scoring.core.defects import ACCUSED_FROM
from scoring.core.detail import detail_of
from scoring.core.features import MEASURE_WEIGHT, FeatureModel, felt, standard_measures
from scoring.core.foreground import Foreground
from scoring.core.head import Head
from scoring.core.measures import MEASURE_NAMES, Measured, small_copy
from scoring.core.steps import LUMA
from scoring.core.types import ByteArray, Defect, FloatArray, ImageFeatures

Array = npt.NDArray[np.float64]
EncodeTiles = Callable[[Sequence[ByteArray]], list[FloatArray]]
GRID = 8
TILE_SIDE = 128
# Chosen on photos that training may see; what they reach on others is bench/pointing.py's to say.
USUAL_PLACE = 0.5  # quantile of the tiles' scores that the others are held against
CALM_PLACE = 0.25  # likewise, of how strongly each fault is felt
FELT_FULLY = 0.2  # felt so much more than in calm places (severity is about that), a place counts for 0.63
TELLING, FEWEST_TELLING = 0.3, 8  # what a tile must tell to be held against, and how many such there must be
FLAT_STD, TEXTURED_STD = 1.5, 8.0  # levels: below the first a tile tells nothing, above the second all
FRAME_LEAST = 4.0  # how hot a fault of the frame is drawn that is certain and costs less: it is told, too
EXPOSED_POINTS = 8.0  # likewise of bad exposure, in a place that lies FULL_STEP from the usual brightness
FULL_STEP = 80.0  # levels
STANDS_OUT, FELT_IN_PLACE = 3.5, -3.0  # logits: above the usual place, and its own, at which it is half sure
HOT_POINTS = 30.0  # points lost at which the colour is full
FULL_ALPHA = 0.72
OUT_SIDE = 512
LIGHT_SIDE = 256 // GRID  # pixels a side of a cell in which light is measured
PLACED = (
    Defect.DEFOCUS_BLUR,
    Defect.MOTION_BLUR,
    Defect.NOISE,
    Defect.JPEG_ARTEFACTS,
    Defect.UPSCALED,
    Defect.UNDER_EXPOSED,
    Defect.OVER_EXPOSED,
)  # faults a place can have on its own
COOL, WARM = np.array([255, 214, 10]), np.array([214, 24, 32])  # yellow to red, drawn over the picture


@dataclass(frozen=True, slots=True)
class Heat:
    """``points`` (rows, columns), 0 and more: score points each place costs. ``reference`` 0-100."""

    points: FloatArray
    reference: float

    @property
    def hottest(self) -> tuple[float, float]:
        """Middle of the hottest place in fractions (x, y)."""
        row, column = np.unravel_index(int(self.points.argmax()), self.points.shape)
        return (float(column) + 0.5) / self.points.shape[1], (float(row) + 0.5) / self.points.shape[0]


def heat_of(
    *,
    picture: Picture,
    raw: FloatArray,
    measured: Measured,
    said: ImageFeatures,
    model: FeatureModel,
    head: Head,
    encode_tiles: EncodeTiles,
) -> Heat:
    """Heat of a picture from its raw vector, measures and features; ``encode_tiles`` is the network."""
    tiles = tiles_of(picture.rgb)
    lumas = [np.asarray(tile.astype(np.float32) @ LUMA, dtype=np.float32) for tile in tiles]
    lights = light_of(small_copy(picture))
    rows = [
        _changed(measured.values, {**detail_of(luma), **light})
        for luma, light in zip(lumas, lights, strict=True)
    ]
    vectors = _vectors(model, raw, np.stack(encode_tiles(tiles)), np.array(rows, dtype=np.float32))
    told = np.clip((np.array([luma.std() for luma in lumas]) - FLAT_STD) / (TEXTURED_STD - FLAT_STD), 0, 1)
    scores = head.unclipped(vectors)
    reference = float(_held_against(scores[:, None], told, USUAL_PLACE)[0])
    local = np.maximum(reference - scores, 0) * _sure(vectors, told) * told
    exposed = _ill_exposed(model, vectors, lights)
    places = np.maximum(local, exposed).reshape(GRID, GRID)
    smooth = scipy.ndimage.gaussian_filter(places, 0.6, mode="nearest")
    frame = _frame_heat(picture, measured.foreground, _frame_costs(said, head))
    return Heat(np.asarray(np.maximum(smooth, frame), dtype=np.float32), reference)


def tiles_of(rgb: ByteArray) -> list[ByteArray]:
    """GRID x GRID tiles of native pixels, row by row, evenly spread; a small picture is mirrored."""
    side = TILE_SIDE
    missing = [max(0, side - extent) for extent in rgb.shape[:2]]
    if any(missing):
        rgb = np.pad(rgb, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="symmetric")
    tops, lefts = (
        np.clip((np.arange(GRID) + 0.5) / GRID * extent - side / 2, 0, extent - side).astype(int) // 8 * 8
        for extent in rgb.shape[:2]
    )
    return [rgb[top : top + side, left : left + side] for top in tops for left in lefts]


def light_of(rgb: ByteArray) -> list[dict[str, float]]:
    """What the measures of light say of each of GRID x GRID equal cells of a small copy, row by row."""
    side = GRID * LIGHT_SIDE
    small = Image.fromarray(rgb).resize((side, side), Image.Resampling.BOX)
    luma = np.asarray(small, dtype=np.float32) @ LUMA
    cells = luma.reshape(GRID, LIGHT_SIDE, GRID, LIGHT_SIDE).transpose(0, 2, 1, 3).reshape(GRID * GRID, -1)
    p1, p2, p50, p98, p99 = np.quantile(cells, [0.01, 0.02, 0.5, 0.98, 0.99], axis=1)
    named = {
        "clipped_high_share": (cells >= 252).mean(axis=1),
        "clipped_low_share": (cells <= 4).mean(axis=1),
        "product_luma_p1": p1,
        "product_luma_p50": p50,
        "product_luma_p99": p99,
        "contrast": p98 - p2,
    }
    return [{name: float(values[k]) for name, values in named.items()} for k in range(len(cells))]


def _changed(measures: Mapping[str, float], own: Mapping[str, float]) -> list[float]:
    """A picture's measures in order, with those that a place has of its own."""
    return [float(own.get(name, measures[name])) for name in MEASURE_NAMES]


def _vectors(model: FeatureModel, raw: FloatArray, fine: FloatArray, measures: FloatArray) -> FloatArray:
    """What the heads read (T, F) when each tile's network vector stands in for the fine view's."""
    half = len(raw) // 2
    whole = model.components[:, :half] @ (raw[:half] - model.centre[:half])
    reduced = whole + (fine - model.centre[half:]) @ model.components[:, half:].T
    reduced = np.broadcast_to(reduced, (len(measures), reduced.shape[1]))
    seen = np.concatenate([reduced, standard_measures(model, measures) * MEASURE_WEIGHT], axis=1)
    return np.concatenate([seen, felt(seen @ model.defect_weights.T + model.defect_bias)], axis=1)


def _sure(vectors: FloatArray, told: Array) -> Array:
    """How surely (T,) 0-1 a place has a fault of its own: by what is felt there and not in calm places."""
    faults = vectors[:, -len(Defect) :][:, [list(Defect).index(fault) for fault in PLACED]].astype(np.float64)
    beyond = np.maximum(faults - _held_against(faults, told, CALM_PLACE), 0).sum(axis=1)
    return np.asarray(1.0 - np.exp(-beyond / FELT_FULLY), dtype=np.float64)


def _held_against(values: Array, told: Array, share: float) -> Array:
    """The quantile (K,) of values (T, K) over tiles that tell something; over all, where few do."""
    telling = values[told > TELLING]
    return np.asarray(np.quantile(telling if len(telling) >= FEWEST_TELLING else values, share, axis=0))


def _ill_exposed(model: FeatureModel, vectors: FloatArray, lights: Sequence[Mapping[str, float]]) -> Array:
    """Heat (T,) of places darker or brighter than the rest: as surely as bad exposure is felt there, and less
    elsewhere. Such a place is flat and may cost nothing by itself, so points would not tell."""
    felt_by = vectors[:, : -len(Defect)] @ model.defect_weights.T + model.defect_bias
    logits = felt_by[:, [list(Defect).index(fault) for fault in (Defect.UNDER_EXPOSED, Defect.OVER_EXPOSED)]]
    luma = np.array([light["product_luma_p50"] for light in lights])
    brighter = (luma - np.median(luma)) / FULL_STEP
    lit = np.clip(np.stack([-brighter, brighter], axis=1), 0, 1)
    expit = scipy.special.expit
    sure = expit(logits - np.median(logits, axis=0) - STANDS_OUT) * expit(logits - FELT_IN_PLACE)
    return np.asarray(EXPOSED_POINTS * (sure * lit).max(axis=1), dtype=np.float64)


def _frame_costs(said: ImageFeatures, head: Head) -> dict[Defect, float]:
    """Points that each fault costs of which a picture is accused, less the less sure it is; FRAME_LEAST at
    least."""
    told = {}
    for finding in said.findings:
        sure = (finding.probability - ACCUSED_FROM) / (1 - ACCUSED_FROM)
        if sure > 0:
            without = said.vector.copy()
            without[list(Defect).index(finding.defect) - len(Defect)] = 0  # felt faults stand at the end
            one, other = head.unclipped(np.stack([without, said.vector]))
            told[finding.defect] = sure * max(FRAME_LEAST, float(one - other))
    return told


def _frame_heat(picture: Picture, foreground: Foreground, costs: Mapping[Defect, float]) -> Array:
    """Heat (GRID, GRID) of faults that are measured on the frame, where they are measured."""
    luma = small_copy(picture).astype(np.float32) @ LUMA
    product = _to(foreground.mask.astype(np.float32), luma.shape) > 0.5
    places: dict[Defect, Callable[[], npt.ArrayLike]] = {
        Defect.CLUTTERED_BACKGROUND: lambda: _edges(luma) * ~product,
        Defect.TEXT_OVERLAY: lambda: _strokes(luma),
        Defect.BORDER: lambda: _rim(luma.shape, 0.06),
        Defect.CROPPED: lambda: _rim(luma.shape, 0.1) * product,
        Defect.COLLAGE: lambda: _lines(luma),
    }
    heat = np.zeros((GRID, GRID))
    for defect, place in places.items():
        if defect in costs:
            cells = _cells(np.asarray(place(), dtype=np.float32))
            heat = np.maximum(heat, costs[defect] * cells / max(float(cells.max()), 1e-6))
    return heat


def _edges(luma: FloatArray) -> FloatArray:
    return np.asarray(
        np.minimum(scipy.ndimage.gaussian_gradient_magnitude(luma, 1.0), 30.0), dtype=np.float32
    )


def _strokes(luma: FloatArray) -> FloatArray:
    dx = np.diff(luma, axis=1, prepend=luma[:, :1])
    turns = (dx[:, 1:] * dx[:, :-1] < -64).astype(np.float32)
    return np.asarray(np.maximum(scipy.ndimage.uniform_filter(turns, (5, 21)) - 0.1, 0), dtype=np.float32)


def _lines(luma: FloatArray) -> FloatArray:
    """Straight seams across the picture, both ways."""
    heat = np.zeros_like(luma)
    for axis in (0, 1):
        steps = np.abs(np.diff(luma, axis=axis, append=luma.take([-1], axis=axis))) > 12
        along = steps.mean(axis=1 - axis, keepdims=True)
        heat = np.maximum(heat, np.where(along > 0.5 * along.max(), along, 0))
    return heat


def _rim(shape: tuple[int, ...], share: float) -> FloatArray:
    edge = max(1, int(share * min(shape)))
    rim = np.ones(shape, dtype=np.float32)
    rim[edge:-edge, edge:-edge] = 0
    return rim


def _cells(place: FloatArray) -> Array:
    """Means (GRID, GRID) over equal cells."""
    return np.asarray(
        Image.fromarray(np.ascontiguousarray(place, dtype=np.float32)).resize(
            (GRID, GRID), Image.Resampling.BOX
        ),
        dtype=np.float64,
    )


def _to(values: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    return np.asarray(Image.fromarray(values).resize((shape[1], shape[0]), Image.Resampling.BILINEAR))


def drawn(heat: Heat, *, width: int, height: int) -> bytes:
    """PNG with alpha, no side over 512, to lay over the picture: clear where nothing is lost, else red."""
    factor = min(1.0, OUT_SIDE / max(width, height))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    wide = np.asarray(Image.fromarray(heat.points).resize(size, Image.Resampling.BICUBIC))
    share = np.clip(wide / HOT_POINTS, 0, 1)[..., None]
    rgba = np.concatenate([COOL + (WARM - COOL) * share, 255 * FULL_ALPHA * np.sqrt(share)], axis=2)
    out = io.BytesIO()
    Image.fromarray(np.round(rgba).astype(np.uint8), "RGBA").save(out, "PNG", compress_level=6)
    return out.getvalue()
