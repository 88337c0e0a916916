"""Where a product stands: paper sweeps of a studio, and tables, walls and shelves of a home."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from scoring.core.studio.surface import Colour, Field, noise_at, srgb

Rng = np.random.Generator
WOODS = ("b98a5a", "8a5a38", "d8b98c", "6e4a33", "c9c2b8")
WALLS = ("e9e4da", "d5dcd8", "c9c3bb", "e6d8c8", "b9c4cc", "dcd6e0")
PAPERS = ("f3d9cf", "d9e5ea", "e4e0cf", "d8e3d2", "ecd7df", "cfd4e6")
THINGS = ("8f3f3a", "2f5d62", "d9a441", "3a4a6b", "a8b5a2", "e3dcd0", "7a6a8a", "c06c4a", "26302e", "d7c3a5")
LINENS = ("e8e2d6", "cfd6d3", "b7aca0", "dfe3ea", "8d97a3")


class RoomKind(StrEnum):
    """The places of the sample."""

    WHITE = "white"
    GREY = "grey"
    PAPER = "paper"
    TABLE = "table"
    SHELF = "shelf"
    WINDOW = "window"
    LINEN = "linen"
    MESS = "mess"
    STREWN = "strewn"


STUDIO = frozenset({RoomKind.WHITE, RoomKind.GREY, RoomKind.PAPER})


@dataclass(frozen=True, slots=True)
class Frame:
    """How the view plane lies on the picture: pixels per unit, middle, and the camera's elevation."""

    width: int
    height: int
    scale: float
    middle: tuple[float, float]
    elevation: float


@dataclass(frozen=True, slots=True)
class Room:
    """``picture`` linear (h, w, 3); ``floor`` (h, w) 0-1 where shadows fall; ``tint`` of light bounced."""

    picture: Field
    floor: Field
    tint: Colour


def build_room(kind: RoomKind, frame: Frame, rng: Rng) -> Room:
    """A place seen through ``frame``, drawn by ``rng``."""
    if kind in STUDIO:
        return _sweep(kind, frame, rng)
    if kind in (RoomKind.LINEN, RoomKind.STREWN):
        return _linen(kind, frame, rng)
    return _home(kind, frame, rng)


def _grid(frame: Frame) -> tuple[Field, Field]:
    u = (np.arange(frame.width) + 0.5 - frame.width / 2) / frame.scale + frame.middle[0]
    v = (frame.height / 2 - np.arange(frame.height) - 0.5) / frame.scale + frame.middle[1]
    return u.astype(np.float32)[None, :], v.astype(np.float32)[:, None]


def _sweep(kind: RoomKind, frame: Frame, rng: Rng) -> Room:
    """Seamless paper: light falls off towards the edges and a little towards the back."""
    u, v = _grid(frame)
    if kind is RoomKind.WHITE:
        tone = np.array([0.965, 0.965, 0.965]) - rng.uniform(0, 0.05)
        fall = 0.02 * rng.uniform(0, 1)
    elif kind is RoomKind.GREY:
        tone, fall = np.full(3, rng.uniform(0.3, 0.62)), 0.14
    else:
        tone, fall = np.array(srgb(str(rng.choice(PAPERS)))), 0.1
    rise = np.clip((v - 0.1) / 1.2, 0, 1)
    light = 1 - fall * ((u - rng.uniform(-0.3, 0.3)) ** 2 * 0.8 + (v - 0.3) ** 2 * 0.6) - fall * 0.8 * rise
    picture = (tone.astype(np.float32) * light[..., None]).astype(np.float32)
    tint = (float(tone[0]), float(tone[1]), float(tone[2]))
    return Room(picture, np.ones(light.shape, dtype=np.float32), tint)


