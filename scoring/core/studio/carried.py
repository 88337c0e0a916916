"""Things one wears or carries, seen from their best side: shoes and bags."""

from __future__ import annotations

import numpy as np

from scoring.core.studio.softs import closed, ellipse, strap
from scoring.core.studio.solids import Part, Sheet
from scoring.core.studio.surface import Material, both, dim, label, printed, srgb, weave
from scoring.core.studio.wares import BLACK, BRASS, STEEL

Rng = np.random.Generator


def sneaker(rng: Rng) -> list[Part]:
    """A low shoe seen from its side."""
    tones = ("f1efea", "23262d", "8d2f33", "3d5a6b", "c9b28a", "56694f", "d9852f")
    upper_code, accent_code = (str(c) for c in rng.choice(np.array(tones), 2, replace=False))
    leather = Material(srgb(upper_code), gloss=0.22, sharp=0.35, grain=0.05)
    mesh = Material(srgb(upper_code), gloss=0.03, pattern=weave(0.45, period=0.014))
    accent = Material(srgb(accent_code), gloss=0.3, sharp=0.4, grain=0.03)
    rubber = Material(srgb("efece4") if rng.random() < 0.7 else srgb("c79a62"), gloss=0.12, sharp=0.3)
    lace = Material(
        srgb("f4f2ec") if rng.random() < 0.7 else srgb("1d1d20"), gloss=0.02, pattern=weave(0.3, period=0.01)
    )
    inner = Material(srgb("2a2a2c"), gloss=0.0)
    sole = closed(
        [
            (-0.69, 0.1),
            (-0.69, 0.02),
            (-0.45, 0.0),
            (0.2, 0.0),
            (0.55, 0.01),
            (0.7, 0.08),
            (0.68, 0.125),
            (0.4, 0.1),
            (0, 0.105),
            (-0.4, 0.11),
        ]
    )
    upper = closed(
        [
            (-0.66, 0.1),
            (-0.68, 0.28),
            (-0.64, 0.5),
            (-0.5, 0.53),
            (-0.3, 0.44),
            (-0.14, 0.45),
            (0.06, 0.4),
            (0.3, 0.27),
            (0.58, 0.2),
            (0.67, 0.11),
            (0.3, 0.08),
            (-0.3, 0.09),
        ]
    )
    toe = closed([(0.34, 0.1), (0.37, 0.2), (0.47, 0.235), (0.6, 0.19), (0.67, 0.115), (0.5, 0.085)])
    heel = closed([(-0.665, 0.1), (-0.68, 0.3), (-0.655, 0.4), (-0.56, 0.38), (-0.5, 0.2), (-0.48, 0.1)])
    tongue = closed([(-0.28, 0.43), (-0.2, 0.6), (-0.12, 0.63), (-0.06, 0.57), (-0.08, 0.42)])
    mouth = closed([(-0.6, 0.515), (-0.5, 0.54), (-0.3, 0.47), (-0.2, 0.46), (-0.32, 0.425), (-0.5, 0.5)])
    eyestay = closed([(-0.17, 0.45), (0.05, 0.405), (0.3, 0.275), (0.28, 0.2), (0.04, 0.31), (-0.2, 0.36)])
    parts: list[Part] = [
        Sheet(tongue, leather, thick=0.05, round=0.06, layer=-0.05),
        Sheet(upper, mesh, thick=0.16, round=0.2, layer=0.0, folds=0.004),
        Sheet(mouth, inner, thick=0.01, round=0.02, layer=0.12),
        Sheet(toe, leather, thick=0.06, round=0.1, layer=0.1),
        Sheet(heel, accent, thick=0.05, round=0.08, layer=0.1),
        Sheet(eyestay, leather, thick=0.03, round=0.04, layer=0.15),
        Sheet(sole, rubber, thick=0.13, round=0.06, layer=0.1),
    ]
    for k in range(2):
        x = -0.28 + 0.12 * k
        stripe = strap([(x, 0.12), (x + 0.05, 0.24), (x + 0.16, 0.34)], 0.05)
        parts.append(Sheet(stripe, accent, thick=0.02, round=0.02, layer=0.155))
    for k in range(5):
        x, y = -0.12 + 0.085 * k, 0.425 - 0.033 * k
        parts.append(
            Sheet(
                strap([(x - 0.03, y + 0.035), (x + 0.01, y - 0.02), (x + 0.03, y - 0.06)], 0.026),
                lace,
                thick=0.03,
                round=0.015,
                layer=0.19,
            )
        )
    parts.append(
        Sheet(
            strap([(-0.66, 0.085), (0.0, 0.075), (0.66, 0.095)], 0.012),
            accent,
            thick=0.004,
            round=0.01,
            layer=0.235,
        )
    )
    return parts


