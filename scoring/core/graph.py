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

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from scoring.core.decode import MEAN, SCALE
from scoring.core.lite import (
    BATCH_NORM_EPS,
    LEVELS_AT_MOST,
    SPREAD_EPS,
    STEM_PATCH,
    STEM_STRIDE,
    BlockShape,
    block_shapes,
    lite_name,
    map_blocks,
    row_step,
    same_pads,
    tap_strides,
)
from scoring.core.quantise import Ranges
from scoring.core.types import FloatArray

PICTURES, PATCHES, FEATURES, TOLD_LIMITS, TOLD_INPUTS = "pictures", "patches", "features", "limits", "inputs"
MAPS = ("map8", "map16", "map32")  # (N, h, w, C) each, in the order of lite.MAP_STRIDES; made where asked for
OPSET, IR_VERSION = 17, 8
RUNTIME_DOMAIN = "com.microsoft"  # ONNX Runtime's own operators: channels last, and sums of int8
WEIGHT_STEPS = 127  # of a signed byte, zero in the middle
LEAST_STEP = 1e-8

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
    writer = _Int8(ranges)
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


class _Nodes:
    """Nodes and constants of a graph in the making."""

    def __init__(self) -> None:
        self._nodes: list[NodeProto] = []
        self._constants: dict[str, TensorProto] = {}
        self._pooled: list[str] = []
        self._outputs: list[ValueInfoProto] = []
        self._given = (PICTURES, 3)
        self.give(FEATURES, "batch", None)

    def node(self, kind: str, inputs: Sequence[str], *, output: str = "", **attributes: Any) -> str:
        output = output or f"{kind}{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output

    def constant(self, name: str, value: npt.ArrayLike) -> str:
        self._constants.setdefault(name, numpy_helper.from_array(np.asarray(value), name))
        return name

    def rows_of(self, x: str, axis: int, step: int) -> str:
        """Every ``step``-th row of maps whose rows lie along ``axis``."""
        if step == 1:
            return x
        told = {"first": 0, "last": np.iinfo(np.int64).max, f"axis{axis}": axis, f"step{step}": step}
        ends = [self.constant(name, np.array([value], dtype=np.int64)) for name, value in told.items()]
        return self.node("Slice", [x, *ends])

    def give(self, name: str, *sides: int | str | None) -> str:
        """``name`` as one more output of the graph, in float."""
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, sides))
        return name

    def written(self) -> bytes:
        """The graph as bytes of ONNX."""
        self.node("Flatten", [self.node("Concat", self._pooled, axis=-1)], axis=1, output=FEATURES)
        name, depth = self._given
        given = helper.make_tensor_value_info(name, TensorProto.UINT8, ["batch", "height", "width", depth])
        graph = helper.make_graph(
            self._nodes, "encoder", [given], self._outputs, list(self._constants.values())
        )
        domains = [helper.make_opsetid("", OPSET), helper.make_opsetid(RUNTIME_DOMAIN, 1)]
        model = helper.make_model(graph, opset_imports=domains, ir_version=IR_VERSION)
        return bytes(model.SerializeToString())


class _Float(_Nodes):
    """Channels first, as ONNX has it; the runtime orders them as its processor likes."""

    def __init__(self) -> None:
        super().__init__()
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
        y = self.node("Conv", [x, *told], group=groups, **_window(weight, stride))
        if bends:
            ends = (("least", 0.0), ("most", LEVELS_AT_MOST))
            y = self.node("Clip", [y, *(self.constant(name, np.float32(end)) for name, end in ends)])
        self._layers.append(y)
        return y

    def add(self, x: str, y: str) -> str:
        self._layers.append(self.node("Add", [x, y]))
        return self._layers[-1]

    def tap(self, x: str, channels: int, stride: int) -> None:
        x = self.rows_of(x, 2, row_step(stride))
        mean = self.node("ReduceMean", [x], axes=[2, 3], keepdims=1)
        apart = self.node("Sub", [x, mean])
        variance = self.node("ReduceMean", [self.node("Mul", [apart, apart])], axes=[2, 3], keepdims=1)
        spread = self.node(
            "Sqrt", [self.node("Add", [variance, self.constant("spread.eps", np.float32(SPREAD_EPS))])]
        )
        self._pooled += [self.node("Flatten", [each], axis=1) for each in (mean, spread)]

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


