"""The 8-bit writer of ``scoring.core.graph``: whole numbers between limits that layers were measured at."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper

from scoring.core.decode import MEAN, SCALE
from scoring.core.graph_nodes import RUNTIME_DOMAIN, Nodes, window
from scoring.core.lite import SPREAD_EPS, STEM_PATCH, STEM_PIXELS, row_step
from scoring.core.quantise import Ranges
from scoring.core.types import FloatArray

PATCHES = "patches"
WEIGHT_STEPS = 127  # of a signed byte, zero in the middle
LEAST_STEP = 1e-8


class Int8(Nodes):
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
            pixels = whole.transpose(0, 2, 3, 1).reshape(len(whole), STEM_PIXELS)
            unused = ((0, 0), (0, STEM_PATCH - STEM_PIXELS))
            whole, stride = np.pad(pixels, unused)[:, :, None, None], 1
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
            **window(whole, stride),
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
