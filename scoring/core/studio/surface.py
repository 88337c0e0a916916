"""What things are made of: colour, gloss and pattern. Colours are linear light 0-1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from scoring.core.types import ByteArray

Field = npt.NDArray[Any]  # float32 where it is large; small tables may be wider
Colour = tuple[float, float, float]
Pattern = Callable[[Field, Field, Field], Field]
NOISE_SIDE = 512


@dataclass(frozen=True, slots=True)
class Material:
    """``colour`` of the body; ``gloss`` 0-1 how strongly and ``sharp`` 0-1 how crisply it mirrors lights.

    ``metal`` 0-1 mirrors in its own colour; ``glow`` adds light of its own; ``clear`` 0-1 lets light
    through. ``pattern`` gets colours (N, 3) and places u, v (N,) and returns colours.
    """

    colour: Colour
    gloss: float = 0.3
    sharp: float = 0.5
    metal: float = 0.0
    glow: float = 0.0
    clear: float = 0.0
    grain: float = 0.0
    pattern: Pattern | None = None


def srgb(code: str) -> Colour:
    """A colour written ``rrggbb``."""
    coded = np.array([int(code[k : k + 2], 16) for k in (0, 2, 4)]) / 255.0
    r, g, b = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    return float(r), float(g), float(b)


def dim(colour: Colour, share: float) -> Colour:
    """The colour with this share of its light, at most 1 a channel."""
    r, g, b = (min(1.0, part * share) for part in colour)
    return r, g, b


@lru_cache(maxsize=8)
def noise(slope: float = 1.0, seed: int = 0) -> Field:
    """Tileable noise (512, 512), mean 0 and deviation 1, amplitude falling as frequency^-slope."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft2(rng.standard_normal((NOISE_SIDE, NOISE_SIDE)))
    fy = np.fft.fftfreq(NOISE_SIDE)[:, None]
    fx = np.fft.rfftfreq(NOISE_SIDE)[None, :]
    radius = np.hypot(fx, fy)
    radius[0, 0] = np.inf
    field = np.fft.irfft2(spectrum / radius**slope, s=(NOISE_SIDE, NOISE_SIDE))
    return np.asarray((field - field.mean()) / field.std(), dtype=np.float32)


def noise_at(u: Field, v: Field, *, slope: float = 1.0, seed: int = 0) -> Field:
    """Noise at places; one unit is one tile."""
    table = noise(slope, seed)
    row = (v * NOISE_SIDE).astype(np.int32) % NOISE_SIDE
    column = (u * NOISE_SIDE).astype(np.int32) % NOISE_SIDE
    return table[row, column]


def stripes(other: Colour, *, period: float, share: float = 0.5, along_v: bool = True) -> Pattern:
    """Bands of another colour."""
    band = np.array(other, dtype=np.float32)

    def paint(base: Field, u: Field, v: Field) -> Field:
        place = (v if along_v else u) / period
        return np.where(((place % 1.0) < share)[:, None], band, base)

    return paint


def band_between(other: Colour, low: float, high: float) -> Pattern:
    """One band of another colour between two places of v, its edges a little soft."""
    band = np.array(other, dtype=np.float32)

    def paint(base: Field, u: Field, v: Field) -> Field:
        share = np.clip((v - low) / 0.004, 0, 1) * np.clip((high - v) / 0.004, 0, 1)
        return base + (band - base) * share[:, None]

    return paint


def dots(other: Colour, *, period: float, radius: float = 0.3, around: float = 1.0) -> Pattern:
    """Round dots in a brick pattern; ``around`` scales u to the unit of v."""
    spot = np.array(other, dtype=np.float32)

    def paint(base: Field, u: Field, v: Field) -> Field:
        y = v / period
        x = u * around / period + 0.5 * (np.floor(y) % 2)
        inside = np.hypot(x % 1 - 0.5, y % 1 - 0.5) < radius
        return np.where(inside[:, None], spot, base)

    return paint


