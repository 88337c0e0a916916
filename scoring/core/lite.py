"""The shape of EfficientNet-Lite, without torch: what the network and its exported graphs are built from.

Architecture: Tan and Le, EfficientNet, arXiv 1905.11946; the Lite variants (no squeeze-and-excitation,
ReLU6, fixed stem and head) are TensorFlow's of 2020.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scoring.core.decode import MEAN
from scoring.core.types import ByteArray

# kernel, stride, expansion, in, out, repeats
STAGES = (
    (3, 1, 1, 32, 16, 1),
    (3, 2, 6, 16, 24, 2),
    (5, 2, 6, 24, 40, 2),
    (3, 2, 6, 40, 80, 3),
    (5, 1, 6, 80, 112, 3),
    (5, 2, 6, 112, 192, 4),
    (3, 1, 6, 192, 320, 1),
)
LITE_SCALES = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}  # width, depth
STEM_CHANNELS, HEAD_CHANNELS = 32, 1280
STEM_KERNEL, STEM_STRIDE = 3, 2
STEM_PIXELS = 3 * STEM_KERNEL**2
STEM_PATCH = -(-STEM_PIXELS // 4) * 4  # bytes: whole fours are multiplied as they lie
BATCH_NORM_EPS = 1e-3
SPREAD_EPS = 1e-8  # added to a variance before its root
LEVELS_AT_MOST = 6.0  # of ReLU6

FINE_STRIDE, FINE_STEP = 4, 3  # of maps so fine every third row is asked for means and spreads
MAP_STRIDES = (8, 16, 32)  # pixels a side of one place of the maps by which things are located

Pads = tuple[int, int, int, int]  # left, right, top, bottom


@dataclass(frozen=True, slots=True)
class BlockShape:
    """One inverted residual (MobileNetV2): channels widened, filtered one by one, narrowed again."""

    kernel: int
    stride: int
    expansion: int
    inputs: int
    outputs: int

    @property
    def hidden(self) -> int:
        return self.inputs * self.expansion

    @property
    def expands(self) -> bool:
        return self.expansion != 1

    @property
    def is_residual(self) -> bool:
        return self.stride == 1 and self.inputs == self.outputs


def block_shapes(name: str = "lite0") -> list[BlockShape]:
    """Every block of a variant, in order."""
    width, depth = LITE_SCALES[name]
    blocks: list[BlockShape] = []
    for number, (kernel, stride, expansion, inputs, outputs, repeats) in enumerate(STAGES):
        source = STEM_CHANNELS if number == 0 else _round_channels(inputs, width)
        target = _round_channels(outputs, width)
        is_fixed = number in (0, len(STAGES) - 1)
        for index in range(repeats if is_fixed else math.ceil(repeats * depth)):
            first = index == 0
            blocks.append(
                BlockShape(kernel, stride if first else 1, expansion, source if first else target, target)
            )
    return blocks


def same_pads(kernel: int, stride: int) -> Pads:
    """TensorFlow's SAME padding for even sides: one pixel more at the right and bottom at stride 2."""
    total = max(kernel - stride, 0)
    return total // 2, total - total // 2, total // 2, total - total // 2


def stem_patches(view: ByteArray) -> ByteArray:
    """What the stem multiplies for each of its places: uint8 (h / 2, w / 2, STEM_PATCH) of a view (h, w, 3).

    Row by row of the kernel, as pixels lie; beyond the right and the lower edge, and in the last byte, lies
    MEAN, which is zero to it. The runtime takes patches out pixel by pixel, which costs as much as the next
    three layers.
    """
    height, width = view.shape[:2]
    wide = np.full((height + 1, width + 1, 3), int(MEAN), dtype=np.uint8)
    wide[:height, :width] = view
    row, pixel = wide.strides[:2]
    patches = np.full((height // 2, width // 2, STEM_PATCH), int(MEAN), dtype=np.uint8)
    lines = patches[:, :, :STEM_PIXELS].reshape(height // 2, width // 2, STEM_KERNEL, -1)
    lines = lines.view(f"V{STEM_KERNEL * pixel}")[:, :, :, 0]
    for k in range(STEM_KERNEL):
        steps = (STEM_STRIDE * row, STEM_STRIDE * pixel)
        lines[:, :, k] = np.ndarray(lines.shape[:2], lines.dtype, wide, offset=k * row, strides=steps)
    return patches


def feature_count(name: str = "lite0") -> int:
    """F: numbers one view gives."""
    return int(tap_places(name)[-1].stop)


def tap_strides(name: str = "lite0") -> tuple[int, ...]:
    """Pixels a side of one place of each map that is tapped: after the stem, each block, and the head."""
    strides = STEM_STRIDE * np.cumprod([1, *(block.stride for block in block_shapes(name)), 1])
    return tuple(int(stride) for stride in strides)


def row_step(stride: int) -> int:
    """Of a map with places of ``stride`` pixels, how many rows on the next is asked: the fine ones hold two
    thirds of all values, and neighbours in them say the same. Never a row of JPEG's blocks alone: 3 and 8
    share no factor."""
    return FINE_STEP if stride <= FINE_STRIDE else 1


def map_blocks(name: str = "lite0") -> tuple[int, ...]:
    """The block after which the picture is last an eighth, a 16th, a 32nd of its side: where things are."""
    strides = STEM_STRIDE * np.cumprod([block.stride for block in block_shapes(name)])
    return tuple(int(np.flatnonzero(strides == stride)[-1]) for stride in MAP_STRIDES)


def tap_places(name: str = "lite0") -> list[slice]:
    """Where the means and deviations of the stem, each block and the head lie among the F numbers."""
    blocks = [block.outputs for block in block_shapes(name)]
    ends = np.cumsum([2 * channels for channels in (STEM_CHANNELS, *blocks, HEAD_CHANNELS)])
    return [
        slice(int(end - size), int(end)) for end, size in zip(ends, np.diff(ends, prepend=0), strict=True)
    ]


def lite_name(tensors: Mapping[str, Any]) -> str:
    """Which variant an encoder's tensors are of, by their number of blocks and the width of the last."""
    blocks = {name.split(".")[1] for name in tensors if name.startswith("_blocks.")}
    width = tensors["_conv_head.weight"].shape[1]
    for name in LITE_SCALES:
        shapes = block_shapes(name)
        if (len(blocks), width) == (len(shapes), shapes[-1].outputs):
            return name
    raise ValueError(f"{len(blocks)} blocks, the last {width} wide, are no EfficientNet-Lite known here")


def _round_channels(channels: int, width: float) -> int:
    if width == 1.0:
        return channels
    scaled = channels * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded
