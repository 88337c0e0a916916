"""Encoders to fit a base on: ImageNet's, or those that ``python -m scoring.tune`` wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from scoring.core.checkpoint import read_tensor_file
from scoring.core.lite import LITE_SCALES
from scoring.core.locate import Locator, locator_in
from scoring.core.look import Encode, graph_reader, in_batches, one_by_one
from scoring.core.quantise import Ranges, measured_ranges
from scoring.core.types import ByteArray, FloatArray
from scoring.device import CONFIG, cpu_graph

FOREIGN = "hf:"
UNSCORED = "unscored"  # a weights file's own word on its encoder; without it, it may have seen any score
COUNTER = "num_batches_tracked"  # batch norm keeps it for training only


@dataclass(frozen=True, slots=True)
class EncoderWeights:
    """An encoder's tensors by name, directions (K, R) it was taught, if it was, its layers' ranges, whether
    no person's score ever moved it (benches may ask only such a one about scored pictures), and what tells
    the product in its maps."""

    tensors: dict[str, Any]
    taught: FloatArray | None
    ranges: Ranges | None = None
    unscored: bool = True
    locator: Locator | None = None

    def shipped(self) -> dict[str, Any]:
        """What a weights file holds of it: weights in half precision, ranges as they are."""
        body = {
            f"encoder.{name}": value.astype(np.float16) if value.dtype.kind == "f" else value
            for name, value in self.tensors.items()
        }
        body[UNSCORED] = np.array([self.unscored], dtype=np.uint8)
        if self.locator is not None:
            body |= self.locator.tensors()
        return body if self.ranges is None else body | self.ranges.tensors()

    def ranged(self, views: Sequence[ByteArray]) -> EncoderWeights:
        """The same with ranges from these views, ready for 8 bits; another's network stays as it is."""
        if CONFIG in self.tensors:
            return self
        return replace(self, ranges=measured_ranges(self.tensors, views))


class BackboneError(ValueError):
    """There is no such network here; the message says what is missing, for people."""


def read_encoder(path: Path | None, backbone: str = "lite0") -> EncoderWeights:
    """The encoder of one file, of ``scoring.tune`` or of whole weights; ``backbone`` if none is named.

    ``backbone``: a variant whose ImageNet weights a package carries, or ``hf:FOLDER`` of another's network.
    """
    if path is not None:
        return _tuned(read_tensor_file(path))
    if backbone.startswith(FOREIGN):
        return EncoderWeights(dict(_foreign(Path(backbone.removeprefix(FOREIGN)))), None)
    if backbone not in LITE_SCALES:
        known = f"{', '.join(LITE_SCALES)}, or {FOREIGN}FOLDER of another maker's network"
        raise BackboneError(f"There is no backbone {backbone!r}; there are {known}")
    from scoring.core.network import imagenet_encoder

    try:
        state = imagenet_encoder(backbone).state_dict()
    except FileNotFoundError as error:
        raise BackboneError(f"The weights of {backbone} are not installed: {error}") from error
    return EncoderWeights({n: value.numpy() for n, value in state.items() if not n.endswith(COUNTER)}, None)


def _foreign(folder: Path) -> Mapping[str, Any]:
    from scoring.core.backbone import read_backbone

    try:
        return read_backbone(folder)
    except ModuleNotFoundError as error:
        raise BackboneError("Networks of other makers need the extra: pip install vitrine[hf]") from error
    except (OSError, ValueError) as error:  # no such folder, no network in it, or one that is not known
        raise BackboneError(f"{folder} holds no network that can be read: {error}") from error


def read_encoders(tuned: Path | None, backbone: str = "lite0") -> list[EncoderWeights]:
    """The encoder that will ship, and those of the folds in order; ``backbone`` alone if none was tuned."""
    if tuned is None:
        return [read_encoder(None, backbone)]
    folds = sorted(tuned.glob("fold*.safetensors"), key=lambda path: int(path.stem.removeprefix("fold")))
    return [read_encoder(path) for path in (tuned / "encoder.safetensors", *folds)]


def _tuned(tensors: Mapping[str, Any]) -> EncoderWeights:
    prefix = "encoder."
    encoder = {n.removeprefix(prefix): value for n, value in tensors.items() if n.startswith(prefix)}
    unscored, locator = bool(tensors.get(UNSCORED, [0])[0]), locator_in(tensors)
    if "norm.running_var" not in tensors:
        return EncoderWeights(encoder, None, unscored=unscored, locator=locator)
    # What taught it: the directions of the score and of each fault.
    spread = np.sqrt(tensors["norm.running_var"].astype(np.float32) + 1e-5)
    heads = [tensors[f"{name}.weight"].astype(np.float32) for name in ("score_head", "fault_head")]
    return EncoderWeights(encoder, np.concatenate(heads) / spread, unscored=unscored, locator=locator)


def export(encoder: EncoderWeights, folder: Path, name: str) -> Path:
    """Write what will serve, since a base must be fitted on what it will see; returns the file."""
    if CONFIG in encoder.tensors:
        path = folder / f"{name}.safetensors"
        path.write_bytes(save(encoder.tensors))
    else:
        path = folder / f"{name}.onnx"
        path.write_bytes(cpu_graph(encoder.tensors, encoder.ranges))
    return path


def open_encoder(path: Path) -> Encode:
    """The exported encoder, on one thread."""
    if path.suffix == ".safetensors":
        import torch

        from scoring.core.backbone import encoder_module

        torch.set_num_threads(1)
        return in_batches(encoder_module(read_tensor_file(path)), "cpu")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return one_by_one(graph_reader(session), threads=1)
