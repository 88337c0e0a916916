"""What the int8 graph has to know beside the weights: between which limits each layer's values lie, and what
each convolution reads on the average.

Made once, when weights are made, from pictures nobody is judged by; kept in the weights file, so that who
serves needs no pictures. Weights without are served in float.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scoring.core.types import ByteArray, FloatArray

LIMITS, INPUTS = "ranges.limits", "ranges.inputs"  # names in a weights file
INSIDE = 0.99  # share of views whose own least and most lie inside the limits

Tensors = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Ranges:
    """``limits`` (A, 2): least and most of each layer. ``inputs`` (C,): mean of each channel that each
    convolution reads, one convolution after another; rounded weights shift sums by what they multiply."""

    limits: FloatArray
    inputs: FloatArray

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """As a weights file keeps them."""
        return {LIMITS: self.limits.astype(np.float32), INPUTS: self.inputs.astype(np.float16)}


def ranges_in(tensors: Tensors) -> Ranges | None:
    """Ranges of a weights file, where it has any."""
    if LIMITS not in tensors or INPUTS not in tensors:
        return None
    return Ranges(*(np.asarray(tensors[name], dtype=np.float32) for name in (LIMITS, INPUTS)))


def without_ranges(tensors: Tensors) -> dict[str, npt.NDArray[Any]]:
    """The same tensors, to be served in float."""
    return {name: value for name, value in tensors.items() if name not in (LIMITS, INPUTS)}


def measured_ranges(tensors: Tensors, views: Iterable[ByteArray]) -> Ranges:
    """Ranges of an encoder over uint8 views (h, w, 3), the rarest limits cut off.

    A hundred pictures with and without faults are plenty: cutting at the middle view changes no figure.
    """
    import onnxruntime

    from scoring.core.graph import TOLD_INPUTS, TOLD_LIMITS, float_graph
    from scoring.core.graph_nodes import PICTURES

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # that limits have no fixed shape is known
    session = onnxruntime.InferenceSession(
        float_graph(tensors, with_ranges=True), options, providers=["CPUExecutionProvider"]
    )
    told = [session.run([TOLD_LIMITS, TOLD_INPUTS], {PICTURES: view[None]}) for view in views]
    limits, inputs = np.stack([each[0] for each in told]), np.stack([each[1] for each in told])
    ends = (np.quantile(limits[:, :, 0], 1 - INSIDE, axis=0), np.quantile(limits[:, :, 1], INSIDE, axis=0))
    return Ranges(np.stack(ends, axis=1).astype(np.float32), inputs.mean(axis=0).astype(np.float32))
