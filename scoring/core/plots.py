"""Small plots as SVG, written by hand: no plotting library is needed to look at an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
SIDE, LEFT, BOTTOM, TOP = 360, 46, 40, 30
INK, MARK, LINE = "#333", "#2563a8", "#999"


def scatter(people: Array, predicted: Array, *, title: str) -> str:
    """Predicted against people's scores 0-100, with the line of perfect agreement."""
    dots = "".join(
        f'<circle cx="{_x(p / 100):.1f}" cy="{_y(q / 100):.1f}" r="2" fill="{MARK}" fill-opacity="0.45"/>'
        for p, q in zip(people, predicted, strict=True)
    )
    return _sheet(title, "people's score", "predicted score", _diagonal() + dots, ends=(0, 100))


def reliability(promised: Sequence[float], kept: Sequence[float], *, title: str) -> str:
    """Promised against kept probability, 0-1."""
    points = [(_x(p), _y(k)) for p, k in zip(promised, kept, strict=True)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    marks = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{MARK}"/>' for x, y in points)
    line = f'<polyline points="{path}" fill="none" stroke="{MARK}" stroke-width="2"/>'
    return _sheet(title, "promised", "kept", _diagonal() + line + marks, ends=(0, 1))


def _sheet(title: str, across: str, up: str, body: str, *, ends: tuple[float, float]) -> str:
    width, height = LEFT + SIDE + 14, TOP + SIDE + BOTTOM
    ticks = ""
    for share in (0, 0.25, 0.5, 0.75, 1):
        value = f"{ends[0] + share * (ends[1] - ends[0]):g}"
        ticks += f'<text x="{_x(share):.0f}" y="{TOP + SIDE + 15}" text-anchor="middle">{value}</text>'
        ticks += f'<text x="{LEFT - 6}" y="{_y(share) + 4:.0f}" text-anchor="end">{value}</text>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12" fill="{INK}">'
        f'<rect width="{width}" height="{height}" fill="#fff"/>'
        f'<text x="{LEFT}" y="19" font-size="14">{escape(title)}</text>'
        f'<rect x="{LEFT}" y="{TOP}" width="{SIDE}" height="{SIDE}" fill="none" stroke="{LINE}"/>{ticks}'
        f'<text x="{LEFT + SIDE / 2}" y="{height - 8}" text-anchor="middle">{escape(across)}</text>'
        f'<text transform="translate(12 {TOP + SIDE / 2}) rotate(-90)" text-anchor="middle">'
        f"{escape(up)}</text>"
        f"{body}</svg>\n"
    )


def _diagonal() -> str:
    return (
        f'<line x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}" stroke="{LINE}" stroke-dasharray="4 4"/>'
    )


def _x(share: float) -> float:
    return LEFT + SIDE * min(1.0, max(0.0, share))


def _y(share: float) -> float:
    return TOP + SIDE * (1 - min(1.0, max(0.0, share)))
