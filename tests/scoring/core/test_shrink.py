"""Copies in other sizes are, level for level, those that Pillow makes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from scoring.core.shrink import reduced, resized, shrunk
from scoring.core.types import ByteArray

SIDES = st.integers(1, 70)


def noise(height: int, width: int, seed: int = 0) -> ByteArray:
    """Levels of all kinds, and white and black ones, where sums are largest and least."""
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    return np.asarray(
        np.where(rng.random((height, width, 1)) < 0.5, levels, levels // 128 * 255), dtype=np.uint8
    )


@given(SIDES, SIDES, st.integers(2, 40))
def test_averages_are_those_of_pillow_at_the_edges_too(height: int, width: int, factor: int) -> None:
    rgb = noise(height, width)
    assert np.array_equal(reduced(rgb, factor), np.asarray(Image.fromarray(rgb).reduce(factor)))


@pytest.mark.parametrize("factor", [16, 64, 257])
def test_large_squares_of_white_stay_white(factor: int) -> None:
    white = np.full((factor + 1, 2 * factor, 3), 255, dtype=np.uint8)
    assert reduced(white, factor).min() == 255


@given(SIDES, SIDES, SIDES, SIDES)
def test_stretching_is_that_of_pillow_rows_first(height: int, width: int, rows: int, columns: int) -> None:
    rgb = noise(height, width)
    wide = Image.fromarray(rgb).resize((columns, height), Image.Resampling.BILINEAR)
    wanted = np.asarray(wide.resize((columns, rows), Image.Resampling.BILINEAR))
    assert np.array_equal(resized(rgb, (columns, rows)), wanted)


def test_small_pictures_pass_unchanged() -> None:
    rgb = noise(20, 50)
    assert shrunk(rgb, 50) is rgb
    assert shrunk(rgb, 49).shape == (10, 25, 3)
    assert np.array_equal(shrunk(rgb[:, ::-1], 25), shrunk(np.ascontiguousarray(rgb[:, ::-1]), 25))
