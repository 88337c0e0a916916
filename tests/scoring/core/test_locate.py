"""A product before a busy background is found from what the network sees, as those who taught it say."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.numpy import load, save

from scoring.core.decode import Picture
from scoring.core.foreground import before_busy, before_plain
from scoring.core.lite import MAP_STRIDES
from scoring.core.locate import locator_in
from scoring.core.measures import small_copy
from scoring.core.types import ByteArray, FloatArray
from scoring.device import extract_features, foreground_of
from scoring.locate import Lesson, Pupil, folded, learn, on_pattern
from scoring.locate import _parser as options_of
from tests.images import encoded

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


@pytest.mark.parametrize("seed", range(3))
def test_the_shipped_weights_find_a_thing_on_a_carpet(seed: int) -> None:
    """Where the classical guess is a blot in the middle."""
    rgb, truth = thing_on_carpet(seed)
    assert before_plain(rgb) is None
    picture = Picture(rgb)
    found, guess = foreground_of(picture), before_busy(small_copy(picture))
    size = (found.mask.shape[1], found.mask.shape[0])
    wanted = np.asarray(Image.fromarray(truth).resize(size))
    assert _overlap(found.mask, wanted) > max(0.75, _overlap(guess.mask, wanted) + 0.1)
    assert found.confidence > guess.confidence


def test_what_is_scored_is_measured_on_the_thing_and_not_on_the_carpet() -> None:
    rgb, truth = thing_on_carpet(1)
    told = extract_features([encoded(Image.fromarray(rgb), "PNG")])[0].measures
    assert told["fill_share"] == pytest.approx(truth.mean(), rel=0.12)
    assert told["foreground_confidence"] > 0.6


def test_on_a_pattern_the_product_is_what_it_was_and_the_rest_is_not() -> None:
    rng = np.random.default_rng(4)
    rgb = np.full((80, 60, 3), 128, dtype=np.uint8)
    mask = np.zeros((40, 30), dtype=np.uint8)
    mask[10:30, 8:22] = 255
    told = on_pattern(rgb, mask, rng).astype(np.float32)
    inside = told[24:56, 20:40]
    assert abs(inside.mean() - 128) < 2
    assert told.shape == rgb.shape
    assert told[:16].std(axis=(0, 1)).max() > 2 * inside.std(axis=(0, 1)).max()


def thing_on_carpet(seed: int) -> tuple[ByteArray, npt.NDArray[np.bool_]]:
    """A striped shirt off the middle of a patterned carpet, of any colours, 480 x 640, and where it is."""
    rng = np.random.default_rng(seed)
    tiles = rng.integers(40, 220, size=(40, 30, 3), dtype=np.uint8)
    image = Image.fromarray(tiles).resize((480, 640), Image.Resampling.BICUBIC)
    x, y = int(rng.integers(-60, 60)), int(rng.integers(-60, 60))
    right = [(150, 180), (330, 180), (420, 290), (370, 330), (335, 290)]
    shirt = [
        (px + x, py + y) for px, py in [*right, (335, 500), (145, 500), (145, 290), (110, 330), (60, 290)]
    ]
    cloth, stripe = (tuple(int(level) for level in rng.integers(40, 220, 3)) for _ in range(2))
    woven = Image.new("RGB", image.size, cloth)
    for top in range(0, 640, 80):
        ImageDraw.Draw(woven).rectangle((0, top, 480, top + 40), fill=stripe)
    mask = Image.new("1", image.size)
    ImageDraw.Draw(mask).polygon(shirt, fill=1)
    image.paste(woven, mask=mask)
    noisy = np.asarray(image, dtype=np.float32) + rng.normal(0, 4, (640, 480, 3))
    return noisy.clip(0, 255).astype(np.uint8), np.asarray(mask)


def _lesson(seed: int, height: int) -> Lesson:
    maps = maps_of(seed, height=height)
    maps[0][:, :, 1] = np.kron(maps[0][::4, ::4, 1], np.ones((4, 4)))
    return Lesson(maps, (maps[0][:, :, 1] > 0).astype(np.float32))


def _places_channels_first(height: int, width: int) -> FloatArray:
    from scoring.core.locate import places

    return places(height, width).transpose(2, 0, 1).copy()


def _overlap(mask: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_]) -> float:
    return float((mask & truth).sum() / max(1, (mask | truth).sum()))
