"""Things that stand: mugs, bottles, lamps, plants, chairs and the like, built from solids by a seed.

Heights are in units of about one product; everything stands on y = 0 around the axis x = z = 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scoring.core.studio.solids import Ball, Block, Lathe, Part, Tube
from scoring.core.studio.surface import (
    Material,
    Pattern,
    band_between,
    dim,
    dots,
    label,
    printed,
    speckles,
    srgb,
    stripes,
    wood,
)
from scoring.core.types import ByteArray

Rng = np.random.Generator
GLAZES = ("e8e2d5", "2f4858", "c96f4a", "8aa79b", "f2c14e", "b84a4a", "54494b", "d9d4cc", "7d8ca3", "3d5a45")
WOODS = (("c99a66", "8a5a34"), ("8f5f3c", "5a3822"), ("e0c49a", "b08a58"), ("5a4032", "34231a"))
BRASS, STEEL, BLACK = srgb("c9a227"), srgb("c8ccd0"), srgb("1c1d20")
INKS = ((32, 32, 36), (120, 40, 30), (30, 60, 90), (60, 70, 40))


def curve(points: Sequence[tuple[float, float]], steps: int = 5) -> list[tuple[float, float]]:
    """A smooth line through points (Catmull-Rom)."""
    p = np.asarray([points[0], *points, points[-1]], dtype=np.float64)
    t = (np.arange(steps) / steps)[:, None]
    line = [
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False)
    ]
    whole = np.concatenate([*line, p[-1:]])
    return [(float(x), float(y)) for x, y in whole]


def glaze(rng: Rng, *, gloss: float = 0.75) -> Material:
    """Glazed clay in one of the sample's colours, plain, banded, dotted or speckled."""
    code = str(rng.choice(GLAZES))
    other = srgb(str(rng.choice([g for g in GLAZES if g != code])))
    patterns: list[Pattern | None] = [
        None,
        band_between(other, 0.42, 0.62),
        stripes(other, period=0.16, share=0.3),
        dots(other, period=0.13, radius=0.26, around=2.2),
        speckles(srgb("4a4038"), share=0.05),
        speckles(srgb("6b5d50"), share=0.08),
    ]
    pattern = patterns[int(rng.integers(len(patterns)))]
    return Material(srgb(code), gloss=gloss, sharp=0.82, pattern=pattern)


def oak(rng: Rng, *, along_v: bool = True) -> Material:
    """Oiled wood."""
    light, dark = WOODS[int(rng.integers(len(WOODS)))]
    return Material(srgb(light), gloss=0.28, sharp=0.4, pattern=wood(srgb(dark), along_v=along_v))


def mug(rng: Rng) -> list[Part]:
    """A mug with a handle."""
    body = glaze(rng)
    r, h = float(rng.uniform(0.33, 0.42)), float(rng.uniform(0.75, 0.95))
    waist = float(rng.uniform(0.9, 1.05))
    outer = [(0.0, 0.0), (r * 0.88, 0.0), (r * 0.97, 0.03)]
    outer += curve([(r, 0.08), (r * waist, h * 0.5), (r, h - 0.02)], 4)
    profile = [*outer, (r * 0.985, h), (r * 0.945, h), (r * 0.92, h - 0.03), (r * 0.9, 0.1), (0.0, 0.08)]
    angle = np.linspace(-0.5 * np.pi, 0.5 * np.pi, 17)
    handle = [(float(r * 0.93 + 0.27 * np.cos(a)), float(h * 0.5 + h * 0.31 * np.sin(a)), 0.0) for a in angle]
    plain = Material(body.colour, gloss=body.gloss, sharp=body.sharp)
    return [Lathe(profile, body), Tube(handle, 0.055, plain)]


