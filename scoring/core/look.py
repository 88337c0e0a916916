"""How views go through a network that is loaded already: an exported graph, or a module of torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from scoring.core.decode import MEAN, SCALE
from scoring.core.types import ByteArray, FloatArray

PIXELS_AT_ONCE = 128 * 256 * 256  # of a batch in torch, however many pictures are asked for
COUNTS_AT_ONCE = (1, 2, 8, 32, 64, 128)  # views of a batch on CUDA


@dataclass(frozen=True, slots=True)
class Seen:
    """What a network says of one picture: ``raw`` (R,) of all its views, and the maps (h, w, C) of the first
    view (``lite.map_blocks``), none by a network that shows none."""

    raw: FloatArray
    maps: Sequence[FloatArray] = ()


Encode = Callable[[Sequence[Sequence[ByteArray]]], list[Seen]]  # of each picture its views, uint8 (h, w, 3)
Look = Callable[[ByteArray, bool], Seen]  # one view, and whether its maps are asked for


def parted(members: Sequence[int], *, most: int, device: str) -> list[list[int]]:
    """Views of one shape in batches of at most ``most``; on CUDA all of one of COUNTS_AT_ONCE, where the last
    view stands again to fill the last batch up.

    For each layer cuDNN plans anew how to work on a shape and count it has not met, which seems to take
    seconds for a training step: a catalogue of pictures of many shapes would meet hundreds of them.
    """
    size = max(1, most)
    if device == "cuda":
        size = max(count for count in COUNTS_AT_ONCE if count <= max(1, min(size, len(members))))
    parts = [list(members[start : start + size]) for start in range(0, len(members), size)]
    if device == "cuda":
        parts[-1] += [parts[-1][-1]] * (size - len(parts[-1]))
    return parts


def graph_reader(session: Any) -> Look:
    """An exported graph in an ONNX Runtime session, asked about one view at a time."""
    from scoring.core.graph import FEATURES, MAPS, PICTURES

    def look(view: ByteArray, with_maps: bool) -> Seen:
        raw, *maps = session.run([FEATURES, *(MAPS if with_maps else ())], {PICTURES: view[None]})
        return Seen(np.asarray(raw[0], dtype=np.float32), [each[0] for each in maps])

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


def in_batches(encoder: Any, device: str) -> Encode:
    """Views of one shape together, in torch: half precision and channels last on CUDA.

    Our own network runs in float16, whose steps are eight times as fine as bfloat16's and whose range it does
    not leave; others' networks may. A batch holds PIXELS_AT_ONCE at most, half of them where memory is short.
    """
    import torch

    encoder = encoder.to(device, memory_format=torch.channels_last)
    half = torch.float16 if hasattr(encoder, "look") else torch.bfloat16

    def seen(batch: Sequence[ByteArray]) -> list[Seen]:
        pixels = torch.from_numpy(np.stack(batch)).to(device).permute(0, 3, 1, 2)  # channels stay last
        pictures = (pixels.float() - MEAN) / SCALE
        with torch.inference_mode(), torch.autocast(device, dtype=half, enabled=device == "cuda"):
            features, maps = encoder.look(pictures) if hasattr(encoder, "look") else (encoder(pictures), [])
            raws, *shown = (each.float().cpu().numpy() for each in (features, *maps))
        return [Seen(raw, [each[n] for each in shown]) for n, raw in enumerate(raws)]

    def run(batch: Sequence[ByteArray]) -> list[Seen]:
        try:
            return seen(batch)
        except torch.OutOfMemoryError:
            if len(batch) == 1:
                raise
        torch.cuda.empty_cache()
        middle = len(batch) // 2
        return run(batch[:middle]) + run(batch[middle:])

    def encode(pictures: Sequence[Sequence[ByteArray]]) -> list[Seen]:
        flat = [view for views in pictures for view in views]
        told: dict[int, Seen] = {}
        for shape in {view.shape for view in flat}:
            members = [n for n, view in enumerate(flat) if view.shape == shape]
            most = PIXELS_AT_ONCE // (shape[0] * shape[1])
            for some in parted(members, most=most, device=device):
                told |= zip(some, run([flat[n] for n in some]), strict=True)
        rest = (told[n] for n in range(len(flat)))
        return [_as_one([next(rest) for _ in views]) for views in pictures]

    return encode


def _as_one(views: Sequence[Seen]) -> Seen:
    return Seen(np.concatenate([each.raw for each in views]), views[0].maps)
