"""A wristwatch, which takes as many parts as everything else together."""

from __future__ import annotations

import numpy as np

from scoring.core.studio.softs import ellipse, strap
from scoring.core.studio.solids import Part, Sheet
from scoring.core.studio.surface import Colour, Material, speckles, srgb
from scoring.core.studio.wares import BLACK, BRASS, STEEL

Rng = np.random.Generator


def watch(rng: Rng) -> list[Part]:
    """A wristwatch seen from the front."""
    metal = Material(BRASS if rng.random() < 0.35 else STEEL, gloss=1.0, sharp=0.9, metal=1.0)
    band = Material(
        srgb(str(rng.choice(("5a3522", "1d1e22", "a9835a", "2d4a3e", "39404f")))),
        gloss=0.3,
        sharp=0.35,
        grain=0.05,
    )
    stitch = Material(srgb("d8c7a8"), gloss=0.0)
    tone: Colour = srgb(str(rng.choice(("f4f1ea", "1b2430", "20352b", "ded6c6"))))
    dial = Material(tone, gloss=0.12, sharp=0.7, pattern=speckles(tone, share=0.01))
    dark = sum(tone) > 1.2
    hand = Material(BLACK if dark else srgb("f2efe8"), gloss=0.4, sharp=0.6)
    centre = 0.55
    ribbon = [(0.0, 1.1), (0.005, 0.8)], [(0.0, 0.3), (-0.004, 0.0)]
    parts: list[Part] = [
        Sheet(strap(list(piece), 0.26), band, thick=0.05, round=0.05, layer=0.0) for piece in ribbon
    ]
    for x in (-0.105, 0.105):
        parts += [
            Sheet(strap([(x, a), (x, b)], 0.008), stitch, thick=0.004, round=0.006, layer=0.05)
            for a, b in ((1.07, 0.86), (0.24, 0.03))
        ]
    parts += [
        Sheet(
            strap([(s * 0.15, centre + t * 0.2), (s * 0.145, centre + t * 0.31)], 0.05),
            metal,
            thick=0.05,
            round=0.02,
            layer=0.03,
        )
        for s in (-1, 1)
        for t in (-1, 1)
    ]
    parts += [
        Sheet(ellipse(0.315, centre, 0.035, 0.04), metal, thick=0.04, round=0.03, layer=0.02),
        Sheet(ellipse(0, centre, 0.295, 0.295, 96), metal, thick=0.09, round=0.05, layer=0.03),
        Sheet(ellipse(0, centre, 0.245, 0.245, 96), dial, thick=0.001, round=0.02, layer=0.125),
    ]
    for k in range(12):
        a = np.radians(30 * k)
        inner, outer = (0.18 if k % 3 == 0 else 0.2), 0.225
        mark = [(float(np.sin(a) * r), float(centre + np.cos(a) * r)) for r in (inner, outer)]
        parts.append(
            Sheet(strap(mark, 0.016 if k % 3 == 0 else 0.009), hand, thick=0.004, round=0.008, layer=0.13)
        )
    for angle, size, width in ((-58.0, 0.12, 0.02), (62.0, 0.18, 0.014), (190.0, 0.2, 0.005)):
        a = np.radians(angle)
        tip = [
            (float(-np.sin(a) * 0.03), float(centre - np.cos(a) * 0.03)),
            (float(np.sin(a) * size), float(centre + np.cos(a) * size)),
        ]
        parts.append(Sheet(strap(tip, width), hand, thick=0.006, round=0.008, layer=0.14))
    parts.append(Sheet(ellipse(0, centre, 0.016, 0.016), metal, thick=0.01, round=0.01, layer=0.15))
    return parts