def bowl(rng: Rng) -> list[Part]:
    """A wide bowl, some with fruit in it."""
    body = glaze(rng)
    r, h = float(rng.uniform(0.55, 0.65)), float(rng.uniform(0.34, 0.44))
    outer = curve([(0.24, 0.03), (0.4, 0.08), (r * 0.9, h * 0.55), (r, h)], 5)
    inner = curve([(r * 0.965, h), (r * 0.86, h * 0.58), (0.36, 0.12), (0.0, 0.09)], 5)
    parts: list[Part] = [Lathe([(0.0, 0.0), (0.24, 0.0), *outer, *inner], body)]
    fruits = (srgb("d9772b"), srgb("b8332c"), srgb("9db23c"), srgb("e2b33b"))
    for k in range(int(rng.choice([0, 5, 6]))):
        angle, out = k * 2.4, 0.0 if k == 0 else 0.27
        skin = Material(fruits[k % 4], gloss=0.4, sharp=0.5, grain=0.04)
        spot = (float(out * np.cos(angle)), h * (0.92 if k else 1.08), float(out * np.sin(angle)))
        parts.append(Ball(spot, (0.17, 0.16, 0.17), skin))
    return parts


def teapot(rng: Rng) -> list[Part]:
    """A round pot with spout, handle and lid."""
    body = glaze(rng)
    plain = Material(body.colour, gloss=body.gloss, sharp=body.sharp)
    side = curve([(0.26, 0.0), (0.44, 0.12), (0.5, 0.32), (0.42, 0.54), (0.22, 0.66)], 6)
    lid = curve([(0.23, 0.66), (0.18, 0.73), (0.05, 0.77)], 4)
    spout = [(0.4, 0.22, 0.0), (0.56, 0.28, 0.0), (0.66, 0.42, 0.0), (0.73, 0.6, 0.0)]
    angle = np.linspace(0.62 * np.pi, 1.4 * np.pi, 15)
    handle = [(float(-0.4 + 0.28 * np.cos(a)), float(0.36 + 0.25 * np.sin(a)), 0.0) for a in angle]
    return [
        Lathe([(0.0, 0.0), *side], body),
        Lathe([*lid, (0.0, 0.775)], plain),
        Ball((0.0, 0.82, 0.0), (0.055, 0.055, 0.055), plain),
        Tube(spout, (0.12, 0.09, 0.065, 0.05), plain),
        Tube(handle, 0.045, plain),
    ]


def vase(rng: Rng) -> list[Part]:
    """A vase, tall or round."""
    body = glaze(rng, gloss=float(rng.choice([0.12, 0.7])))
    belly, neck = float(rng.uniform(0.26, 0.42)), float(rng.uniform(0.09, 0.18))
    side = curve([(0.17, 0.0), (belly, 0.34), (belly * 0.8, 0.62), (neck, 0.84), (neck * 1.3, 1.0)], 6)
    inner = [(neck * 1.2, 1.0), (neck * 0.9, 0.84), (neck * 0.9, 0.7)]
    return [Lathe([(0.0, 0.0), *side, *inner], body)]


def bottle(rng: Rng) -> list[Part]:
    """A bottle with a printed label and a cap."""
    code, clear = [("6b3f14", 0.7), ("24442c", 0.6), ("e9e6df", 0.0), ("1f2a3c", 0.2), ("d7b8ae", 0.0)][
        int(rng.integers(5))
    ]
    names = (("OLIO", "EXTRA VIRGIN"), ("LUNE", "BATH OIL"), ("ALBA", "SHAMPOO"), ("NORD", "TONIC"))
    title, small = names[int(rng.integers(len(names)))]
    paper = (244, 240, 230, 255) if rng.random() < 0.7 else (0, 0, 0, 0)
    ink = INKS[int(rng.integers(len(INKS)))] if paper[3] or code in ("e9e6df", "d7b8ae") else (238, 232, 220)
    sheet = printed(((title, 0.24), (small, 0.08), ("500 ml", 0.07)), ink=ink, paper=paper)
    r, shoulder = float(rng.uniform(0.2, 0.25)), float(rng.uniform(0.62, 0.7))
    side = [(r * 0.93, 0.0), (r, 0.03), (r, shoulder)]
    side += curve([(r, shoulder), (r * 0.8, shoulder + 0.1), (0.085, shoulder + 0.17), (0.075, 0.95)], 5)
    glass = Material(srgb(code), gloss=0.95, sharp=0.92, clear=clear, pattern=_front(sheet, 0.36, 0.74))
    cap = Material(BLACK if rng.random() < 0.6 else BRASS, gloss=0.5, sharp=0.6, metal=0.0)
    return [
        Lathe([(0.0, 0.0), *side], glass),
        Lathe([(0.095, 0.93), (0.095, 1.06), (0.085, 1.08), (0.0, 1.08)], cap),
    ]


