"""How views go through a network that is loaded already: an exported graph, or a module of torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scoring.core.decode import MEAN, SCALE
from scoring.core.lite import stem_patches
from scoring.core.types import ByteArray, FloatArray

PIXELS_AT_ONCE = 128 * 256 * 256  # of a batch in torch, however many pictures are asked for
COUNTS_AT_ONCE = (1, 2, 8, 32, 64, 128)  # views of a batch on CUDA


@dataclass(frozen=True, slots=True)
class Seen:
    """What a network says of one picture: ``raw`` (R,) of all its views, and the maps (h, w, C) of the first
    view (``lite.map_blocks``), none by a network that shows none."""

    raw: FloatArray
    maps: Sequence[FloatArray] = ()


Sizes = npt.NDArray[np.int64]  # (n, 2): heights and widths
Encode = Callable[[Sequence[Sequence[ByteArray]]], list[Seen]]  # of each picture its views, uint8 (h, w, 3)
Look = Callable[[ByteArray, bool], Seen]  # one view, and whether its maps are asked for


def parted(members: Sequence[int], *, most: int, device: str) -> list[list[int]]:
    """Views of one shape in batches of at most ``most``; on CUDA all of one of COUNTS_AT_ONCE, where the last
    view stands again to fill the last batch up.

    For each layer cuDNN plans anew how to work on a shape and count it has not met, and compiles many a
    depthwise layer for it: that seems to take seconds for a training step.
    """
    size = max(1, most)
    if device == "cuda":
        size = max(count for count in COUNTS_AT_ONCE if count <= max(1, min(size, len(members))))
    parts = [list(members[start : start + size]) for start in range(0, len(members), size)]
    if device == "cuda":
        parts[-1] += [parts[-1][-1]] * (size - len(parts[-1]))
    return parts


def sheets(
    views: Sequence[ByteArray], *, device: str, on_squares: bool, most: int = 0
) -> Iterator[tuple[list[int], ByteArray, Sizes | None]]:
    """Views in batches of one shape: which they are, their pixels (n, h, w, 3), and their own sizes (n, 2)
    where not all of them fill the sheets they lie on.

    ``on_squares``: each lies at the top left of a square of its longer side, so that pictures of all shapes
    give a network two shapes, seldom more than eight; what is outside is zero to it. A batch holds ``most``
    views, as many as PIXELS_AT_ONCE allows where that is not given.
    """
    shown = [_on_square(view) for view in views] if on_squares else list(views)
    for shape in dict.fromkeys(view.shape for view in shown):
        members = [n for n, view in enumerate(shown) if view.shape == shape]
        for part in parted(members, most=most or PIXELS_AT_ONCE // (shape[0] * shape[1]), device=device):
            sizes = np.array([views[n].shape[:2] for n in part])
            is_filled = bool((sizes == shape[:2]).all())
            yield part, np.stack([shown[n] for n in part]), None if is_filled else sizes


def _on_square(view: ByteArray) -> ByteArray:
    height, width = view.shape[:2]
    if height == width:
        return view
    square = np.full((max(height, width),) * 2 + (3,), int(MEAN), dtype=np.uint8)
    square[:height, :width] = view
    return square


def graph_reader(session: Any) -> Look:
    """An exported graph in an ONNX Runtime session, asked about one view at a time."""
    from scoring.core.graph import MAPS
    from scoring.core.graph_int8 import Taps
    from scoring.core.graph_nodes import FEATURES

    given, taps = session.get_inputs()[0].name, Taps(session.get_modelmeta().custom_metadata_map)
    asked = taps.names or [FEATURES]

    def look(view: ByteArray, with_maps: bool) -> Seen:
        pixels = stem_patches(view) if taps.names else view
        told = session.run([*asked, *(MAPS if with_maps else ())], {given: pixels[None]})
        seen, maps = told[: len(asked)], told[len(asked) :]
        raw = taps.moments(seen) if taps.names else np.asarray(seen[0][0], dtype=np.float32)
        return Seen(raw, [each[0] for each in maps])

    return look


def one_by_one(look: Look, *, threads: int) -> Encode:
    """Views singly, as many at once as there are threads: on a CPU batching gains nothing and costs page
    faults, and many threads for one view are slower than many views."""
    side_by_side = map if threads == 1 else ThreadPoolExecutor(threads, thread_name_prefix="encoder").map

    def encode(pictures: Sequence[Sequence[ByteArray]]) -> list[Seen]:
        views = [view for views in pictures for view in views]
        firsts = [n == 0 for views in pictures for n in range(len(views))]
        told = iter(side_by_side(look, views, firsts))
        return [_as_one([next(told) for _ in views]) for views in pictures]

    return encode


def in_batches(encoder: Any, device: str, *, on_squares: bool | None = None) -> Encode:
    """Views of one shape together, in torch: half precision and channels last on CUDA, there on squares.

    Our own network runs in float16, whose steps are eight times as fine as bfloat16's and whose range it does
    not leave; others' networks may. A batch holds PIXELS_AT_ONCE at most, half of them where memory is short.
    """
    import torch

    encoder = encoder.to(device, memory_format=torch.channels_last)
    is_ours = hasattr(encoder, "look")
    half = torch.float16 if is_ours else torch.bfloat16
    on_squares = is_ours and device == "cuda" if on_squares is None else on_squares

    def seen(pixels: ByteArray, sizes: Sizes | None) -> list[Seen]:
        levels = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2)  # channels stay last
        pictures = (levels.float() - MEAN) / SCALE
        given = [pictures] if sizes is None else [pictures, torch.from_numpy(sizes).to(device)]
        with torch.inference_mode(), torch.autocast(device, dtype=half, enabled=device == "cuda"):
            features, maps = encoder.look(*given) if is_ours else (encoder(*given), [])
            raws, *shown = (each.float().cpu().numpy() for each in (features, *maps))
        return [Seen(raw, [_cut(each[n], sizes, n, pixels) for each in shown]) for n, raw in enumerate(raws)]

    def run(pixels: ByteArray, sizes: Sizes | None) -> list[Seen]:
        try:
            return seen(pixels, sizes)
        except torch.OutOfMemoryError:
            if len(pixels) == 1:
                raise
        torch.cuda.empty_cache()
        middle = len(pixels) // 2
        halves = (slice(None, middle), slice(middle, None))
        return [told for half in halves for told in run(pixels[half], None if sizes is None else sizes[half])]

    def encode(pictures: Sequence[Sequence[ByteArray]]) -> list[Seen]:
        flat = [view for views in pictures for view in views]
        told: dict[int, Seen] = {}
        for some, pixels, sizes in sheets(flat, device=device, on_squares=on_squares):
            told |= zip(some, run(pixels, sizes), strict=True)
        rest = (told[n] for n in range(len(flat)))
        return [_as_one([next(rest) for _ in views]) for views in pictures]

    return encode


def _cut(shown: FloatArray, sizes: Sizes | None, n: int, pixels: ByteArray) -> FloatArray:
    """What of a map (h, w, C) of a sheet shows the picture on it."""
    if sizes is None:
        return shown
    height, width = sizes[n] * shown.shape[0] // pixels.shape[1]
    return shown[:height, :width]


def _as_one(views: Sequence[Seen]) -> Seen:
    return Seen(np.concatenate([each.raw for each in views]), views[0].maps)
