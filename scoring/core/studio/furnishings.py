"""Things a room is furnished with: lamps, plants, chairs, loudspeakers."""

from __future__ import annotations

import numpy as np

from scoring.core.studio.solids import Ball, Block, Lathe, Part, Point, Tube
from scoring.core.studio.surface import Material, dim, srgb, stripes, weave
from scoring.core.studio.wares import BLACK, BRASS, STEEL, curve, glaze, oak

Rng = np.random.Generator


def lamp(rng: Rng) -> list[Part]:
    """A table lamp, lit."""
    shade_tone = srgb(str(rng.choice(("f3ead9", "e6d0b8", "d8dfe0", "c98f7a"))))
    cloth = Material(shade_tone, gloss=0.0, glow=0.5, pattern=weave(0.12, period=0.02))
    foot = glaze(rng) if rng.random() < 0.5 else oak(rng)
    belly = float(rng.uniform(0.12, 0.22))
    side = curve([(0.19, 0.02), (belly, 0.16), (belly * 0.7, 0.36), (0.035, 0.5)], 5)
    top, low = float(rng.uniform(0.2, 0.3)), float(rng.uniform(0.36, 0.44))
    return [
        Lathe([(0.0, 0.0), (0.19, 0.0), *side], foot),
        Tube([(0, 0.48, 0), (0, 0.66, 0)], 0.022, Material(BRASS, gloss=0.7, sharp=0.7, metal=1.0)),
        Lathe([(low, 0.56), (top, 1.06), (top - 0.012, 1.06), (low - 0.012, 0.57)], cloth),
    ]


def desk_lamp(rng: Rng) -> list[Part]:
    """A jointed lamp of painted metal."""
    paint = Material(
        srgb(str(rng.choice(("b8423a", "2f5d62", "1f2023", "e3b23c", "e9e6df")))), gloss=0.6, sharp=0.7
    )
    steel = Material(STEEL, gloss=0.8, sharp=0.75, metal=1.0)
    bulb = Material((2.2, 1.9, 1.4), gloss=0, glow=0.8)
    hood = curve([(0.06, 0.0), (0.09, 0.06), (0.2, 0.2), (0.24, 0.3)], 4)
    return [
        Lathe([(0.0, 0.0), (0.27, 0.0), (0.27, 0.03), (0.24, 0.055), (0.0, 0.06)], paint),
        Tube([(0, 0.05, 0), (-0.22, 0.52, 0), (0.1, 0.98, 0)], 0.022, steel),
        Ball((-0.22, 0.52, 0), (0.05, 0.05, 0.05), paint),
        Lathe(
            [*hood, *[(r * 0.95, h) for r, h in hood[::-1]]],
            paint,
            at=(0.08, 1.02, 0),
            axis=(0.6, -0.8, 0.12),
        ),
        Ball((0.22, 0.83, 0.03), (0.08, 0.08, 0.08), bulb),
    ]


def plant(rng: Rng) -> list[Part]:
    """Leaves in a pot."""
    pot = glaze(rng, gloss=0.15) if rng.random() < 0.6 else Material(srgb("b5653f"), gloss=0.05, grain=0.06)
    soil = Material(srgb("3a2c22"), gloss=0.0, grain=0.4)
    r = float(rng.uniform(0.26, 0.32))
    side = [(r * 0.72, 0.0), (r, 0.36), (r * 1.08, 0.36), (r * 1.1, 0.44), (r * 1.0, 0.44), (r * 0.97, 0.38)]
    parts: list[Part] = [Lathe([(0.0, 0.0), *side], pot), Lathe([(r * 0.97, 0.39), (0.0, 0.4)], soil)]
    long = bool(rng.random() < 0.5)
    for k in range(15 if long else 22):
        parts += _leaf(rng, k, long=long)
    return parts


def _leaf(rng: Rng, k: int, *, long: bool) -> list[Part]:
    angle = k * 2.39996 + rng.uniform(-0.2, 0.2)
    lift = rng.uniform(0.25, 1.25) if long else rng.uniform(0.1, 1.1)
    reach = float(rng.uniform(0.28, 0.5))
    out = np.array([np.cos(angle) * np.cos(lift), np.sin(lift), np.sin(angle) * np.cos(lift)])
    tip = np.array([0, 0.42, 0]) + out * reach
    green = np.array(srgb(str(rng.choice(("3f6b35", "55823f", "2f5a3c", "7a9a4a"))))) * rng.uniform(0.8, 1.2)
    tone = (float(green[0]), float(green[1]), float(green[2]))
    vein = stripes(dim(tone, 1.3), period=9.0, share=0.006, along_v=False)
    leaf = Material(tone, gloss=0.45, sharp=0.45, pattern=vein)
    side = np.cross(out, [0, 1, 0]) + 1e-3
    side /= np.linalg.norm(side)
    turn = np.stack([side, out, np.cross(side, out)]).astype(np.float32)
    radii = (0.05, reach * 0.62, 0.012) if long else (0.12, 0.16, 0.014)
    stem: Point = (float(tip[0]), float(tip[1]), float(tip[2]))
    parts: list[Part] = [Ball(stem, radii, leaf, turn)]
    if not long:
        parts.append(Tube([(0, 0.4, 0), stem], 0.009, leaf))
    return parts