def _front(sheet: ByteArray, low: float, high: float) -> Pattern:
    """A label on the side that faces the viewer at yaw 0."""
    return label(sheet, left=-0.17, right=0.17, low=low, high=high)


def pump(rng: Rng) -> list[Part]:
    """A soap dispenser with a pump."""
    tone = srgb(str(rng.choice(("e7ddd3", "c9d6cf", "2b2b2e", "8a4b2a", "d8c3c9"))))
    dark = sum(tone) < 0.4
    sheet = printed(
        (("fjord", 0.2), ("hand wash", 0.09), ("cedar + salt", 0.07)),
        ink=(235, 230, 222) if dark else (40, 40, 44),
        rule=False,
    )
    body = Material(tone, gloss=0.6, sharp=0.7, pattern=_front(sheet, 0.3, 0.62))
    head = Material(BLACK if not dark else BRASS, gloss=0.5, sharp=0.7, metal=0.6 if dark else 0.0)
    side = [(0.24, 0.0), (0.255, 0.02), (0.255, 0.56)]
    side += curve([(0.255, 0.56), (0.23, 0.64), (0.1, 0.69)], 5)
    return [
        Lathe([(0.0, 0.0), *side, (0.0, 0.69)], body),
        Lathe([(0.1, 0.68), (0.1, 0.76), (0.0, 0.76)], head),
        Tube([(0, 0.76, 0), (0, 0.9, 0)], 0.03, head),
        Lathe([(0.09, 0.9), (0.09, 0.95), (0.0, 0.95)], head),
        Tube([(0, 0.925, 0), (0.14, 0.925, 0.1), (0.2, 0.9, 0.14)], 0.028, head),
    ]


def jar(rng: Rng) -> list[Part]:
    """A cream jar with a lid."""
    lid = Material(
        BRASS if rng.random() < 0.5 else srgb("f0ede6"),
        gloss=0.6,
        sharp=0.7,
        metal=0.9 * (rng.random() < 0.5),
    )
    sheet = printed((("SEREIN", 0.22), ("night cream", 0.1)), size=(480, 260), rule=False, ink=(60, 52, 48))
    body = Material(
        srgb(str(rng.choice(("f3efe9", "e9c9c0", "bcd0d4")))),
        gloss=0.7,
        sharp=0.8,
        pattern=_front(sheet, 0.5, 0.78),
    )
    return [
        Lathe([(0.0, 0.0), (0.43, 0.0), (0.46, 0.03), (0.46, 0.3), (0.44, 0.33), (0.0, 0.33)], body),
        Lathe([(0.46, 0.34), (0.475, 0.36), (0.475, 0.54), (0.45, 0.57), (0.0, 0.57)], lid),
    ]


def perfume(rng: Rng) -> list[Part]:
    """A block of tinted glass with a stopper."""
    tint = srgb(str(rng.choice(("e8b98a", "e7a9b0", "a9c7d8", "d9c77a"))))
    sheet = printed((("LUA", 0.3), ("eau de parfum", 0.09)), rule=False, ink=(50, 40, 36))
    glass = Material(
        tint,
        gloss=1.0,
        sharp=0.97,
        clear=0.75,
        pattern=label(sheet, left=-0.22, right=0.22, low=-0.24, high=0.2),
    )
    return [
        Block((0, 0.36, 0), (0.32, 0.36, 0.16), glass, bevel=0.05),
        Lathe([(0.09, 0.72), (0.09, 0.79), (0.0, 0.79)], Material(BRASS, gloss=0.8, sharp=0.8, metal=1.0)),
        Block((0, 0.9, 0), (0.13, 0.12, 0.13), Material(BLACK, gloss=0.8, sharp=0.85), bevel=0.03),
    ]


