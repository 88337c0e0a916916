"""The colour of the light is told from the colour of things."""

from __future__ import annotations

import numpy as np
import pytest

from scoring.core.degrade import to_linear, to_srgb
from scoring.core.illuminant import ESTIMATES, TINT_NAMES, tint_of
from scoring.core.types import ByteArray

WARM, COLD = (1.3, 1.0, 0.75), (0.75, 1.0, 1.3)
GREEN, MAGENTA = (0.8, 1.15, 0.8), (1.2, 0.8, 1.2)


def shelf(seed: int = 1) -> ByteArray:
    """Patches of many colours and some greys, softly shaded, 120 x 160."""
    rng = np.random.default_rng(seed)
    colours = rng.uniform(40, 220, (6, 8, 3))
    colours[::2, ::3] = colours[::2, ::3].mean(axis=2, keepdims=True)
    shade = rng.uniform(0.7, 1.1, (120, 160, 1))
    return np.clip(colours.repeat(20, axis=0).repeat(20, axis=1) * shade, 0, 255).astype(np.uint8)


def tints(rgb: ByteArray) -> dict[str, float]:
    levels = np.ascontiguousarray(rgb.transpose(2, 0, 1))
    return tint_of(levels)


@pytest.mark.parametrize(
    ("gains", "side"), [(WARM, "warm"), (COLD, "cold"), (GREEN, "green"), (MAGENTA, "magenta")]
)
def test_most_estimates_see_the_light_of_a_colour(gains: tuple[float, float, float], side: str) -> None:
    rgb = shelf()
    before, after = tints(rgb), tints(to_srgb(to_linear(rgb) * np.array(gains, dtype=np.float32)))
    moved = [after[f"tint_{name}_{side}"] - before[f"tint_{name}_{side}"] for name in ESTIMATES]
    assert sum(step > 0.05 for step in moved) >= 4, moved


def test_colourless_light_on_grey_things_has_no_colour() -> None:
    grey = shelf().mean(axis=2, keepdims=True).repeat(3, axis=2).astype(np.uint8)
    told = tints(grey)
    assert max(told[name] for name in TINT_NAMES if name != "tint_doubt") < 0.03


def test_all_estimates_are_told_of_every_picture_down_to_a_pixel() -> None:
    for size in ((1, 1), (2, 5), (3, 3), (40, 1)):
        told = tints(np.zeros((*size, 3), dtype=np.uint8))
        assert set(told) == set(TINT_NAMES)
        assert np.isfinite(list(told.values())).all()
