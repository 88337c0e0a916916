"""Brightness, its changes and masks say what slower ways of finding them say, at the edges too."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from scoring.core.foreground import before_busy, grown
from scoring.core.steps import LUMA, luma_of, mean, planes_of, steps_of
from scoring.core.types import ByteArray

SIZES = [(7, 9), (1, 5), (30, 4)]


def picture(height: int, width: int) -> ByteArray:
    rng = np.random.default_rng(height)
    return rng.integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("size", SIZES)
def test_planes_and_brightness_are_those_of_the_picture(size: tuple[int, int]) -> None:
    rgb = picture(*size)
    assert np.array_equal(planes_of(rgb), rgb.transpose(2, 0, 1))
    np.testing.assert_allclose(luma_of(rgb), rgb.astype(np.float32) @ LUMA, rtol=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_steps_do_not_lead_from_one_row_into_the_next(size: tuple[int, int]) -> None:
    luma = luma_of(picture(*size))
    wanted = np.abs(np.diff(luma, axis=1, prepend=luma[:, :1]))
    wanted += np.abs(np.diff(luma, axis=0, prepend=luma[:1]))
    np.testing.assert_allclose(steps_of(luma), wanted, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("size", SIZES)
def test_means_are_those_of_numpy(size: tuple[int, int]) -> None:
    given = np.random.default_rng(1).uniform(0, 255, size).astype(np.float32)
    assert mean(given) == pytest.approx(given.mean(), rel=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_a_mask_grows_in_four_directions_and_not_round_its_edges(size: tuple[int, int]) -> None:
    mask = luma_of(picture(*size)) > 160
    assert np.array_equal(grown(mask, 2), ndimage.binary_dilation(mask, iterations=2))


def test_what_a_network_says_is_stretched_as_pictures_are() -> None:
    """Where it is sure of a block, the mask is that block as Pillow makes it larger."""
    likely = np.zeros((8, 16), dtype=np.float32)
    likely[2:6, 3:12] = 1
    found = before_busy(np.zeros((60, 120, 3), dtype=np.uint8), likely)
    larger = np.asarray(Image.fromarray(likely).resize((120, 60), Image.Resampling.BILINEAR))
    assert np.array_equal(found.mask, larger > 0.5)


def test_small_holes_close_larger_ones_fill_and_specks_go() -> None:
    mask = np.zeros((40, 50), dtype=bool)
    mask[10:30, 10:35] = True
    wanted = mask.copy()
    mask[15:25, 14:28] = False  # a hole that no closing closes
    mask[5, 45] = True  # a speck
    likely = mask.astype(np.float32)
    found = before_busy(np.zeros((40, 50, 3), dtype=np.uint8), likely)
    assert np.array_equal(found.mask, wanted)


def test_parts_that_touch_at_corners_only_are_two() -> None:
    """A second thing a tenth as large stays; a smaller one, beside a corner of the first, goes."""
    mask = np.zeros((60, 60), dtype=bool)
    mask[5:35, 5:35] = True
    mask[45:57, 45:57] = True
    wanted = mask.copy()
    mask[40:44, 8:12] = True
    assert np.array_equal(before_busy(np.zeros((60, 60, 3), np.uint8), mask.astype(np.float32)).mask, wanted)
