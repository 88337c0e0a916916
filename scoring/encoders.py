"""Encoders to fit a base on: ImageNet's, or those that ``python -m scoring.tune`` wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from scoring.core.checkpoint import read_tensor_file
from scoring.core.quantise import activation_ranges
from scoring.core.types import ByteArray, FloatArray
from scoring.device import cpu_graph

COUNTER = "num_batches_tracked"  # batch norm keeps it for training only


@dataclass(frozen=True, slots=True)
class EncoderWeights:
    """An encoder's tensors by name, directions (K, R) it was taught, if it was, and its layers' ranges."""

    tensors: dict[str, Any]
    taught: FloatArray | None
    ranges: FloatArray | None = None

    def ranged(self, views: Sequence[ByteArray]) -> EncoderWeights:
        """The same with ranges from these views, ready for 8 bits."""
        return replace(self, ranges=activation_ranges(self.tensors, views))


def read_encoder(path: Path | None) -> EncoderWeights:
    """The encoder of one file, of ``scoring.tune`` or of whole weights; ImageNet's if none is named."""
    if path is not None:
        return _tuned(read_tensor_file(path))
    from scoring.core.network import imagenet_encoder

    state = imagenet_encoder().state_dict()
    return EncoderWeights({n: value.numpy() for n, value in state.items() if not n.endswith(COUNTER)}, None)


def read_encoders(tuned: Path | None) -> list[EncoderWeights]:
    """The encoder that will ship, and those of the folds in order; ImageNet's alone if none was tuned."""
    if tuned is None:
        return [read_encoder(None)]
    folds = sorted(tuned.glob("fold*.safetensors"), key=lambda path: int(path.stem.removeprefix("fold")))
    return [read_encoder(path) for path in (tuned / "encoder.safetensors", *folds)]


def _tuned(tensors: Mapping[str, Any]) -> EncoderWeights:
    prefix = "encoder."
    encoder = {n.removeprefix(prefix): value for n, value in tensors.items() if n.startswith(prefix)}
    if "norm.running_var" not in tensors:
        return EncoderWeights(encoder, None)
    # What taught it: the directions of the score and of each fault.
    spread = np.sqrt(tensors["norm.running_var"].astype(np.float32) + 1e-5)
    heads = [tensors[f"{name}.weight"].astype(np.float32) for name in ("score_head", "fault_head")]
    return EncoderWeights(encoder, np.concatenate(heads) / spread)


def export(encoder: EncoderWeights, graph: Path) -> None:
    """Write the graph that will serve: a base must be fitted on what it will see."""
    graph.write_bytes(cpu_graph(encoder.tensors, encoder.ranges))