def _linen(kind: RoomKind, frame: Frame, rng: Rng) -> Room:
    """A cloth seen from above, for things laid flat; strewn with other things."""
    u, v = _grid(frame)
    colour = np.array(srgb(str(rng.choice(LINENS))), dtype=np.float32)
    folds = noise_at(u * 0.35 + 0 * v, v * 0.28 + 0.12 * np.sin(3 * u), slope=2.0, seed=11)
    folds = ndimage.uniform_filter(folds, 9)
    thread = np.sin(u * 2 * np.pi / 0.011) * 0.5 + np.sin(v * 2 * np.pi / 0.011) * 0.5
    light = 1 + 0.045 * folds + 0.02 * thread + 0.18 * (u * -0.5 + v * 0.5)
    picture = colour * np.clip(light, 0.2, 1.6)[..., None].astype(np.float32) * 0.95
    if kind is RoomKind.STREWN:
        picture = _mess(picture, frame, float(v.max()), rng)
    tint = (float(colour[0]), float(colour[1]), float(colour[2]))
    return Room(picture.astype(np.float32), np.ones(light.shape, dtype=np.float32), tint)


def _home(kind: RoomKind, frame: Frame, rng: Rng) -> Room:
    """A table before a wall with things on it; the wall is a little out of focus."""
    u, v = _grid(frame)
    lean = float(np.sin(np.radians(frame.elevation)))
    edge = lean * rng.uniform(0.75, 1.1) + 0.02  # where the table ends, on the view plane
    wood = np.array(srgb(str(rng.choice(WOODS))), dtype=np.float32)
    wall = _wall(kind, frame, rng)
    table = _table(u, v, wood, lean, rng)
    mix = np.clip((v - edge) * frame.scale / 5 + 0.5, 0, 1)[..., None]
    picture = table * (1 - mix) + wall * mix
    below = np.clip((edge - v) * frame.scale / 4, 0, 1) * np.ones_like(u)
    if kind is RoomKind.MESS:
        picture = _mess(picture, frame, edge, rng)
    x, y = u / (frame.width / frame.scale), (v - frame.middle[1]) / (frame.height / frame.scale)
    lamp = 1.04 - 0.5 * ((x + 0.2) ** 2 + (y - 0.15) ** 2)
    tint = (float(wood[0]), float(wood[1]), float(wood[2]))
    return Room((picture * lamp[..., None]).astype(np.float32), below.astype(np.float32), tint)


def _table(u: Field, v: Field, wood: Field, lean: float, rng: Rng) -> Field:
    """Boards of wood running from left to right, grain and gaps foreshortened."""
    z = v / max(lean, 0.1) + 0 * u
    shift = float(rng.uniform(0, 5))
    board = np.floor((z + shift) / 0.42)
    tone = 1 + 0.07 * np.sin(board * 12.9898 + shift)
    bend = noise_at(u * 0.10 + board * 0.37, z * 0.4 + shift, slope=1.6, seed=21)
    fine = noise_at(u * 0.12 + board * 0.37, z * 2.6 + shift, slope=0.6, seed=22)
    grain = 1 + 0.10 * np.sin(z * 70 + 3 * bend) + 0.07 * fine
    gap = 1 - 0.55 * np.exp(-((((((z + shift) / 0.42) % 1) - 0.5) ** 2 - 0.25) ** 2) / 0.00002)
    light = np.clip(tone * grain * gap, 0.15, 1.5)[..., None].astype(np.float32)
    return np.asarray(wood * light * 0.85)


def _wall(kind: RoomKind, frame: Frame, rng: Rng) -> Field:
    """The wall and what hangs or stands before it (h, w, 3), out of focus."""
    small = (frame.width // 3, frame.height // 3)
    colour = srgb(str(rng.choice(WALLS)))
    board = Image.new("RGB", small, _bytes(colour, 0.9))
    pen = ImageDraw.Draw(board)
    if kind is RoomKind.WINDOW:
        _window(pen, small, rng)
    elif kind is RoomKind.SHELF:
        for top in (0.02, 0.33):
            _books(pen, small, top, rng)
    else:
        for _ in range(int(rng.integers(1, 3))):
            _picture(pen, small, rng)
    coded = np.asarray(board, dtype=np.float32) / 255
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    blur = {RoomKind.MESS: 0.6, RoomKind.TABLE: 1.8}.get(kind, 3.0)
    soft = ndimage.gaussian_filter(linear.astype(np.float32), (blur, blur, 0))
    if kind is RoomKind.TABLE:
        soft *= _sunlight(small, rng)[..., None]
    planes = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(soft[..., k])).resize(
                (frame.width, frame.height), Image.Resampling.BICUBIC
            )
        )
        for k in range(3)
    ]
    u, v = _grid(frame)
    plaster = 1 + 0.012 * noise_at(u * 1.3 + 0 * v, v * 1.3, slope=0.8, seed=31)
    return np.asarray(np.stack(planes, axis=2) * plaster[..., None], dtype=np.float32)