def tote(rng: Rng) -> list[Part]:
    """A cloth bag with two handles."""
    words = (("MARKET", "est. 1962"), ("LEEK", "& sons"), ("HARBOUR", "books"))
    title, small = words[int(rng.integers(len(words)))]
    sheet = printed(((title, 0.17), (small, 0.09)), ink=(44, 50, 66))
    canvas = Material(
        srgb(str(rng.choice(("e3d9c4", "c9cfc6", "d8c0b0", "efe9dc")))),
        gloss=0.0,
        pattern=both(label(sheet, left=-0.23, right=0.23, low=0.14, high=0.6), weave(0.3, period=0.012)),
    )
    plain = Material(canvas.colour, gloss=0.0, pattern=weave(0.3, period=0.008))
    body = closed(
        [
            (-0.42, 0.74),
            (-0.2, 0.75),
            (0.2, 0.745),
            (0.42, 0.74),
            (0.44, 0.4),
            (0.41, 0.02),
            (0.2, 0.0),
            (-0.2, 0.0),
            (-0.41, 0.02),
            (-0.44, 0.4),
        ],
        6,
    )
    hem = strap([(-0.42, 0.72), (0, 0.728), (0.42, 0.72)], 0.05)
    loop = [(-0.2, 0.72), (-0.21, 0.95), (-0.1, 1.16), (0.1, 1.16), (0.21, 0.95), (0.2, 0.72)]
    behind = [(x * 0.94, y - 0.03) for x, y in loop]
    return [
        Sheet(
            strap(behind, 0.055),
            Material(dim(plain.colour, 0.8), gloss=0.0),
            thick=0.02,
            round=0.03,
            layer=-0.06,
        ),
        Sheet(body, canvas, thick=0.11, round=0.22, layer=0.0, folds=0.012),
        Sheet(hem, plain, thick=0.012, round=0.02, layer=0.108),
        Sheet(strap(loop, 0.055), plain, thick=0.025, round=0.03, layer=0.11),
    ]


def handbag(rng: Rng) -> list[Part]:
    """A leather bag with a flap and a clasp."""
    leather = Material(
        srgb(str(rng.choice(("7a3b28", "2a2b30", "a9793f", "5d2a35", "41584b", "c9a58c")))),
        gloss=0.4,
        sharp=0.42,
        grain=0.05,
    )
    edge = Material(dim(leather.colour, 0.6), gloss=0.3)
    gold = Material(BRASS, gloss=1.0, sharp=0.85, metal=1.0)
    body = closed(
        [
            (-0.5, 0.5),
            (-0.4, 0.58),
            (0.4, 0.58),
            (0.5, 0.5),
            (0.52, 0.1),
            (0.44, 0.0),
            (-0.44, 0.0),
            (-0.52, 0.1),
        ],
        8,
    )
    flap = closed(
        [
            (-0.5, 0.5),
            (-0.44, 0.6),
            (0, 0.62),
            (0.44, 0.6),
            (0.5, 0.5),
            (0.42, 0.3),
            (0.2, 0.2),
            (0, 0.18),
            (-0.2, 0.2),
            (-0.42, 0.3),
        ],
        8,
    )
    seam = strap(
        [(-0.47, 0.47), (-0.4, 0.315), (-0.19, 0.222), (0, 0.205), (0.19, 0.222), (0.4, 0.315), (0.47, 0.47)],
        0.008,
    )
    loop = [(-0.3, 0.58), (-0.31, 0.82), (-0.16, 0.99), (0.16, 0.99), (0.31, 0.82), (0.3, 0.58)]
    parts: list[Part] = [
        Sheet(strap(loop, 0.055), leather, thick=0.05, round=0.03, layer=-0.02),
        Sheet(body, leather, thick=0.16, round=0.16, layer=0.0),
        Sheet(flap, leather, thick=0.05, round=0.06, layer=0.14),
        Sheet(seam, edge, thick=0.002, round=0.01, layer=0.19),
        Sheet(ellipse(0, 0.25, 0.055, 0.055), gold, thick=0.03, round=0.04, layer=0.18),
        Sheet(ellipse(0, 0.25, 0.022, 0.022), edge, thick=0.01, round=0.02, layer=0.215),
    ]
    return parts + [
        Sheet(ellipse(s * 0.3, 0.6, 0.04, 0.04), gold, thick=0.03, round=0.03, layer=0.18) for s in (-1, 1)
    ]


