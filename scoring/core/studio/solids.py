"""Solids seen through a lens without perspective, met by exact rays: depth, normal and place per pixel.

World: x right, y up, z towards the viewer; products stand on y = 0 and are about one unit tall. View: the
same turned by the product's yaw and the camera's elevation, so that the third axis points at the viewer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from scoring.core.studio.surface import Field, Material

Point = tuple[float, float, float]
TINY = 1e-6


@dataclass(frozen=True, slots=True)
class Lathe:
    """A body of revolution: ``profile`` of (radius, height) along ``axis`` from ``at``, outside first."""

    profile: Sequence[tuple[float, float]]
    material: Material
    at: Point = (0.0, 0.0, 0.0)
    axis: Point = (0.0, 1.0, 0.0)


@dataclass(frozen=True, slots=True)
class Tube:
    """A round rod along points, its radius given once or per point."""

    points: Sequence[Point]
    radius: float | Sequence[float]
    material: Material


@dataclass(frozen=True, slots=True)
class Ball:
    """An ellipsoid with half axes ``radii``, its own axes the rows of ``turn``."""

    centre: Point
    radii: Point
    material: Material
    turn: Field = field(default_factory=lambda: np.eye(3, dtype=np.float32))


@dataclass(frozen=True, slots=True)
class Block:
    """A box with half sides ``half`` and edges softened over ``bevel``."""

    centre: Point
    half: Point
    material: Material
    turn: Field = field(default_factory=lambda: np.eye(3, dtype=np.float32))
    bevel: float = 0.015


@dataclass(frozen=True, slots=True)
class Sheet:
    """A soft flat thing facing the viewer: a closed ``outline`` (N, 2) blown up by ``thick``.


    It is level further than ``round`` from its rim and keeps its place whatever the yaw; ``layer`` says
    what lies on what.
    """

    outline: Sequence[tuple[float, float]]
    material: Material
    thick: float = 0.06
    round: float = 0.1
    layer: float = 0.0
    folds: float = 0.0


Part = Lathe | Tube | Ball | Block | Sheet
# From view coordinates u, v and depth (N,) to the normal (3 of N) and the place on the surface (2 of N).
Surface = Callable[
    [Field, Field, Field],
    tuple[Sequence[Field | np.floating], Sequence[Field]],
]


class Canvas:
    """What each pixel (height, width) shows: ``depth`` (-inf: nothing), ``normal``, ``place``, ``which``."""

    def __init__(self, width: int, height: int, *, scale: float, middle: tuple[float, float]) -> None:
        self.scale, self.middle = scale, middle
        self.width, self.height = width, height
        self.depth = np.full((height, width), -np.inf, dtype=np.float32)
        self.normal = np.zeros((3, height, width), dtype=np.float32)
        self.place = np.zeros((2, height, width), dtype=np.float32)
        self.which = np.full((height, width), -1, dtype=np.int16)

    def region(self, low: Field, high: Field) -> tuple[slice, slice] | None:
        """Rows and columns that may show something between two corners of the view plane."""
        left = int((low[0] - self.middle[0]) * self.scale + self.width / 2) - 1
        right = int((high[0] - self.middle[0]) * self.scale + self.width / 2) + 2
        top = int(self.height / 2 - (high[1] - self.middle[1]) * self.scale) - 1
        bottom = int(self.height / 2 - (low[1] - self.middle[1]) * self.scale) + 2
        left, right = max(0, left), min(self.width, right)
        top, bottom = max(0, top), min(self.height, bottom)
        return (slice(top, bottom), slice(left, right)) if left < right and top < bottom else None

    def rays(self, rows: slice, columns: slice) -> tuple[Field, Field]:
        """View coordinates u (1, w) and v (h, 1) of the pixels' middles."""
        u = (np.arange(columns.start, columns.stop) + 0.5 - self.width / 2) / self.scale + self.middle[0]
        v = (self.height / 2 - np.arange(rows.start, rows.stop) - 0.5) / self.scale + self.middle[1]
        return u.astype(np.float32)[None, :], v.astype(np.float32)[:, None]

    def put(
        self,
        area: tuple[slice, slice],
        depth: Field,
        seen: npt.NDArray[np.bool_],
        which: int,
        surface: Surface,
    ) -> None:
        """Keep what is nearer than what stood there; ``surface`` is asked for the pixels that won only."""
        rows, columns = np.nonzero(seen & (depth > self.depth[area]))
        if not len(rows):
            return
        u, v = self.rays(*area)
        won = depth[rows, columns]
        normal, place = surface(u[0, columns], v[rows, 0], won)
        at = (rows + area[0].start) * self.width + columns + area[1].start
        self.depth.ravel()[at], self.which.ravel()[at] = won, which
        for axis in range(3):
            self.normal[axis].ravel()[at] = normal[axis]
        for axis in range(2):
            self.place[axis].ravel()[at] = place[axis]


def view_of(*, yaw: float, elevation: float) -> Field:
    """World to view (3, 3), angles in degrees."""
    a, e = np.radians(yaw), np.radians(elevation)
    turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    look = np.array([[1, 0, 0], [0, np.cos(e), -np.sin(e)], [0, np.sin(e), np.cos(e)]])
    return np.asarray(look @ turn, dtype=np.float32)


def frame_of(axis: Point) -> Field:
    """Rows: two directions across ``axis`` and the axis itself, all of length one."""
    w = np.asarray(axis, dtype=np.float64)
    w = w / np.linalg.norm(w)
    other = np.array([1.0, 0, 0]) if abs(w[0]) < 0.9 else np.array([0, 0, 1.0])
    e2 = np.cross(other, w)
    e2 /= np.linalg.norm(e2)
    return np.stack([np.cross(w, e2), e2, w]).astype(np.float32)