class _Int8(_Nodes):
    """Channels last: activations in unsigned bytes with one step a layer, weights signed, a step a channel.

    ReLU6 needs no node: what lies outside a layer's range ends at its limits.
    """

    def __init__(self, ranges: Ranges) -> None:
        super().__init__()
        self._limits = iter(ranges.limits.astype(np.float64))
        self._inputs = iter(ranges.inputs.astype(np.float64))
        self._steps: dict[str, tuple[np.float32, np.uint8]] = {}
        self._rows: dict[int, str] = {}
        self._means: list[str] = []
        self._squares: list[str] = []
        self._tapped: list[tuple[str, int]] = []

    def start(self) -> str:
        self._given = (PATCHES, STEM_PATCH)
        return self._scaled(PATCHES, np.float32(1 / SCALE), np.uint8(MEAN))

    def conv(
        self, x: str, weight: FloatArray, bias: FloatArray, *, stride: int, groups: int, bends: bool
    ) -> str:
        y = self._next_layer()
        widest = np.abs(weight).reshape(len(weight), -1).max(axis=1)
        steps = np.maximum(widest / WEIGHT_STEPS, LEAST_STEP).astype(np.float32)
        whole = np.rint(weight / steps[:, None, None, None]).clip(-WEIGHT_STEPS, WEIGHT_STEPS)
        level = bias - self._shift(whole * steps[:, None, None, None] - weight, groups)
        unit = steps.astype(np.float64) * float(self._steps[x][0])
        if x == PATCHES:  # one product for each of its places
            whole, stride = whole.transpose(0, 2, 3, 1).reshape(len(whole), STEM_PATCH, 1, 1), 1
        ends = np.iinfo(np.int32)
        inputs = [
            *self._three(x),
            self.constant(f"{y}.weight", whole.astype(np.int8)),
            self.constant(f"{y}.weight.step", steps),
            self.constant(f"{y}.weight.zero", np.zeros(len(weight), dtype=np.int8)),
            *self._three(y)[1:],
            self.constant(f"{y}.bias", np.rint(level / unit).clip(ends.min, ends.max).astype(np.int32)),
        ]
        return self.node(
            "QLinearConv",
            inputs,
            output=y,
            domain=RUNTIME_DOMAIN,
            channels_last=1,
            group=groups,
            **_window(whole, stride),
        )

    def add(self, x: str, y: str) -> str:
        total = self._next_layer()
        inputs = [*self._three(x), *self._three(y), *self._three(total)[1:]]
        return self.node("QLinearAdd", inputs, output=total, domain=RUNTIME_DOMAIN)

    def tap(self, x: str, channels: int, stride: int) -> None:
        """Moments of the bytes in float; the layers' steps and zeros are put to all of them at the end."""
        table = self.constant(f"table{channels}", np.array([0, -1, channels], dtype=np.int64))
        asked = self.node("Cast", [self.rows_of(x, 1, row_step(stride))], to=TensorProto.FLOAT)
        values = self.node("Reshape", [asked, table])
        squares = self.node("Mul", [values, values])
        row = self._row(values, stride)
        # A product with a row of shares sums columns four times as fast as ReduceMean does.
        for sums, each in ((self._means, values), (self._squares, squares)):
            sums.append(self.node("MatMul", [row, each]))
        self._tapped.append((x, channels))

    def _row(self, values: str, stride: int) -> str:
        """A row (1, places) of equal shares of one for ``values``, made once for all maps of their size."""
        if stride not in self._rows:
            one = self.constant("one", np.array([1], dtype=np.int64))
            count = self.node("Shape", [values], start=1, end=2)
            ones = self.node(
                "ConstantOfShape",
                [self.node("Concat", [one, count], axis=0)],
                value=helper.make_tensor("one.float", TensorProto.FLOAT, [1], [1.0]),
            )
            total = self.node("Cast", [count], to=TensorProto.FLOAT)
            self._rows[stride] = self.node("Div", [ones, total])
        return self._rows[stride]

    def written(self) -> bytes:
        """Bytes of ONNX: the moments of all layers come to their own units together, node by node few."""
        sizes = [channels for _, channels in self._tapped]
        told = [self._steps[x] for x, _ in self._tapped]
        step = np.repeat(np.array([each[0] for each in told], dtype=np.float32), sizes)
        zero = np.repeat(np.array([each[1] for each in told], dtype=np.float32), sizes)
        mean, square = (self.node("Concat", sums, axis=-1) for sums in (self._means, self._squares))
        variance = self.node("Sub", [square, self.node("Mul", [mean, mean])])
        variance = self.node("Max", [variance, self.constant("least", np.float32(0))])
        eps = self.constant("steps.eps", np.float32(SPREAD_EPS) / np.square(step))
        spread = self.node("Sqrt", [self.node("Add", [variance, eps])])
        level = self.node("Sub", [mean, self.constant("zeros", zero)])
        moments = [self.node("Mul", [each, self.constant("steps", step)]) for each in (level, spread)]
        order = self.constant("order", _by_layer(sizes))
        self._pooled = [self.node("Gather", [self.node("Concat", moments, axis=-1), order], axis=-1)]
        return super().written()

    def show(self, x: str, name: str) -> None:
        self.node("DequantizeLinear", self._three(x), output=self.give(name, "batch", None, None, None))

    def _shift(self, errors: FloatArray, groups: int) -> npt.NDArray[np.float64]:
        """By how much rounding weights (O, I, k, k) moves each output (O,), on the average of its inputs."""
        per_input = errors.sum(axis=(2, 3), dtype=np.float64)
        count = len(errors) if groups > 1 else errors.shape[1]
        means = np.fromiter(islice(self._inputs, count), dtype=np.float64, count=count)
        return np.asarray(per_input[:, 0] * means if groups > 1 else per_input @ means)

    def _next_layer(self) -> str:
        least, most = next(self._limits)
        least, most = min(least, 0.0), max(most, 0.0)  # padding writes zeros, which must be exact
        step = max((most - least) / 255, LEAST_STEP)
        return self._scaled(f"layer{len(self._steps)}", np.float32(step), np.uint8(round(-least / step)))

    def _scaled(self, name: str, step: np.float32, zero: np.uint8) -> str:
        self._steps[name] = (step, zero)
        self.constant(f"{name}.step", step)
        self.constant(f"{name}.zero", zero)
        return name

    def _three(self, x: str) -> list[str]:
        return [x, f"{x}.step", f"{x}.zero"]


def _by_layer(sizes: Sequence[int]) -> npt.NDArray[np.int64]:
    """Where each layer's means and then its spreads stand in all means followed by all spreads."""
    ends = np.cumsum(sizes)
    places = [np.arange(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    return np.concatenate([part for own in places for part in (own, own + ends[-1])]).astype(np.int64)


def _window(weight: FloatArray, stride: int) -> dict[str, Any]:
    kernel = weight.shape[2]
    left, right, top, bottom = same_pads(kernel, stride)
    return {
        "kernel_shape": [kernel, kernel],
        "strides": [stride, stride],
        "pads": [top, left, bottom, right],
    }
