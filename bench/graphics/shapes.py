"""What pictures of many shapes cost a card that has not met them: each view on a square, and as it is.

Squares come first and leave their plans to the other way, which is to its favour.
"""

from __future__ import annotations

import time

import numpy as np

from bench.claims import report
from scoring.core.backbone import encoder_module
from scoring.core.decode import STRIDE
from scoring.core.features import CROP_SIDE, WHOLE_LONGEST
from scoring.core.look import in_batches
from scoring.core.types import ByteArray
from scoring.device import encoder_tensors

AT_ONCE = 32  # pictures, as a score worker claims them


def told_shapes(*, rounds: int, name: str, card: str) -> None:
    """Print seconds until pictures of all shapes have been seen, and pictures a second from then on."""
    chunks = [_chunk(seed) for seed in range(rounds)]
    for on_squares in (True, False):
        encode = in_batches(encoder_module(encoder_tensors()), card, on_squares=on_squares)
        encode([[np.zeros((STRIDE, STRIDE, 3), dtype=np.uint8)]])  # libraries are loaded, the card is awake
        seconds = []
        for _ in range(2):
            began = time.monotonic()
            for chunk in chunks:
                encode(chunk)
            seconds.append(time.monotonic() - began)
        how = "each on a square" if on_squares else "each as it is"
        count = rounds * AT_ONCE
        beside = f"{count} pictures by {AT_ONCE}, {name}; again: {count / seconds[1]:.0f} a second"
        report(f"views of fifteen shapes met, {how}", seconds[0], "s", "", None, beside)


def _chunk(seed: int) -> list[tuple[ByteArray, ByteArray]]:
    """Both views of pictures whose sides are drawn at random."""
    rng = np.random.default_rng(seed)
    views = []
    for _ in range(AT_ONCE):
        sides = [WHOLE_LONGEST, STRIDE * int(rng.integers(1, WHOLE_LONGEST // STRIDE + 1))]
        shapes = (tuple(rng.permutation(sides)), (CROP_SIDE, CROP_SIDE))
        whole, crop = (rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes)
        views.append((whole, crop))
    return views
