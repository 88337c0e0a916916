"""Cloth: shirts, pullovers, cushions, and the outlines all soft things are made of."""

from __future__ import annotations

import numpy as np

from scoring.core.studio.solids import Part, Sheet
from scoring.core.studio.surface import (
    Material,
    both,
    dim,
    dots,
    label,
    printed,
    srgb,
    stripes,
    weave,
)
from scoring.core.studio.wares import curve
from scoring.core.types import ByteArray

Rng = np.random.Generator
Outline = list[tuple[float, float]]
CLOTHS = ("d9d4cc", "2d3340", "7b2f35", "48625a", "c7a24b", "8fa3b5", "e6c9bf", "3c3c3f", "b5683f", "f0eee8")


def closed(points: Outline, steps: int = 8) -> Outline:
    """A smooth closed outline through points."""
    p = np.asarray(points, dtype=np.float64)
    t = (np.arange(steps) / steps)[:, None]
    line = []
    for k in range(len(p)):
        a, b, c, d = p[k - 1], p[k], p[(k + 1) % len(p)], p[(k + 2) % len(p)]
        line.append(
            0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        )
    return [(float(x), float(y)) for x, y in np.concatenate(line)]


def mirrored(half: Outline) -> Outline:
    """An outline from its right half, given from top to bottom."""
    return [*half, *[(-x, y) for x, y in reversed(half)]]


def ellipse(x: float, y: float, rx: float, ry: float, count: int = 48) -> Outline:
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return [(float(x + rx * np.cos(a)), float(y + ry * np.sin(a))) for a in angle]


def strap(points: Outline, width: float) -> Outline:
    """A band of even width along points."""
    p = np.asarray(curve(points, 8))
    along = np.gradient(p, axis=0)
    side = np.stack([-along[:, 1], along[:, 0]], axis=1)
    side *= width / 2 / np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-6)
    return [(float(x), float(y)) for x, y in np.concatenate([p + side, (p - side)[::-1]])]


def _cloth(rng: Rng, *, printed_on: ByteArray | None = None) -> Material:
    code = str(rng.choice(CLOTHS))
    other = srgb(str(rng.choice([c for c in CLOTHS if c != code])))
    knit = weave(0.2, period=0.009)
    pattern = knit
    draw = rng.random()
    if printed_on is not None:
        pattern = both(label(printed_on, left=-0.17, right=0.17, low=0.42, high=0.76), knit)
    elif draw < 0.3:
        pattern = both(stripes(other, period=0.11, share=0.32), knit)
    elif draw < 0.45:
        pattern = both(dots(other, period=0.09, radius=0.22), knit)
    return Material(srgb(code), gloss=0.03, sharp=0.2, pattern=pattern)


def shirt(rng: Rng) -> list[Part]:
    """A T-shirt laid flat; some are printed."""
    words = (("SLOW", "sundays"), ("NORTH", "pier club"), ("GOOD", "bread"), ("1987", "archive"))
    title, small = words[int(rng.integers(len(words)))]
    ink = (236, 228, 214) if rng.random() < 0.5 else (40, 44, 60)
    sheet = printed(((title, 0.3), (small, 0.14)), ink=ink, rule=False) if rng.random() < 0.5 else None
    cloth = _cloth(rng, printed_on=sheet)
    half = [
        (0.12, 0.96),
        (0.2, 0.985),
        (0.36, 0.94),
        (0.62, 0.72),
        (0.64, 0.68),
        (0.5, 0.56),
        (0.47, 0.57),
        (0.385, 0.66),
    ]
    half += [(0.375, 0.4), (0.385, 0.06), (0.375, 0.03), (0.2, 0.015), (0.0, 0.01)]
    body = [*half, *[(-x, y) for x, y in reversed(half[:-1])], (-0.07, 0.9), (0.0, 0.885), (0.07, 0.9)]
    back = closed([(-0.13, 0.955), (0, 0.94), (0.13, 0.955), (0.09, 0.9), (0, 0.87), (-0.09, 0.9)])
    collar = strap([(-0.125, 0.965), (-0.07, 0.9), (0.0, 0.882), (0.07, 0.9), (0.125, 0.965)], 0.03)
    rib = Material(dim(cloth.colour, 0.86), gloss=0.02, pattern=weave(0.3, period=0.006))
    inside = Material(dim(cloth.colour, 0.5), gloss=0.0)
    return [
        Sheet(back, inside, thick=0.005, round=0.02, layer=0.0),
        Sheet(body, cloth, thick=0.035, round=0.06, layer=0.01, folds=0.009),
        Sheet(collar, rib, thick=0.012, round=0.02, layer=0.05),
    ]


