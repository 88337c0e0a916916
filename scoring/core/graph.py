"""The encoder as an ONNX graph, written node by node from the tensors of a weights file, without torch.

Two graphs say nearly the same. The float one is the network itself. The int8 one multiplies whole numbers
of 8 bits, which processors with AVX-512 VNNI do about twice as fast; it needs to know between which limits
each layer's values lie and what they are on the average (``scoring.core.quantise``). Pixels go in as they
are: into the float one as uint8 (N, h, w, 3) with sides that are multiples of 32, into the other as the
patches that its stem multiplies (``lite.stem_patches``). In both, batch norm is folded into the convolutions,
padding is part of them (as nodes of their own they cost half the time), and means and deviations are taken in
float.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from scoring.core.decode import MEAN, SCALE
from scoring.core.graph_int8 import Int8
from scoring.core.graph_nodes import FEATURES, PICTURES, Nodes, window
from scoring.core.lite import (
    BATCH_NORM_EPS,
    LEVELS_AT_MOST,
    SPREAD_EPS,
    STEM_STRIDE,
    BlockShape,
    block_shapes,
    lite_name,
    map_blocks,
    row_step,
    tap_strides,
)
from scoring.core.quantise import Ranges
from scoring.core.types import FloatArray

TOLD_LIMITS, TOLD_INPUTS = "limits", "inputs"
MAPS = ("map8", "map16", "map32")  # (N, h, w, C) each, in the order of lite.MAP_STRIDES; made where asked for

Tensors = Mapping[str, npt.NDArray[Any]]


def float_graph(tensors: Tensors, *, with_ranges: bool = False) -> bytes:
    """The network in float32; ``with_ranges`` also tells what ``quantise.Ranges`` holds of a batch."""
    writer = _Float()
    _walk(writer, tensors)
    if with_ranges:
        writer.tell_ranges()
    return writer.written()


def int8_graph(tensors: Tensors, ranges: Ranges) -> bytes:
    """The network in 8 bits; ValueError where ``ranges`` are those of another."""
    layers = layer_count(lite_name(tensors))
    if ranges.limits.shape != (layers, 2):
        raise ValueError(f"limits have the shape {ranges.limits.shape}, this network asks for ({layers}, 2)")
    writer = Int8(ranges)
    _walk(writer, tensors)
    return writer.written()


def layer_count(name: str = "lite0") -> int:
    """A: convolutions and sums, each of which has a range."""
    return 2 + sum(2 + shape.expands + shape.is_residual for shape in block_shapes(name))


class _Writer(Protocol):
    def start(self) -> str: ...
    def conv(
        self, x: str, weight: FloatArray, bias: FloatArray, *, stride: int, groups: int, bends: bool
    ) -> str: ...
    def add(self, x: str, y: str) -> str: ...
    def tap(self, x: str, channels: int, stride: int) -> None: ...
    def show(self, x: str, name: str) -> None: ...


def _walk(writer: _Writer, tensors: Tensors) -> None:
    """Say the network layer by layer."""
    variant = lite_name(tensors)
    strides = tap_strides(variant)
    weight, bias = _folded(tensors, "_conv_stem", "_bn0")
    x = writer.conv(writer.start(), weight, bias, stride=STEM_STRIDE, groups=1, bends=True)
    writer.tap(x, len(weight), strides[0])
    shown = dict(zip(map_blocks(variant), MAPS, strict=True))
    for number, shape in enumerate(block_shapes(variant)):
        x = _walk_block(writer, tensors, f"_blocks.{number}.", shape, x)
        writer.tap(x, shape.outputs, strides[number + 1])
        if number in shown:
            writer.show(x, shown[number])
    weight, bias = _folded(tensors, "_conv_head", "_bn1")
    writer.tap(writer.conv(x, weight, bias, stride=1, groups=1, bends=True), len(weight), strides[-1])


def _walk_block(writer: _Writer, tensors: Tensors, prefix: str, shape: BlockShape, x: str) -> str:
    y = x
    if shape.expands:
        weight, bias = _folded(tensors, f"{prefix}_expand_conv", f"{prefix}_bn0")
        y = writer.conv(y, weight, bias, stride=1, groups=1, bends=True)
    weight, bias = _folded(tensors, f"{prefix}_depthwise_conv", f"{prefix}_bn1")
    y = writer.conv(y, weight, bias, stride=shape.stride, groups=shape.hidden, bends=True)
    weight, bias = _folded(tensors, f"{prefix}_project_conv", f"{prefix}_bn2")
    y = writer.conv(y, weight, bias, stride=1, groups=1, bends=False)
    return writer.add(x, y) if shape.is_residual else y


def _folded(tensors: Tensors, conv: str, norm: str) -> tuple[FloatArray, FloatArray]:
    """Weights (O, I, k, k) and bias (O,) of a convolution with its batch norm in them."""
    told = {part: tensors[f"{norm}.{part}"].astype(np.float64) for part in ("weight", "bias")}
    mean, variance = (tensors[f"{norm}.running_{part}"].astype(np.float64) for part in ("mean", "var"))
    gain = told["weight"] / np.sqrt(variance + BATCH_NORM_EPS)
    weight = tensors[f"{conv}.weight"].astype(np.float64) * gain[:, None, None, None]
    return weight.astype(np.float32), (told["bias"] - mean * gain).astype(np.float32)


class _Float(Nodes):
    """Channels first, as ONNX has it; the runtime orders them as its processor likes."""

    def __init__(self) -> None:
        super().__init__()
        self._pooled: list[str] = []
        self._layers: list[str] = []
        self._inputs: list[str] = []

    def start(self) -> str:
        turned = self.node("Transpose", [PICTURES], perm=[0, 3, 1, 2])
        step, middle = (
            self.constant("pixel.step", np.float32(1 / SCALE)),
            self.constant("pixel.middle", np.uint8(MEAN)),
        )
        return self.node("DequantizeLinear", [turned, step, middle])

    def conv(
        self, x: str, weight: FloatArray, bias: FloatArray, *, stride: int, groups: int, bends: bool
    ) -> str:
        number = len(self._layers)
        self._inputs.append(x)
        told = [self.constant(f"weight{number}", weight), self.constant(f"bias{number}", bias)]
        y = self.node("Conv", [x, *told], group=groups, **window(weight, stride))
        if bends:
            ends = (("least", 0.0), ("most", LEVELS_AT_MOST))
            y = self.node("Clip", [y, *(self.constant(name, np.float32(end)) for name, end in ends)])
        self._layers.append(y)
        return y

    def add(self, x: str, y: str) -> str:
        self._layers.append(self.node("Add", [x, y]))
        return self._layers[-1]

    def tap(self, x: str, channels: int, stride: int) -> None:
        x = self._rows_of(x, 2, row_step(stride))
        mean = self.node("ReduceMean", [x], axes=[2, 3], keepdims=1)
        apart = self.node("Sub", [x, mean])
        variance = self.node("ReduceMean", [self.node("Mul", [apart, apart])], axes=[2, 3], keepdims=1)
        spread = self.node(
            "Sqrt", [self.node("Add", [variance, self.constant("spread.eps", np.float32(SPREAD_EPS))])]
        )
        self._pooled += [self.node("Flatten", [each], axis=1) for each in (mean, spread)]

    def _rows_of(self, x: str, axis: int, step: int) -> str:
        """Every ``step``-th row of maps whose rows lie along ``axis``."""
        if step == 1:
            return x
        told = {"first": 0, "last": np.iinfo(np.int64).max, f"axis{axis}": axis, f"step{step}": step}
        ends = [self.constant(name, np.array([value], dtype=np.int64)) for name, value in told.items()]
        return self.node("Slice", [x, *ends])

    def written(self) -> bytes:
        output = self.give(FEATURES, "batch", None)
        self.node("Flatten", [self.node("Concat", self._pooled, axis=-1)], axis=1, output=output)
        return super().written()

    def show(self, x: str, name: str) -> None:
        self.node("Transpose", [x], perm=[0, 2, 3, 1], output=self.give(name, "batch", None, None, None))

    def tell_ranges(self) -> None:
        pairs = [
            self.node("Concat", [self._end("ReduceMin", x), self._end("ReduceMax", x)], axis=1)
            for x in self._layers
        ]
        self.node("Concat", pairs, axis=0, output=self.give(TOLD_LIMITS, None, 2))
        means = [self.node("ReduceMean", [x], axes=[0, 2, 3], keepdims=0) for x in self._inputs]
        self.node("Concat", means, axis=0, output=self.give(TOLD_INPUTS, None))

    def _end(self, kind: str, x: str) -> str:
        shape = self.constant("one.by.one", np.array([1, 1], dtype=np.int64))
        return self.node("Reshape", [self.node(kind, [x], keepdims=0), shape])