def backpack(rng: Rng) -> list[Part]:
    """A rucksack with a front pocket and zips."""
    code, other = (
        str(c)
        for c in rng.choice(
            np.array(("36454f", "8d5a3a", "55614a", "a33b32", "c9b89a", "26282c")), 2, replace=False
        )
    )
    nylon = Material(srgb(code), gloss=0.12, sharp=0.3, pattern=weave(0.22, period=0.009))
    trim = Material(srgb(other), gloss=0.25, sharp=0.3, grain=0.04)
    steel = Material(STEEL, gloss=0.9, sharp=0.8, metal=1.0)
    body = closed(
        [
            (-0.36, 0.1),
            (-0.38, 0.5),
            (-0.34, 0.86),
            (-0.2, 1.0),
            (0.2, 1.0),
            (0.34, 0.86),
            (0.38, 0.5),
            (0.36, 0.1),
            (0.28, 0.0),
            (-0.28, 0.0),
        ],
        8,
    )
    pocket = closed(
        [
            (-0.28, 0.08),
            (-0.3, 0.3),
            (-0.26, 0.44),
            (0.26, 0.44),
            (0.3, 0.3),
            (0.28, 0.08),
            (0.2, 0.05),
            (-0.2, 0.05),
        ],
        8,
    )
    base = closed(
        [(-0.365, 0.14), (-0.34, 0.04), (-0.28, 0.0), (0.28, 0.0), (0.34, 0.04), (0.365, 0.14), (0, 0.12)], 6
    )
    handle = [(-0.1, 0.98), (-0.09, 1.09), (0.09, 1.09), (0.1, 0.98)]
    side = [
        Sheet(
            closed([(s * 0.36, 0.14), (s * 0.47, 0.2), (s * 0.46, 0.42), (s * 0.37, 0.46)], 8),
            nylon,
            thick=0.08,
            round=0.1,
            layer=-0.04,
        )
        for s in (-1, 1)
    ]
    return [
        *side,
        Sheet(strap(handle, 0.05), trim, thick=0.04, round=0.03, layer=0.0),
        Sheet(body, nylon, thick=0.2, round=0.26, layer=0.0, folds=0.008),
        Sheet(base, trim, thick=0.06, round=0.08, layer=0.15),
        Sheet(pocket, nylon, thick=0.1, round=0.12, layer=0.16, folds=0.005),
        Sheet(
            strap([(-0.3, 0.72), (-0.2, 0.8), (0.2, 0.8), (0.3, 0.72)], 0.018),
            Material(BLACK, gloss=0.2),
            thick=0.008,
            round=0.01,
            layer=0.2,
        ),
        Sheet(
            strap([(-0.24, 0.4), (0.24, 0.4)], 0.018),
            Material(BLACK, gloss=0.2),
            thick=0.01,
            round=0.01,
            layer=0.255,
        ),
        Sheet(strap([(0.22, 0.4), (0.225, 0.32)], 0.022), steel, thick=0.02, round=0.01, layer=0.26),
        Sheet(
            [(-0.1, 0.66), (0.1, 0.66), (0.1, 0.58), (-0.1, 0.58)], trim, thick=0.012, round=0.02, layer=0.2
        ),
    ]
