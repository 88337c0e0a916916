"""Between which limits each layer's values lie: all that the int8 graph has to know beside the weights.

Made once, when weights are made, from pictures nobody is judged by; kept in the weights file, so that who
serves needs no pictures. Weights without ranges are served in float.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from scoring.core.types import ByteArray, FloatArray

RANGES = "ranges.layers"  # the tensor's name in a weights file
INSIDE = 0.99  # share of views whose own least and most lie inside the limits


def activation_ranges(tensors: Mapping[str, npt.NDArray[Any]], views: Iterable[ByteArray]) -> FloatArray:
    """Limits (A, 2) of each layer of an encoder over uint8 views (h, w, 3), the rarest ones cut off.

    A hundred pictures with and without faults are plenty: from 80 to 320 no figure moved.
    """
    import onnxruntime

    from scoring.core.graph import LIMITS, PICTURES, float_graph

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # that limits have no fixed shape is known
    session = onnxruntime.InferenceSession(
        float_graph(tensors, with_limits=True), options, providers=["CPUExecutionProvider"]
    )
    told = np.stack([session.run([LIMITS], {PICTURES: view[None]})[0] for view in views])
    limits = np.stack(
        [np.quantile(told[:, :, 0], 1 - INSIDE, axis=0), np.quantile(told[:, :, 1], INSIDE, axis=0)], axis=1
    )
    return limits.astype(np.float32)
