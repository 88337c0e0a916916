"""A product before a busy background is found from what the network sees, as those who taught it say."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import load, save

from scoring.core.lite import MAP_STRIDES
from scoring.core.locate import locator_in
from scoring.core.types import FloatArray
from scoring.locate import Lesson, Pupil, folded, learn
from scoring.locate import _parser as options_of

CHANNELS = (4, 6, 8)


def maps_of(seed: int, height: int = 8, width: int = 16) -> list[FloatArray]:
    rng = np.random.default_rng(seed)
    sizes = [(height * MAP_STRIDES[0] // s, width * MAP_STRIDES[0] // s) for s in MAP_STRIDES]
    return [
        rng.normal(size=(*size, count)).astype(np.float32)
        for size, count in zip(sizes, CHANNELS, strict=True)
    ]


def test_plain_arrays_say_what_the_pupil_says() -> None:
    torch.manual_seed(1)
    usual = [np.stack([np.arange(c), np.arange(c) + 1]).astype(np.float32) for c in CHANNELS]
    pupil, maps = Pupil(usual, 5), maps_of(3)
    place = torch.from_numpy(_places_channels_first(8, 16))[None]
    with torch.inference_mode():
        told = torch.sigmoid(pupil([torch.from_numpy(m.transpose(2, 0, 1))[None] for m in maps], place))[0]
    np.testing.assert_allclose(folded(pupil).likely(maps), told.numpy(), atol=1e-5)


def test_a_lesson_is_learned_and_kept_in_a_weights_file() -> None:
    """Places where a channel of the finest map is high are the product, in views of two shapes."""
    lessons = [_lesson(seed, height=8 + 8 * (seed % 2)) for seed in range(24)]
    options = options_of().parse_args(
        [
            "x",
            "--photos",
            "p",
            "--teacher",
            "t",
            "--masks",
            "m",
            "--out",
            "o",
            "--epochs",
            "40",
            "--batch",
            "8",
            "--dropped",
            "0",
        ]
    )
    locator = learn(lessons, options)
    kept = locator_in(load(save(locator.tensors())))
    assert kept is not None
    unseen = _lesson(99, height=16)
    said = kept.likely(unseen.maps) > 0.5
    assert _overlap(said, unseen.mask > 0.5) > 0.8
    assert locator_in({"locator.fine": np.zeros((1, 1))}) is None


def _lesson(seed: int, height: int) -> Lesson:
    maps = maps_of(seed, height=height)
    maps[0][:, :, 1] = np.kron(maps[0][::4, ::4, 1], np.ones((4, 4)))
    return Lesson(maps, (maps[0][:, :, 1] > 0).astype(np.float32))


def _places_channels_first(height: int, width: int) -> FloatArray:
    from scoring.core.locate import places

    return places(height, width).transpose(2, 0, 1).copy()


def _overlap(mask: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_]) -> float:
    return float((mask & truth).sum() / max(1, (mask | truth).sum()))