def chair(rng: Rng) -> list[Part]:
    """A chair with a seat, four legs and a back."""
    frame = oak(rng)
    cloth = Material(
        srgb(str(rng.choice(("7d8ca3", "b86b4b", "4d6652", "d8cfc0", "3a3d44")))),
        gloss=0.05,
        pattern=weave(0.22),
    )
    seat = cloth if rng.random() < 0.7 else oak(rng, along_v=False)
    parts: list[Part] = [Block((0, 0.5, 0), (0.27, 0.035, 0.26), seat, bevel=0.03)]
    for x in (-1, 1):
        parts.append(Tube([(0.23 * x, 0.48, 0.2), (0.27 * x, 0.0, 0.26)], (0.028, 0.02), frame))
        parts.append(Tube([(0.22 * x, 0.48, -0.2), (0.26 * x, 0.0, -0.28)], (0.028, 0.02), frame))
        parts.append(Tube([(0.22 * x, 0.48, -0.21), (0.22 * x, 1.02, -0.3)], (0.026, 0.022), frame))
        parts.append(Tube([(0.25 * x, 0.24, 0.23), (0.24 * x, 0.24, -0.24)], 0.014, frame))
    if rng.random() < 0.5:
        parts.append(Block((0, 0.88, -0.285), (0.23, 0.13, 0.022), cloth, bevel=0.025))
    else:
        parts += [
            Tube([(-0.22, y, z), (0, y + 0.015, z - 0.03), (0.22, y, z)], 0.02, frame)
            for y, z in ((0.72, -0.255), (0.85, -0.275), (0.98, -0.295))
        ]
    return parts


def stool(rng: Rng) -> list[Part]:
    """A round stool on three or four legs."""
    frame = oak(rng)
    seat = [(0.0, 0.56), (0.25, 0.56), (0.28, 0.58), (0.28, 0.62), (0.26, 0.635), (0.0, 0.625)]
    count = int(rng.integers(3, 5))
    parts: list[Part] = [Lathe(seat, oak(rng, along_v=False))]
    for k in range(count):
        a = 2 * np.pi * (k + 0.5) / count
        x, z = float(np.cos(a)), float(np.sin(a))
        parts.append(Tube([(0.17 * x, 0.57, 0.17 * z), (0.27 * x, 0.0, 0.27 * z)], (0.032, 0.02), frame))
    ring = [(0.225 * float(np.cos(a)), 0.22, 0.225 * float(np.sin(a))) for a in np.linspace(0, 2 * np.pi, 21)]
    return [*parts, Tube(ring, 0.012, Material(STEEL, gloss=0.8, sharp=0.7, metal=1.0))]


def speaker(rng: Rng) -> list[Part]:
    """A small loudspeaker: cloth front, wooden case, two knobs."""
    case = oak(rng)
    cloth = Material(
        srgb(str(rng.choice(("2b2d31", "b9b3a8", "6d7f86", "a3482f")))),
        gloss=0.0,
        pattern=weave(0.4, period=0.016),
    )
    metal = Material(BRASS if rng.random() < 0.5 else STEEL, gloss=0.9, sharp=0.8, metal=1.0)
    return [
        Block((0, 0.36, 0), (0.52, 0.33, 0.2), case, bevel=0.04),
        Block((0, 0.36, 0.19), (0.46, 0.27, 0.03), cloth, bevel=0.03),
        *[Lathe([(0.05, 0.0), (0.05, 0.06), (0.0, 0.065)], metal, at=(x, 0.69, 0.0)) for x in (0.2, 0.36)],
        *[
            Lathe(
                [(0.05, 0.0), (0.035, 0.05), (0.0, 0.05)], Material(BLACK), at=(x, 0.03, 0.0), axis=(0, -1, 0)
            )
            for x in (-0.4, 0.4)
        ],
        Block((-0.34, 0.16, 0.222), (0.07, 0.014, 0.003), metal, bevel=0.003),
    ]


def headphones(rng: Rng) -> list[Part]:
    """Over-ear headphones on their rims."""
    shell = Material(srgb(str(rng.choice(("23252a", "e7e3db", "8d3f3a", "40566b")))), gloss=0.6, sharp=0.65)
    pad = Material(srgb("191919"), gloss=0.2, sharp=0.2, grain=0.05)
    steel = Material(STEEL, gloss=0.9, sharp=0.8, metal=1.0)
    angle = np.linspace(0.04 * np.pi, 0.96 * np.pi, 25)
    band = [(float(0.4 * np.cos(a)), float(0.345 + 0.52 * np.sin(a)), 0.0) for a in angle]
    parts: list[Part] = [Tube(band, 0.022, steel), Tube(band[6:19], 0.05, pad)]
    for x in (-1.0, 1.0):
        cup = curve([(0.0, 0.1), (0.13, 0.095), (0.2, 0.06), (0.215, 0.0)], 5)
        parts.append(Lathe([*cup[::-1]], shell, at=(0.38 * x, 0.225, 0), axis=(x, 0, 0.1)))
        ring = curve([(0.215, 0.0), (0.225, -0.05), (0.18, -0.09), (0.1, -0.07)], 5)
        parts.append(Lathe(ring[::-1], pad, at=(0.38 * x, 0.225, 0), axis=(x, 0, 0.1)))
    return parts
