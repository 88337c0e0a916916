"""Where the product is before a busy background, from what the network sees there anyway.

A small decoder reads the network's own maps at an eighth, a 16th and a 32nd of the view and costs less than a
millisecond beside it. It was taught by the masks of a network made for the task (U2-Net, Qin et al., Pattern
Recognition 106, 2020), which takes seventy times as long: ``python -m scoring.locate``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from scoring.core.types import FloatArray

PREFIX = "locator."  # of its arrays in a weights file


@dataclass(frozen=True, slots=True)
class Locator:
    """``fine`` (C8, K), ``middle`` (C16, K) and ``coarse`` (C32, K) bring the maps to K channels; ``place``
    (2, K) tells how far from the middle, ``start`` (K,) is added; ``mix`` (3, 3, K, K), ``mixed`` (K,) and
    ``tell`` (3, 3, K, 1), ``told`` (1,) are two convolutions, ReLU before each."""

    fine: FloatArray
    middle: FloatArray
    coarse: FloatArray
    place: FloatArray
    start: FloatArray
    mix: FloatArray
    mixed: FloatArray
    tell: FloatArray
    told: FloatArray

    def likely(self, maps: Sequence[FloatArray]) -> FloatArray:
        """How likely each place is the product, 0-1 (h, w), of maps (h, w, C8), (h/2, w/2, C16) and
        (h/4, w/4, C32)."""
        height, width = maps[0].shape[:2]
        x = _mapped(maps[0], self.fine) + _mapped(places(height, width), self.place) + self.start
        x += _spread(_mapped(maps[1], self.middle), 2)
        x += _spread(_mapped(maps[2], self.coarse), 4)
        x = _conv(np.maximum(x, 0, out=x), self.mix) + self.mixed
        logit = (_conv(np.maximum(x, 0, out=x), self.tell) + self.told)[:, :, 0]
        return np.asarray(1 / (1 + np.exp(-np.clip(logit, -30, 30))), dtype=np.float32)

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """As a weights file keeps it."""
        return {f"{PREFIX}{name}": getattr(self, name).astype(np.float32) for name in self.__slots__}


def locator_in(tensors: Mapping[str, npt.NDArray[Any]]) -> Locator | None:
    """The locator of a weights file, where it has one."""
    names = [name for name in Locator.__slots__ if f"{PREFIX}{name}" in tensors]
    if len(names) < len(Locator.__slots__):
        return None
    return Locator(*(np.asarray(tensors[f"{PREFIX}{name}"], dtype=np.float32) for name in names))


@lru_cache(maxsize=16)
def places(height: int, width: int) -> FloatArray:
    """Squared distance from the middle along both sides, 0-1 (h, w, 2)."""
    down, across = ((((np.arange(n) + 0.5) / n * 2 - 1) ** 2).astype(np.float32) for n in (height, width))
    return np.stack(np.broadcast_arrays(down[:, None], across[None]), axis=2)


def _mapped(x: FloatArray, weight: FloatArray) -> FloatArray:
    """Channels (h, w, I) by (I, O), all places in one product."""
    return np.asarray((x.reshape(-1, x.shape[2]) @ weight).reshape(*x.shape[:2], -1), dtype=np.float32)


def _spread(x: FloatArray, times: int) -> FloatArray:
    return x.repeat(times, axis=0).repeat(times, axis=1)


def _conv(x: FloatArray, weight: FloatArray) -> FloatArray:
    """Convolution (h, w, I) by (3, 3, I, O), zeros around; past the ends of rows, where the zeros are, so
    that what one weight is for lies in one piece."""
    height, width, inputs = x.shape
    stride = width + 2
    wide = np.zeros((height + 3, stride, inputs), dtype=np.float32)
    wide[1:-2, 1:-1] = x
    flat, count = wide.reshape(-1, inputs), height * stride
    told = np.zeros((count, weight.shape[3]), dtype=np.float32)
    for dy in range(3):
        for dx in range(3):
            told += flat[dy * stride + dx :][:count] @ weight[dy, dx]
    return told.reshape(height, stride, -1)[:, :width]