def _sunlight(size: tuple[int, int], rng: Rng) -> Field:
    """A slanting patch of window light on the wall (h, w), 0.72-1.25."""
    width, height = size
    patch = Image.new("L", size)
    pen = ImageDraw.Draw(patch)
    x, slant = rng.uniform(0.05, 0.5) * width, rng.uniform(0.1, 0.3) * width
    for column in range(2):
        for row in range(3):
            left, top = x + column * 0.19 * width, height * (0.02 + row * 0.2)
            lower = top + 0.175 * height
            move = slant * (top / height), slant * (lower / height)
            pen.polygon(
                [
                    (left + move[0], top),
                    (left + 0.165 * width + move[0], top + 0.03 * height),
                    (left + 0.165 * width + move[1], lower + 0.03 * height),
                    (left + move[1], lower),
                ],
                fill=255,
            )
    soft = ndimage.gaussian_filter(np.asarray(patch, dtype=np.float32) / 255, 2.2)
    return np.asarray(0.74 + 0.5 * soft, dtype=np.float32)


def _window(pen: ImageDraw.ImageDraw, size: tuple[int, int], rng: Rng) -> None:
    """Bright panes with a garden behind."""
    width, height = size
    left, right = rng.uniform(0.05, 0.2) * width, rng.uniform(0.75, 0.95) * width
    pen.rectangle((left, -5, right, height * 0.75), fill=(236, 242, 247))
    for _ in range(26):
        x, y, r = rng.uniform(left, right), rng.uniform(0.25, 0.8) * height, rng.uniform(0.03, 0.1) * width
        green = (int(rng.integers(90, 170)), int(rng.integers(140, 190)), int(rng.integers(80, 130)))
        pen.ellipse((x - r, y - r, x + r, y + r), fill=green)
    for x in (left, (left + right) / 2, right):
        pen.rectangle((x - 4, -5, x + 4, height * 0.75), fill=(228, 224, 216))
    for x in (left - 0.1 * width, right - 0.02 * width):
        for k in range(6):
            shade = 205 + 22 * (k % 2)
            pen.rectangle(
                (x + k * 0.02 * width, 0, x + (k + 1) * 0.02 * width, height),
                fill=(shade, shade - 6, shade - 16),
            )


def _books(pen: ImageDraw.ImageDraw, size: tuple[int, int], top: float, rng: Rng) -> None:
    """One board of a shelf with books, a vase, a gap."""
    width, height = size
    base = (top + 0.3) * height
    x = -0.02 * width
    while x < width:
        if rng.random() < 0.14:
            x += rng.uniform(0.04, 0.12) * width
            continue
        wide, tall = rng.uniform(0.012, 0.035) * width, rng.uniform(0.14, 0.26) * height
        pen.rectangle(
            (x, base - tall, x + wide, base), fill=_bytes(srgb(str(rng.choice(THINGS))), rng.uniform(0.6, 1))
        )
        x += wide + 1
    pen.rectangle((0, base, width, base + 0.02 * height), fill=(150, 120, 92))
    pen.rectangle((0, base + 0.02 * height, width, base + 0.03 * height), fill=(92, 74, 58))


