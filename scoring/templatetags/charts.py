"""Geometry of the small charts: numbers in, points and ticks out. The drawing stands in the templates.

Every chart is an SVG made on the server: it needs no script, prints, and carries its figures as text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 480.0, 220.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 12.0, 12.0, 40.0
TICKS = 4


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis: where it stands and what it says."""

    at: float
    words: str


@dataclass(frozen=True, slots=True)
class Line:
    """One series, ready to draw: SVG points of the line, of its band, and its single points."""

    name: str
    points: str
    band: str
    dots: list[tuple[float, float]]
    number: int


@dataclass(frozen=True, slots=True)
class Frame:
    """Lines with their axes."""

    lines: list[Line]
    x_ticks: list[Tick]
    y_ticks: list[Tick]


def finite(values: Iterable[Any]) -> list[float]:
    """The numbers among ``values``; what is missing or not a number is left out."""
    numbers = (float(value) for value in values if value is not None)
    return [number for number in numbers if math.isfinite(number)]


def polyline(points: Iterable[tuple[float, float]]) -> str:
    """SVG ``points`` with one decimal."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def spark_points(
    values: Sequence[float], *, width: float = 96, height: float = 24
) -> list[tuple[float, float]]:
    """Values spread over the width, the largest at the top; a flat row runs through the middle."""
    low, high = min(values), max(values)
    step = width / max(1, len(values) - 1)
    share = (lambda value: (value - low) / (high - low)) if high > low else (lambda value: 0.5)
    return [(i * step, 2 + (1 - share(value)) * (height - 4)) for i, value in enumerate(values)]


def nice_ticks(low: float, high: float, count: int = TICKS, *, least: float = 0.0) -> list[float]:
    """Round numbers that cover ``low``..``high`` in about ``count`` steps of 1, 2 or 5, ``least`` or more."""
    if high <= low:
        low, high = low - 0.5, high + 0.5
    rough = max((high - low) / count, least)
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 5, 10) if rough <= factor * power * 1.0001)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(n * step, 10) for n in range(first, last + 1)]


def frame_of(series: Sequence[Mapping[str, Any]]) -> Frame | None:
    """Axes and lines for ``[{"name", "points": [(x, y), …], "low": [y, …], "high": [y, …]}]``.

    None where no series has a point. ``low`` and ``high`` give the band and are optional.
    """
    xs = finite(x for one in series for x, _ in one["points"])
    ys = finite(
        y
        for one in series
        for y in [*(y for _, y in one["points"]), *one.get("low", ()), *one.get("high", ())]
    )
    if not xs or not ys:
        return None
    counted = all(x.is_integer() for x in xs)  # epochs, labels: there is no half of one
    x_marks = nice_ticks(min(xs), max(xs), least=float(counted))
    y_marks = nice_ticks(min(ys), max(ys))

    def x_at(x: float) -> float:
        return LEFT + (x - x_marks[0]) / (x_marks[-1] - x_marks[0]) * (WIDTH - LEFT - RIGHT)

    def y_at(y: float) -> float:
        return HEIGHT - BOTTOM - (y - y_marks[0]) / (y_marks[-1] - y_marks[0]) * (HEIGHT - TOP - BOTTOM)

    lines = []
    for number, one in enumerate(series, start=1):
        dots = [(x_at(float(x)), y_at(float(y))) for x, y in one["points"]]
        edge = [x for x, _ in dots]
        band = [
            *zip(edge, map(y_at, map(float, one.get("high", ()))), strict=False),
            *reversed(list(zip(edge, map(y_at, map(float, one.get("low", ()))), strict=False))),
        ]
        lines.append(Line(str(one["name"]), polyline(dots), polyline(band), dots, number))
    return Frame(
        lines,
        [Tick(x_at(mark), f"{mark:g}") for mark in x_marks],
        [Tick(y_at(mark), f"{mark:g}") for mark in y_marks],
    )


def shares(values: Sequence[float], *, width: float = 100.0) -> list[float]:
    """Widths of bars: the largest fills ``width``, none is negative."""
    top = max([*values, 0.0])
    return [max(0.0, value) / top * width if top else 0.0 for value in values]