def speckles(other: Colour, *, share: float = 0.05, size: float = 1.0, seed: int = 3) -> Pattern:
    """Small flecks as in stoneware."""
    fleck = np.array(other, dtype=np.float32)
    limit = float(np.quantile(noise(0.7, seed), 1 - share))

    def paint(base: Field, u: Field, v: Field) -> Field:
        return np.where((noise_at(u * size, v * size, slope=0.7, seed=seed) > limit)[:, None], fleck, base)

    return paint


def wood(dark: Colour, *, along_v: bool = True, size: float = 1.0, seed: int = 1) -> Pattern:
    """Grain along one direction."""
    deep = np.array(dark, dtype=np.float32)

    def paint(base: Field, u: Field, v: Field) -> Field:
        across, along = (u, v) if along_v else (v, u)
        bend = noise_at(along * 0.12 * size, across * 0.5 * size, slope=1.6, seed=seed)
        rings = 0.5 + 0.5 * np.sin((across * 26 * size) + 2.2 * bend)
        fine = noise_at(across * 2.2 * size, along * 0.10 * size, slope=0.5, seed=seed + 1)
        share = np.clip(0.35 * rings + 0.16 * fine + 0.15, 0, 1)
        return base + (deep - base) * share[:, None]

    return paint


def weave(depth: float = 0.25, *, period: float = 0.012) -> Pattern:
    """Threads over and under each other."""

    def paint(base: Field, u: Field, v: Field) -> Field:
        x, y = u * (2 * np.pi / period), v * (2 * np.pi / period)
        tone = 1 - depth * (0.5 + 0.25 * np.sin(x) * np.sign(np.sin(y / 2)) + 0.25 * np.sin(y))
        uneven = 1 + 0.025 * noise_at(u * 0.9, v * 0.9, slope=1.3, seed=5)
        return base * (tone * uneven)[:, None]

    return paint


def label(
    picture: ByteArray, *, left: float, right: float, low: float, high: float, mirrored: bool = False
) -> Pattern:
    """A printed picture (h, w, 4) laid over u left-right and v low-high, in sRGB with alpha."""
    coded = picture[..., :3].astype(np.float32) / 255.0
    ink = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4).astype(np.float32)
    alpha = picture[..., 3].astype(np.float32) / 255.0
    rows, columns = alpha.shape

    def paint(base: Field, u: Field, v: Field) -> Field:
        x, y = (u - left) / (right - left), 1 - (v - low) / (high - low)
        inside = (x >= 0) & (x < 1) & (y >= 0) & (y < 1)
        row = np.clip((y * rows).astype(np.int32), 0, rows - 1)
        column = np.clip((x * columns).astype(np.int32), 0, columns - 1)
        share = np.where(inside, alpha[row, column], 0)[:, None]
        return np.asarray(base + (ink[row, column] - base) * share)

    return paint


def both(*patterns: Pattern) -> Pattern:
    """One pattern over another."""

    def paint(base: Field, u: Field, v: Field) -> Field:
        for pattern in patterns:
            base = pattern(base, u, v)
        return base

    return paint


def printed(
    lines: tuple[tuple[str, float], ...],
    *,
    size: tuple[int, int] = (360, 360),
    ink: tuple[int, int, int] = (30, 30, 34),
    paper: tuple[int, int, int, int] = (0, 0, 0, 0),
    rule: bool = True,
) -> ByteArray:
    """A label (h, w, 4) with centred lines of text, each (words, height as a share of the label)."""
    sheet = Image.new("RGBA", size, paper)
    pen = ImageDraw.Draw(sheet)
    top = (1 - sum(share * 1.35 for _, share in lines)) / 2 * size[1]
    for words, share in lines:
        font = ImageFont.load_default(max(8, int(share * size[1])))
        width = pen.textlength(words, font=font)
        pen.text(((size[0] - width) / 2, top), words, font=font, fill=(*ink, 255))
        top += share * 1.35 * size[1]
    if rule:
        inset = int(0.05 * min(size))
        box = (inset, inset, size[0] - inset, size[1] - inset)
        pen.rectangle(box, outline=(*ink, 255), width=max(2, inset // 6))
    return np.asarray(sheet, dtype=np.uint8)
