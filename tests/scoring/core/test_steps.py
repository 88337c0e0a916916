"""Passes past the ends of rows say what slower ones say, at the edges too."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from scoring.core.foreground import before_busy, grown
from scoring.core.steps import across, down, laplacian, mean, mean_square
from scoring.core.types import FloatArray

SIZES = [(7, 9), (1, 5), (30, 4)]


def plane(height: int, width: int) -> FloatArray:
    return np.random.default_rng(height).uniform(0, 255, (height, width)).astype(np.float32)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("by", [1, 3])
def test_steps_do_not_lead_from_one_row_into_the_next(size: tuple[int, int], by: int) -> None:
    given = plane(*size)
    told = across(given, by)
    assert np.array_equal(told[:, :-by], given[:, by:] - given[:, :-by])
    assert not told[:, -by:].any()


def test_a_laplacian_is_that_of_a_picture_that_goes_on_as_it_is() -> None:
    given = plane(12, 9)
    below = down(given)
    told = laplacian(across(given)[1:-1], below[:-1], below[1:])
    np.testing.assert_allclose(told, -ndimage.laplace(given, mode="nearest")[1:-1], atol=1e-3)


@pytest.mark.parametrize("size", SIZES)
def test_means_are_those_of_numpy(size: tuple[int, int]) -> None:
    given = plane(*size)
    assert mean(given) == pytest.approx(given.mean(), rel=1e-5)
    assert mean_square(given) == pytest.approx(np.square(given).mean(), rel=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_a_mask_grows_in_four_directions_and_not_round_its_edges(size: tuple[int, int]) -> None:
    mask = plane(*size) > 225
    assert np.array_equal(grown(mask, 2), ndimage.binary_dilation(mask, iterations=2))


def test_what_a_network_says_is_stretched_as_pictures_are() -> None:
    """Where it is sure of a block, the mask is that block as Pillow makes it larger."""
    likely = np.zeros((8, 16), dtype=np.float32)
    likely[2:6, 3:12] = 1
    found = before_busy(np.zeros((60, 120, 3), dtype=np.uint8), likely)
    larger = np.asarray(Image.fromarray(likely).resize((120, 60), Image.Resampling.BILINEAR))
    assert np.array_equal(found.mask, larger > 0.5)