def candle(rng: Rng) -> list[Part]:
    """A candle in a glass with a label, burning."""
    wax = Material(srgb("f4ead8"), gloss=0.2, sharp=0.3, glow=0.12)
    sheet = printed((("no. 7", 0.22), ("fig & smoke", 0.1)), ink=(60, 50, 40), paper=(248, 244, 236, 255))
    glass = Material(
        srgb(str(rng.choice(("dfe3e0", "8a6a4a", "4a5a5e")))),
        gloss=0.9,
        sharp=0.9,
        clear=0.35,
        pattern=_front(sheet, 0.46, 0.8),
    )
    flame = Material((3.0, 1.9, 0.7), gloss=0, glow=1.0)
    return [
        Lathe([(0.0, 0.0), (0.33, 0.0), (0.35, 0.03), (0.35, 0.72), (0.33, 0.72), (0.325, 0.6)], glass),
        Lathe([(0.325, 0.6), (0.0, 0.59)], wax),
        Tube([(0, 0.59, 0), (0.005, 0.68, 0)], 0.008, Material(BLACK, gloss=0)),
        Lathe(curve([(0.0, 0.67), (0.03, 0.71), (0.022, 0.78), (0.0, 0.86)], 4), flame),
    ]


def gift_box(rng: Rng) -> list[Part]:
    """A box with a lid and a ribbon."""
    paper = Material(
        srgb(str(rng.choice(("d9c2a3", "2f4858", "b8423a", "e7ddd3", "8aa79b")))), gloss=0.2, sharp=0.3
    )
    ribbon = Material(srgb(str(rng.choice(("f2efe8", "c9a227", "7a2f3a")))), gloss=0.5, sharp=0.5)
    lid = Material(dim(paper.colour, 1.08), gloss=0.2, sharp=0.3)
    parts: list[Part] = [
        Block((0, 0.25, 0), (0.42, 0.25, 0.34), paper, bevel=0.012),
        Block((0, 0.5, 0), (0.445, 0.075, 0.365), lid, bevel=0.012),
        Block((0, 0.289, 0), (0.06, 0.291, 0.369), ribbon, bevel=0.004),
        Block((0, 0.289, 0), (0.449, 0.291, 0.06), ribbon, bevel=0.004),
    ]
    for x in (-1, 1):
        bow = [
            (0.0, 0.59, 0.0),
            (0.12 * x, 0.72, 0.03),
            (0.26 * x, 0.7, 0.04),
            (0.2 * x, 0.61, 0.03),
            (0.0, 0.59, 0.0),
        ]
        parts.append(Tube(bow, 0.034, ribbon))
    return parts


def pan(rng: Rng) -> list[Part]:
    """A saucepan of steel or enamel."""
    steel = Material(STEEL, gloss=0.95, sharp=0.88, metal=1.0)
    body = steel if rng.random() < 0.5 else glaze(rng)
    inner = Material(srgb("8d8f92"), gloss=0.6, sharp=0.5, metal=0.7)
    handle = oak(rng)
    r, h = 0.42, float(rng.uniform(0.34, 0.46))
    side = [(r * 0.94, 0.0), (r, 0.05), (r, h), (r + 0.025, h + 0.01)]
    return [
        Lathe([(0.0, 0.0), *side], body),
        Lathe([(r + 0.02, h + 0.012), (r - 0.02, h), (r - 0.02, 0.06), (0.0, 0.05)], inner),
        Tube(
            [(r, h - 0.06, 0), (r + 0.14, h - 0.03, 0), (r + 0.62, h + 0.03, 0)], (0.022, 0.03, 0.042), handle
        ),
    ]
