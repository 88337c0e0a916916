"""Where rays meet the solids: every part of a product onto a canvas, the nearest surface kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy import ndimage

from scoring.core.studio.solids import TINY, Ball, Block, Canvas, Lathe, Part, Sheet, Tube, frame_of
from scoring.core.studio.surface import Field

CREASE = 0.75  # cosine: profile corners sharper than this stay sharp
BULGE_STEPS = 3


def draw(canvas: Canvas, parts: Sequence[Part], view: Field) -> None:
    """Draw every part; ``canvas.which`` names the part by its index."""
    for which, part in enumerate(parts):
        if isinstance(part, Lathe):
            _draw_lathe(canvas, part, view, which)
        elif isinstance(part, Tube):
            _draw_tube(canvas, part, view, which)
        elif isinstance(part, Ball):
            _draw_ball(canvas, part, view, which)
        elif isinstance(part, Block):
            _draw_block(canvas, part, view, which)
        else:
            _draw_sheet(canvas, part, which)


def _draw_lathe(canvas: Canvas, part: Lathe, view: Field, which: int) -> None:
    frame = frame_of(part.axis) @ view.T  # rows in view coordinates
    start = view @ np.asarray(part.at, dtype=np.float32)
    profile = np.asarray(part.profile, dtype=np.float64)
    normals = _profile_normals(profile)
    run = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(profile, axis=0).T))])
    for k in range(len(profile) - 1):
        (ra, ha), (rb, hb) = profile[k], profile[k + 1]
        ends = (float(run[k]), float(run[k + 1]))
        if abs(hb - ha) < 0.02 * abs(rb - ra):
            _ring(canvas, start + frame[2] * ha, frame, sorted((ra, rb)), normals[k], ends, which)
        elif abs(hb - ha) > TINY:
            _frustum(canvas, start + frame[2] * ha, frame, (ra, rb), float(hb - ha), normals[k], ends, which)


def _profile_normals(profile: npt.NDArray[np.float64]) -> Field:
    """Normals (segments, 2 ends, 2) of (radius, height), smooth over gentle corners."""
    step = np.diff(profile, axis=0)
    flat = np.stack([step[:, 1], -step[:, 0]], axis=1)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), TINY)
    both = np.repeat(flat[:, None, :], 2, axis=1)
    for k in range(len(flat) - 1):
        if flat[k] @ flat[k + 1] > CREASE:
            middle = flat[k] + flat[k + 1]
            both[k, 1] = both[k + 1, 0] = middle / np.linalg.norm(middle)
    return both.astype(np.float32)


def _frustum(
    canvas: Canvas,
    a: Field,
    frame: Field,
    radii: tuple[float, float],
    rise: float,
    normals: Field,
    run: tuple[float, float],
    which: int,
) -> None:
    """A cone's mantle from ``a`` along the frame's third axis; both walls, near and far."""
    w = frame[2] * np.float32(np.sign(rise))
    length, (ra, rb) = abs(rise), radii
    b = a + w * length
    across = np.sqrt(np.maximum(0, 1 - w[:2] ** 2))
    low = np.minimum(a[:2] - across * ra, b[:2] - across * rb)
    area = canvas.region(low, np.maximum(a[:2] + across * ra, b[:2] + across * rb))
    if area is None:
        return
    u, v = canvas.rays(*area)
    k = np.float32((rb - ra) / length)
    grow = 1 + k * k
    along = (u - a[0]) * w[0] + ((v - a[1]) * w[1] - a[2] * w[2])
    square = 1 - w[2] * w[2] * grow
    square = np.float32(square if abs(square) > 1e-5 else 1e-5)
    half = along * (-w[2] * grow) - (a[2] + ra * k * w[2])
    rest = ((u - a[0]) ** 2 + (a[2] ** 2 - ra * ra)) + (v - a[1]) ** 2 - along * (along * grow + 2 * ra * k)
    inside = half * half - square * rest
    root = np.sqrt(np.maximum(inside, 0))

    def surface(x: Field, y: Field, depth: Field) -> tuple[list[Field], list[Field]]:
        at = (x - a[0], y - a[1], depth - a[2])
        height = at[0] * w[0] + at[1] * w[1] + at[2] * w[2]
        out = [at[k] - height * w[k] for k in range(3)]
        size = np.sqrt(out[0] ** 2 + out[1] ** 2 + out[2] ** 2) + TINY
        share = np.clip(height / length, 0, 1)
        outward = (normals[0, 0] + (normals[1, 0] - normals[0, 0]) * share) / size
        upward = normals[0, 1] + (normals[1, 1] - normals[0, 1]) * share
        sides = [out[0] * frame[j, 0] + out[1] * frame[j, 1] + out[2] * frame[j, 2] for j in (0, 1)]
        angle = np.arctan2(sides[0], sides[1]) * np.float32(1 / (2 * np.pi))
        normal = [outward * out[j] + upward * frame[2, j] for j in range(3)]
        return normal, [angle, run[0] + (run[1] - run[0]) * share]

    for sign in (1, -1):
        depth = (sign * root - half) / square
        height = along + depth * w[2]
        canvas.put(area, depth, (inside >= 0) & (height >= -1e-4) & (height <= length + 1e-4), which, surface)


def _ring(
    canvas: Canvas,
    a: Field,
    frame: Field,
    radii: Sequence[float],
    normals: Field,
    run: tuple[float, float],
    which: int,
) -> None:
    """A flat ring or disc across the axis."""
    w = frame[2]
    if abs(w[2]) < 1e-4:
        return
    across = np.sqrt(np.maximum(0, 1 - w[:2] ** 2)) * radii[1]
    area = canvas.region(a[:2] - across, a[:2] + across)
    if area is None:
        return
    u, v = canvas.rays(*area)
    depth = (a @ w - u * w[0] - v * w[1]) / w[2]
    size = np.sqrt((u - a[0]) ** 2 + (v - a[1]) ** 2 + (depth - a[2]) ** 2)
    side = np.float32(normals[0, 1])

    def surface(x: Field, y: Field, z: Field) -> tuple[list[np.floating], list[Field]]:
        out = (x - a[0], y - a[1], z - a[2])
        sides = [out[0] * frame[j, 0] + out[1] * frame[j, 1] + out[2] * frame[j, 2] for j in (0, 1)]
        angle = np.arctan2(sides[0], sides[1]) * np.float32(1 / (2 * np.pi))
        return [side * w[j] for j in range(3)], [angle, run[0] + np.hypot(sides[0], sides[1])]

    canvas.put(area, depth, (size >= radii[0]) & (size <= radii[1]), which, surface)


def _draw_tube(canvas: Canvas, part: Tube, view: Field, which: int) -> None:
    points = np.asarray(part.points, dtype=np.float32) @ view.T
    radii = np.broadcast_to(np.asarray(part.radius, dtype=np.float32), (len(points),))
    straight = np.zeros((2, 2), dtype=np.float32) + np.array([1, 0], dtype=np.float32)
    run = 0.0
    for k in range(len(points) - 1):
        step = points[k + 1] - points[k]
        length = float(np.linalg.norm(step))
        if length < TINY:
            continue
        frame = frame_of((float(step[0]), float(step[1]), float(step[2])))
        ends = (run, run + length)
        _frustum(
            canvas, points[k], frame, (float(radii[k]), float(radii[k + 1])), length, straight, ends, which
        )
        run += length
    for k in range(len(points)):
        _quadric(canvas, points[k], np.eye(3, dtype=np.float32) / radii[k], which)


def _draw_ball(canvas: Canvas, part: Ball, view: Field, which: int) -> None:
    axes = np.asarray(part.turn, dtype=np.float32) @ view.T
    shape = axes / np.asarray(part.radii, dtype=np.float32)[:, None]
    _quadric(canvas, view @ np.asarray(part.centre, dtype=np.float32), shape, which)


def _quadric(canvas: Canvas, c: Field, shape: Field, which: int) -> None:
    """The ellipsoid |shape (p - c)| = 1."""
    metric = shape.T @ shape
    reach = np.sqrt(np.diag(np.linalg.inv(metric)))[:2]
    area = canvas.region(c[:2] - reach, c[:2] + reach)
    if area is None:
        return
    u, v = canvas.rays(*area)
    du, dv = u - c[0], v - c[1]
    half = (metric[0, 2] * du + metric[1, 2] * dv) / metric[2, 2]
    rest = (metric[0, 0] * du * du + 2 * metric[0, 1] * du * dv + metric[1, 1] * dv * dv - 1) / metric[2, 2]
    inside = half * half - rest

    def surface(x: Field, y: Field, z: Field) -> tuple[list[Field], list[Field]]:
        at = (x - c[0], y - c[1], z - c[2])
        raw = [metric[j, 0] * at[0] + metric[j, 1] * at[1] + metric[j, 2] * at[2] for j in range(3)]
        size = np.sqrt(raw[0] ** 2 + raw[1] ** 2 + raw[2] ** 2) + TINY
        own = [shape[j, 0] * at[0] + shape[j, 1] * at[1] + shape[j, 2] * at[2] for j in range(3)]
        return [n / size for n in raw], [np.arctan2(own[0], own[2]) * np.float32(1 / (2 * np.pi)), own[1]]

    canvas.put(area, np.sqrt(np.maximum(inside, 0)) - half + c[2], inside >= 0, which, surface)


def _draw_block(canvas: Canvas, part: Block, view: Field, which: int) -> None:
    axes = np.asarray(part.turn, dtype=np.float32) @ view.T
    half = np.asarray(part.half, dtype=np.float32)
    c = view @ np.asarray(part.centre, dtype=np.float32)
    reach = np.abs(axes.T) @ half
    area = canvas.region((c - reach)[:2], (c + reach)[:2])
    if area is None:
        return
    u, v = canvas.rays(*area)
    du, dv = u - c[0], v - c[1]
    near = np.full((v.shape[0], u.shape[1]), np.inf, dtype=np.float32)
    far = -near
    for k in range(3):
        at, pace = axes[k, 0] * du + axes[k, 1] * dv, axes[k, 2]
        if abs(pace) < 1e-5:
            far = np.where(np.abs(at) > half[k], np.inf, far)
            continue
        middle, wide = -at / pace, abs(half[k] / pace)
        near, far = np.minimum(near, middle + wide), np.maximum(far, middle - wide)
    soft = np.float32(max(part.bevel, 1e-3))

    def surface(x: Field, y: Field, z: Field) -> tuple[list[Field], list[Field]]:
        at = (x - c[0], y - c[1], z - c[2])
        own = [axes[j, 0] * at[0] + axes[j, 1] * at[1] + axes[j, 2] * at[2] for j in range(3)]
        edge = [np.sign(q) * np.maximum(np.abs(q) - (half[j] - soft), 0) for j, q in enumerate(own)]
        size = np.sqrt(edge[0] ** 2 + edge[1] ** 2 + edge[2] ** 2) + TINY
        normal = [sum(edge[j] * axes[j, i] for j in range(3)) / size for i in range(3)]
        face = np.abs(np.stack(own) / half[:, None]).argmax(axis=0)
        return normal, [np.where(face == 0, own[2], own[0]), np.where(face == 1, own[2], own[1])]

    canvas.put(area, near + c[2], near >= far, which, surface)


def _draw_sheet(canvas: Canvas, part: Sheet, which: int) -> None:
    outline = np.asarray(part.outline, dtype=np.float32)
    area = canvas.region(outline.min(axis=0) - 0.01, outline.max(axis=0) + 0.01)
    if area is None:
        return
    u, v = canvas.rays(*area)
    if min(u.shape[1], v.shape[0]) < 2:  # a sliver at the rim has no slope
        return
    spot = np.stack(
        [(outline[:, 0] - u[0, 0]) * canvas.scale, (v[0, 0] - outline[:, 1]) * canvas.scale], axis=1
    )
    stencil = Image.new("L", (u.shape[1], v.shape[0]))
    ImageDraw.Draw(stencil).polygon([(float(x), float(y)) for x, y in spot], fill=255)
    mask = np.asarray(stencil) > 127
    height = _bulge(mask, part.round * canvas.scale) * part.thick
    if part.folds:
        height += part.folds * _creases(u, v) * np.minimum(1, height / (part.thick + TINY))
    slopes = np.gradient(height * np.float32(canvas.scale))

    def surface(x: Field, y: Field, z: Field) -> tuple[list[Field], list[Field]]:
        column = np.round((x - u[0, 0]) * canvas.scale).astype(np.intp)
        row = np.round((v[0, 0] - y) * canvas.scale).astype(np.intp)
        a, b = np.asarray(slopes[1])[row, column], np.asarray(slopes[0])[row, column]
        size = np.sqrt(a * a + b * b + 1)
        return [-a / size, b / size, 1 / size], [x, y]

    canvas.put(area, height + np.float32(part.layer), mask, which, surface)


def _bulge(mask: npt.NDArray[np.bool_], reach: float) -> Field:
    """Height 0-1 over a mask (h, w): round at its rim, level ``reach`` pixels inside it."""
    size = max(3, int(reach * 0.8)) | 1
    soft = np.pad(mask.astype(np.float32), size)
    for _ in range(BULGE_STEPS):
        soft = ndimage.uniform_filter(soft, size)
    soft = soft[size:-size, size:-size]
    inner = np.clip((soft - 0.3) / 0.7, 0, 1)
    return np.asarray(np.sqrt(inner * (2 - inner)), dtype=np.float32)


def _creases(u: Field, v: Field) -> Field:
    """Slow waves as cloth makes them when it hangs or lies."""
    return np.asarray(
        0.5 * np.sin(9 * u + 2.5 * np.sin(4 * v)) * np.cos(3 * v + 1.3 * np.sin(5 * u))
        + 0.3 * np.sin(15 * v - 6 * u + 1.5 * np.sin(7 * u)),
        dtype=np.float32,
    )
