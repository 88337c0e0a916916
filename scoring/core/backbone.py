"""Networks of other makers through the optional extra ``[hf]``: ResNet, ConvNeXt, DINOv2 and their like.

They are read from a folder the operator has, as ``transformers`` writes one (config.json and safetensors),
never from a hub. What they see is spread over their depths: means and deviations of up to six layers, as with
our own network. They run in torch, on a processor too, where they are slower than our own by far.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from scoring.core.decode import MEAN, SCALE
from scoring.core.lite import SPREAD_EPS, lite_name
from scoring.core.network import load_encoder

CONFIG = "config.json"  # kept as bytes among the tensors of an encoder that is not our own
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
TAPS_AT_MOST = 6

Tensors = Mapping[str, npt.NDArray[Any]]


class Backbone(nn.Module):
    """Pictures (B, 3, h, w), about -1 to 1, to means and deviations (B, F) of some depths."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, mean: list[float], std: list[float]) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std)[:, None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        levels = (x * SCALE + MEAN) / 255
        told = self.model(pixel_values=(levels - self.mean) / self.std, output_hidden_states=True)
        depths = told.hidden_states
        steps = np.linspace(0, len(depths) - 1, min(TAPS_AT_MOST, len(depths)))
        chosen = np.unique(steps.round().astype(int))
        return torch.cat([part for depth in chosen for part in _moments(depths[depth])], dim=1)


def read_backbone(folder: Path) -> dict[str, npt.NDArray[Any]]:
    """Tensors of a network in a folder, with its configuration; needs ``pip install vitrine[hf]``."""
    from transformers import AutoConfig, AutoModel

    if not (folder / "config.json").exists():
        raise FileNotFoundError(f"{folder} holds no config.json of a network")
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    model = AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    told: dict[str, Any] = {"network": config.to_dict()}
    beside = folder / "preprocessor_config.json"
    seen = json.loads(beside.read_text()) if beside.exists() else {}
    told |= {name: seen.get(name, usual) for name, usual in IMAGENET.items()}
    tensors = {name: value.numpy() for name, value in _weights(Backbone(model, [0.0], [1.0])).items()}
    return {**tensors, CONFIG: np.frombuffer(json.dumps(told, default=str).encode(), dtype=np.uint8)}


def encoder_module(tensors: Tensors) -> nn.Module:
    """The encoder these tensors are of, in eval mode: our own, or another's by its configuration."""
    weights = {
        name: torch.from_numpy(np.asarray(value, dtype=np.float32))
        for name, value in tensors.items()
        if name != CONFIG
    }
    if CONFIG not in tensors:
        return load_encoder(weights, lite_name(tensors))
    from transformers import AutoConfig, AutoModel

    told = json.loads(tensors[CONFIG].tobytes())
    network = dict(told["network"])
    config = AutoConfig.for_model(network.pop("model_type"), **network)
    encoder = Backbone(AutoModel.from_config(config), told["image_mean"], told["image_std"])
    counters = {name: value for name, value in encoder.state_dict().items() if not value.is_floating_point()}
    encoder.load_state_dict(counters | weights, strict=True)
    return encoder.eval()


def _weights(module: nn.Module) -> dict[str, Tensor]:
    return {name: value for name, value in module.state_dict().items() if value.is_floating_point()}


def _moments(x: Tensor) -> list[Tensor]:
    """Mean and deviation over places: of maps (B, C, h, w), or of tokens (B, T, C)."""
    flat = x.flatten(2) if x.ndim == 4 else x.transpose(1, 2)
    variance = flat.var(dim=2, correction=0)
    return [flat.mean(dim=2), torch.sqrt(variance + SPREAD_EPS)]