def _picture(pen: ImageDraw.ImageDraw, size: tuple[int, int], rng: Rng) -> None:
    """A framed picture on the wall."""
    width, height = size
    w, h = rng.uniform(0.14, 0.28) * width, rng.uniform(0.16, 0.3) * height
    x, y = rng.uniform(0, 0.8) * width, rng.uniform(-0.05, 0.12) * height
    pen.rectangle((x, y, x + w, y + h), fill=_bytes(srgb(str(rng.choice(("26302e", "d8b98c", "f0ece4")))), 1))
    m = 0.07 * width * 0.3
    pen.rectangle((x + m, y + m, x + w - m, y + h - m), fill=(238, 234, 226))
    for _ in range(3):
        a, b = rng.uniform(0.2, 0.7, 2)
        r = 0.18 * min(w, h)
        spot = (x + a * w - r, y + b * h - r, x + a * w + r, y + b * h + r)
        pen.ellipse(spot, fill=_bytes(srgb(str(rng.choice(THINGS))), 1))


def _mess(picture: Field, frame: Frame, edge: float, rng: Rng) -> Field:
    """Things left lying around the product, in focus: boxes, jars, paper, cables."""
    coded = np.clip(picture, 0, 1) ** (1 / 2.2)
    board = Image.fromarray((coded * 255).astype(np.uint8))
    pen = ImageDraw.Draw(board)
    horizon = int(frame.height / 2 - (edge - frame.middle[1]) * frame.scale)
    for _ in range(30):
        base = int(rng.uniform(horizon - 10, frame.height * 1.02))
        w, h = rng.uniform(0.05, 0.2) * frame.width, rng.uniform(0.05, 0.24) * frame.height
        x = rng.uniform(-0.08, 1.0) * frame.width
        colour = srgb(str(rng.choice(THINGS)))
        kind = int(rng.integers(4))
        if kind == 0:  # a box with a lit and a shaded side
            pen.polygon([(x, base - h), (x + w, base - h), (x + w, base), (x, base)], fill=_bytes(colour, 1))
            pen.polygon(
                [
                    (x + w, base - h),
                    (x + 1.3 * w, base - 1.1 * h),
                    (x + 1.3 * w, base - 0.1 * h),
                    (x + w, base),
                ],
                fill=_bytes(colour, 0.5),
            )
            pen.polygon(
                [
                    (x, base - h),
                    (x + 0.3 * w, base - 1.1 * h),
                    (x + 1.3 * w, base - 1.1 * h),
                    (x + w, base - h),
                ],
                fill=_bytes(colour, 1.35),
            )
        elif kind == 1:  # a jar
            for k in range(12):
                tone = 0.5 + 0.75 * np.sin(np.pi * (k + 1) / 14)
                pen.rectangle(
                    (x + k * w / 24, base - h, x + (k + 1) * w / 24, base), fill=_bytes(colour, tone)
                )
            pen.ellipse((x, base - h - w * 0.08, x + w / 2, base - h + w * 0.08), fill=_bytes(colour, 1.3))
        elif kind == 2:  # sheets of paper
            turn = rng.uniform(-0.3, 0.3)
            pen.polygon(
                [
                    (x, base),
                    (x + w * 1.2, base - turn * h),
                    (x + w * 1.4, base - h * 0.5),
                    (x + w * 0.2, base - h * 0.45),
                ],
                fill=(226, 222, 214),
            )
            for k in range(5):
                y = base - h * (0.1 + 0.07 * k)
                pen.line((x + 0.2 * w, y, x + 0.9 * w, y - turn * h * 0.6), fill=(150, 150, 155), width=2)
        else:  # a cable
            bends = [(x + w * 0.4 * k, base - h * (0.2 + 0.3 * np.sin(k * 1.7))) for k in range(6)]
            pen.line(bends, fill=(32, 32, 36), width=max(3, frame.width // 220), joint="curve")
    back = np.asarray(board, dtype=np.float32) / 255
    return np.asarray(back**2.2, dtype=np.float32)


def _bytes(colour: Colour, light: float) -> tuple[int, int, int]:
    coded = np.clip(np.array(colour) * light, 0, 1) ** (1 / 2.2) * 255
    return int(coded[0]), int(coded[1]), int(coded[2])
