"""The 8-bit writer of ``scoring.core.graph``: whole numbers between limits that layers were measured at."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from scoring.core.compiled import compiled
from scoring.core.decode import MEAN, SCALE
from scoring.core.graph_nodes import RUNTIME_DOMAIN, Nodes, window
from scoring.core.lite import SPREAD_EPS, STEM_PATCH, STEM_PIXELS, row_step
from scoring.core.quantise import Ranges
from scoring.core.types import ByteArray, FloatArray

Sums = npt.NDArray[np.uint32]

PATCHES, TAPS = "patches", "taps"
WEIGHT_STEPS = 127  # of a signed byte, zero in the middle
LEAST_STEP = 1e-8


@dataclass(frozen=True, slots=True)
class Tap:
    """An output (N, h, w, ``channels``) in bytes: its ``name``; what a level is (``step``) and which is none
    (``zero``); of how many ``rows`` one is asked for means and spreads."""

    name: str
    channels: int
    step: float
    zero: int
    rows: int


class Int8(Nodes):
    """Channels last: activations in unsigned bytes with one step a layer, weights signed, a step a channel.

    ReLU6 needs no node: what lies outside a layer's range ends at its limits.
    """

    def __init__(self, ranges: Ranges) -> None:
        super().__init__()
        self._limits = iter(ranges.limits.astype(np.float64))
        self._inputs = iter(ranges.inputs.astype(np.float64))
        self._steps: dict[str, tuple[np.float32, np.uint8]] = {}
        self._taps: list[Tap] = []

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
        """The bytes themselves, of which ``Taps`` makes features."""
        step, zero = self._steps[x]
        self._taps.append(Tap(x, channels, float(step), int(zero), row_step(stride)))
        self.give(x, "batch", None, None, channels, kind=TensorProto.UINT8)

    def written(self) -> bytes:
        """Bytes of ONNX, in whose notes stands how to read the taps."""
        self._notes[TAPS] = json.dumps([asdict(tap) for tap in self._taps])
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


class Taps:
    """How to read the outputs ``names`` of a graph with such notes; nothing where it gives features as they
    are."""

    def __init__(self, notes: Mapping[str, str]) -> None:
        taps = [Tap(**told) for told in json.loads(notes.get(TAPS, "[]"))]
        self.names = [tap.name for tap in taps]
        self._rows = [tap.rows for tap in taps]
        sizes = [tap.channels for tap in taps]
        self._ends = np.cumsum(sizes, dtype=np.intp)
        self._step = np.repeat([tap.step for tap in taps], sizes)
        self._zero = np.repeat([tap.zero for tap in taps], sizes)
        self._order = _by_layer(sizes)

    def moments(self, maps: Sequence[ByteArray]) -> FloatArray:
        """What ``lite.tap_places`` says of one view's maps (1, h, w, C): means and spreads of each."""
        totals, squares = (np.zeros(len(self._step), dtype=np.uint32) for _ in range(2))
        count = np.empty(len(self._step))
        start = 0
        for (told,), rows, end in zip(maps, self._rows, self._ends, strict=True):
            count[start:end] = -(-told.shape[0] // rows) * told.shape[1]
            _add_up(told, rows, totals[start:end], squares[start:end])
            start = end
        means = totals / count
        variance = np.maximum(squares / count - means * means, 0)
        spread = np.sqrt(variance * self._step**2 + SPREAD_EPS)
        return np.concatenate([(means - self._zero) * self._step, spread])[self._order].astype(np.float32)


def _by_layer(sizes: Sequence[int]) -> npt.NDArray[np.intp]:
    """Where each layer's means and then its spreads stand in all means followed by all spreads."""
    ends = np.cumsum(sizes, dtype=np.intp)
    places = [np.arange(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    both = [part for own in places for part in (own, own + ends[-1])]
    return np.concatenate([np.zeros(0, dtype=np.intp), *both])


@compiled
def _add_up(told: ByteArray, step: int, totals: Sums, squares: Sums) -> None:
    """Add the bytes of each channel of a map (h, w, C) to ``totals`` (C,), and their squares, in every so
    many rows; of at most 66,000 places, so that they fit."""
    for y in range(0, told.shape[0], step):
        for x in range(told.shape[1]):
            place = told[y, x]
            for channel in range(len(place)):
                value = np.uint32(place[channel])
                totals[channel] += value
                squares[channel] += value * value