def hoodie(rng: Rng) -> list[Part]:
    """A hooded pullover laid flat."""
    cloth = _cloth(rng)
    dark = Material(dim(cloth.colour, 0.45), gloss=0.0, pattern=weave(0.2))
    rib = Material(
        dim(cloth.colour, 0.82),
        gloss=0.0,
        pattern=stripes(dim(cloth.colour, 0.66), period=0.014, along_v=False),
    )
    body = mirrored(
        [(0.1, 0.92), (0.3, 0.89), (0.43, 0.8), (0.4, 0.4), (0.385, 0.06), (0.2, 0.05), (0.0, 0.05)]
    )
    arms = [
        [
            (s * x, y)
            for x, y in (
                (0.3, 0.88),
                (0.44, 0.8),
                (0.6, 0.3),
                (0.63, 0.08),
                (0.5, 0.06),
                (0.44, 0.3),
                (0.36, 0.6),
            )
        ]
        for s in (-1, 1)
    ]
    hood = closed([(-0.2, 0.86), (-0.19, 1.04), (0, 1.14), (0.19, 1.04), (0.2, 0.86), (0.0, 0.8)])
    mouth = closed([(-0.12, 0.93), (-0.1, 1.03), (0, 1.07), (0.1, 1.03), (0.12, 0.93), (0, 0.84)])
    pocket = mirrored([(0.14, 0.36), (0.25, 0.2), (0.25, 0.1), (0.0, 0.1)])
    hem = mirrored([(0.38, 0.075), (0.375, 0.0), (0.0, -0.005)])
    parts: list[Part] = [
        Sheet(closed(arm, 6), cloth, thick=0.05, round=0.07, layer=0.0, folds=0.014) for arm in arms
    ]
    parts += [
        Sheet(closed(body, 5), cloth, thick=0.045, round=0.08, layer=0.03, folds=0.012),
        Sheet(hem, rib, thick=0.03, round=0.03, layer=0.05),
        Sheet(hood, cloth, thick=0.06, round=0.1, layer=0.05, folds=0.012),
        Sheet(mouth, dark, thick=0.004, round=0.02, layer=0.105),
        Sheet(pocket, cloth, thick=0.014, round=0.02, layer=0.075),
    ]
    for s in (-1, 1):
        parts.append(
            Sheet(
                strap([(s * 0.06, 0.88), (s * 0.075, 0.76), (s * 0.07, 0.62)], 0.014),
                Material(srgb("efece6")),
                thick=0.012,
                round=0.006,
                layer=0.11,
            )
        )
    return parts


def cushion(rng: Rng) -> list[Part]:
    """A square cushion."""
    cloth = _cloth(rng)
    rim = [
        (-0.46, 0.92),
        (0, 0.88),
        (0.46, 0.92),
        (0.43, 0.46),
        (0.46, 0.0),
        (0, 0.04),
        (-0.46, 0.0),
        (-0.43, 0.46),
    ]
    dense: Outline = []
    for (ax, ay), (bx, by) in zip(rim, [*rim[1:], rim[0]], strict=True):
        dense += [(ax + (bx - ax) * t, ay + (by - ay) * t) for t in (0.0, 0.5)]
    pipe = Material(dim(cloth.colour, 0.8), gloss=0.05)
    return [
        Sheet(
            [(x * 1.015, 0.46 + (y - 0.46) * 1.015) for x, y in closed(dense, 6)],
            pipe,
            thick=0.03,
            round=0.02,
            layer=-0.01,
        ),
        Sheet(closed(dense, 6), cloth, thick=0.28, round=0.5, layer=0.0, folds=0.012),
    ]
