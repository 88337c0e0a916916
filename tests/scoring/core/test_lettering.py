"""Rows of letters are told from patterns, whatever their ink."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from scoring.core.lettering import LETTER_NAMES, letters_of


def photo(seed: int = 3, *, rough: float = 6.0) -> Image.Image:
    """Soft blotches of middle grey, 400 x 300, without anything drawn on them."""
    rng = np.random.default_rng(seed)
    blotches = ndimage.gaussian_filter(rng.normal(size=(300, 400)), 12)
    grain = ndimage.gaussian_filter(rng.normal(size=(300, 400)), 1.5)
    grey = 128 + 30 * blotches / blotches.std() + rough * grain / grain.std()
    return Image.fromarray(np.clip(grey, 40, 215).astype(np.uint8)).convert("RGB")


def written(picture: Image.Image, ink: tuple[int, int, int], alpha: int = 255) -> Image.Image:
    layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    ImageDraw.Draw(layer).text((60, 120), "SAMPLE", font=ImageFont.load_default(36), fill=(*ink, alpha))
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


def letters(picture: Image.Image) -> dict[str, float]:
    planes = np.ascontiguousarray(np.asarray(picture).transpose(2, 0, 1))
    return letters_of(planes, np.asarray(picture.convert("F")))


@pytest.mark.parametrize(
    ("ink", "name"),
    [((255, 255, 255), "bright"), ((0, 0, 0), "dark"), ((220, 20, 30), "red")],
)
@pytest.mark.parametrize("alpha", [170, 255])
def test_a_word_is_a_row_of_its_ink(ink: tuple[int, int, int], name: str, alpha: int) -> None:
    clean, harmed = letters(photo()), letters(written(photo(), ink, alpha))
    assert harmed[f"row_{name}"] > 2.5 > clean[f"row_{name}"] + 1
    assert harmed["letters_in_row"] >= harmed[f"row_{name}"]


def test_letters_of_two_inks_are_no_row_together() -> None:
    """Every second letter white, the others black; and none at the foot of one ink belongs to the next."""
    white, black = written(photo(), (255, 255, 255)), written(photo(), (0, 0, 0))
    mixed = np.array(white)
    for left in (86, 139, 193):
        mixed[:, left : left + 27] = np.asarray(black)[:, left : left + 27]
    told, whole = letters(Image.fromarray(mixed)), letters(white)
    assert told["row_bright"] < whole["row_bright"] - 1


def test_strokes_that_stand_on_no_line_are_no_row() -> None:
    picture = photo(rough=0.0)
    draw = ImageDraw.Draw(picture)
    rng = np.random.default_rng(5)
    for x in range(20, 380, 60):
        y = int(rng.uniform(10, 250))
        draw.line((x, y, x + int(rng.uniform(-8, 8)), y + int(rng.uniform(10, 40))), fill=(0, 0, 0), width=4)
    assert letters(picture)["letters_in_row"] < 2


@pytest.mark.parametrize("size", [(1, 1), (40, 40), (900, 41)])
def test_every_picture_is_told(size: tuple[int, int]) -> None:
    told = letters(Image.new("RGB", size, (255, 0, 0)))
    assert {*LETTER_NAMES, "letters_in_row"} == set(told)
    assert set(told.values()) == {0.0}
