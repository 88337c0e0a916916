"""How light falls: soft boxes, the open sky of a room, bounce from the table, and shadows on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from scoring.core.studio.rooms import Frame
from scoring.core.studio.solids import Ball, Block, Canvas, Lathe, Part, Point, Sheet, Tube, frame_of, view_of
from scoring.core.studio.surface import Colour, Field, Material, noise_at

EDGE = 0.02  # share of light that even a dull dielectric mirrors head on
SHADOW_REDUCTION = 4


@dataclass(frozen=True, slots=True)
class Light:
    """``key`` points from the product to the main light (world); ``power`` and colours are linear.

    ``softness`` 0-1: 0 is a bare lamp, 1 a wide soft box. ``fill`` is the share of light from everywhere.
    """

    key: Point = (-0.55, 0.85, 0.65)
    power: float = 0.95
    colour: Colour = (1.0, 0.985, 0.96)
    sky: Colour = (1.0, 1.0, 1.02)
    fill: float = 0.5
    floor: Colour = (0.85, 0.85, 0.85)
    softness: float = 0.7
    panes: bool = False


def shade(canvas: Canvas, parts: Sequence[Part], light: Light, *, elevation: float) -> Field:
    """Linear colour with alpha (h, w, 4), float32, of everything the canvas shows."""
    picture = np.zeros((canvas.height, canvas.width, 4), dtype=np.float32)
    shown = canvas.which >= 0
    if not shown.any():
        return picture
    look = view_of(yaw=0, elevation=elevation)
    hollow = _hollows(canvas.depth, shown, canvas.scale)
    flat = np.flatnonzero(shown)
    owner = canvas.which.ravel()[flat]
    order = np.argsort(owner, kind="stable")
    flat, ends = flat[order], np.searchsorted(owner[order], np.arange(len(parts) + 1))
    normals, places, out = canvas.normal.reshape(3, -1), canvas.place.reshape(2, -1), picture.reshape(-1, 4)
    for which, part in enumerate(parts):
        mine = flat[ends[which] : ends[which + 1]]
        if len(mine):
            normal = np.take(normals, mine, axis=1).T
            place = np.take(places, mine, axis=1).T
            out[mine, :3] = _lit(part.material, normal, place, light, look) * hollow.ravel()[mine, None]
            out[mine, 3] = 1 - 0.62 * part.material.clear * np.abs(normal[:, 2])
    return picture


def _lit(material: Material, normal: Field, place: Field, light: Light, look: Field) -> Field:
    """Linear colour (N, 3) of one material at N pixels."""
    facing = np.where(normal[:, 2:] < 0, -normal, normal)
    u, v = place[:, 0], place[:, 1]
    if material.grain:
        facing = facing + material.grain * np.stack(
            [noise_at(u * 3, v * 3, slope=0.4, seed=8), noise_at(u * 3, v * 3, slope=0.4, seed=9), 0 * u],
            axis=1,
        )
        facing /= np.linalg.norm(facing, axis=1, keepdims=True)
    body = np.broadcast_to(np.array(material.colour, dtype=np.float32), facing.shape)
    if material.pattern is not None:
        body = np.asarray(material.pattern(body, u, v), dtype=np.float32)
    key = look @ _unit(light.key)
    up = look[:, 1]
    straight = facing @ key
    wrap = np.float32(0.35 * light.softness)
    direct = np.clip((straight + wrap) / (1 + wrap), 0, 1)[:, None] * light.power
    above = (facing @ up)[:, None]
    sky = np.array(light.sky, dtype=np.float32) * (light.fill * (0.62 + 0.38 * above))
    bounce = np.array(light.floor, dtype=np.float32) * (0.22 * light.fill * np.clip(-above + 0.15, 0, 1))
    colour = (
        body
        * (direct * np.array(light.colour, dtype=np.float32) + sky + bounce)
        * (1 - 0.85 * material.metal)
    )
    if material.clear:
        through = np.clip(-straight, 0, 1)[:, None] * 0.7 + 0.25
        colour = colour * (1 - 0.4 * material.clear) + body * through * material.clear
    if material.glow:
        colour = colour + body * material.glow * (0.55 + 0.45 * facing[:, 2:])
    return np.asarray(colour + _mirrored(material, facing, body, light, look), dtype=np.float32)


def _mirrored(material: Material, facing: Field, body: Field, light: Light, look: Field) -> Field:
    """What the surface mirrors of two soft boxes, the ceiling and the table."""
    if material.gloss <= 0 and material.metal <= 0:
        return np.zeros_like(facing)
    nz = facing[:, 2:]
    back = 2 * nz * facing
    back[:, 2] -= 1
    key = look @ _unit(light.key)
    blur = 0.04 + 0.5 * (1 - material.sharp) ** 2
    size = 0.16 + 0.3 * light.softness
    main = _box(back, key, size, size * 1.35, blur, light.panes)
    side = look @ _unit((0.95, 0.25, 0.12))
    strip = _box(back, side, 0.1, 0.75, blur, False) * 0.5
    level = (back @ look[:, 1])[:, None]
    room = np.where(level > 0, 0.28 + 0.35 * level, 0.22 + 0.1 * level) * light.fill
    seen = (main + strip)[:, None] * light.power * 2.6 * (0.25 + 0.75 * material.sharp) + room
    fresnel = EDGE + (1 - EDGE) * (1 - np.clip(nz, 0, 1)) ** 5
    plain = seen * fresnel * material.gloss * 1.6 * (1 - material.metal)
    return np.asarray(plain + body * seen * material.metal * 1.15, dtype=np.float32)


def _box(back: Field, key: Field, width: float, height: float, blur: float, panes: bool) -> Field:
    """How much of a rectangular light stands in each mirrored direction (N,), 0-1."""
    frame = frame_of((float(key[0]), float(key[1]), float(key[2])))
    ahead = back @ frame[2]
    x, y = np.abs(back @ frame[0]), np.abs(back @ frame[1])
    soft = max(blur, 0.01)
    lit = np.clip((width - x) / soft + 0.5, 0, 1) * np.clip((height - y) / soft + 0.5, 0, 1)
    if panes:
        lit = lit * np.clip((x - 0.02) / soft + 0.5, 0.1, 1) * np.clip((y - 0.02) / soft + 0.5, 0.1, 1)
    return np.asarray(lit * (ahead > 0) / (1 + 6 * blur), dtype=np.float32)


def _hollows(depth: Field, shown: Field, scale: float) -> Field:
    """Less light where something nearer stands around (h, w), 0.45-1."""
    near = np.where(shown, depth, 0)[::4, ::4]
    there = shown[::4, ::4].astype(np.float32)
    result = np.ones_like(near)
    for radius in (0.03, 0.1):
        size = max(3, int(radius * scale / 2)) | 1
        mass = ndimage.uniform_filter(ndimage.uniform_filter(there, size), size) + 1e-3
        mean = ndimage.uniform_filter(ndimage.uniform_filter(near * there, size), size) / mass
        gap = np.clip((mean - near) / (radius * 1.6), 0, 1) * np.minimum(1, mass * 1.2)
        result -= 0.3 * gap
    wide = Image.fromarray(result).resize((depth.shape[1], depth.shape[0]), Image.Resampling.BILINEAR)
    return np.asarray(wide, dtype=np.float32)


def reach_of(parts: Sequence[Part], view: Field) -> tuple[Field, Field]:
    """Lowest and highest view coordinates (u, v) of some parts."""
    points = [cloud @ view.T for part in parts if not isinstance(part, Sheet) for cloud in _clouds(part)]
    flat = [np.asarray(part.outline) for part in parts if isinstance(part, Sheet)]
    every = np.concatenate([*(cloud[:, :2] for cloud in points), *flat])
    return every.min(axis=0), every.max(axis=0)


def shadow(parts: Sequence[Part], view: Field, light: Light, canvas: Frame) -> Field:
    """Share of light (height, width) that reaches the table: 1 in the open, less in the shade."""
    side = (canvas.width // SHADOW_REDUCTION, canvas.height // SHADOW_REDUCTION)
    scale = canvas.scale / SHADOW_REDUCTION
    turn = view_of(yaw=0, elevation=canvas.elevation).T @ view  # yaw alone
    toward = _unit(light.key)
    drop = np.array([toward[0] / toward[1], toward[2] / toward[1]], dtype=np.float32)
    shade_of = np.ones((side[1], side[0]), dtype=np.float32)
    lean = float(np.sin(np.radians(canvas.elevation)))
    for cast, strength, spread in ((0.0, 0.5, 0.05), (1.0, 0.42, 0.10 + 0.25 * light.softness)):
        layers = (Image.new("L", side), Image.new("L", side), Image.new("L", side))
        pens = [ImageDraw.Draw(layer) for layer in layers]
        for part in parts:
            for points in _clouds(part):
                world = points @ turn.T
                if cast == 0 and world[:, 1].min() > 0.25:
                    continue
                place = np.stack(
                    [world[:, 0] - cast * drop[0] * world[:, 1], world[:, 2] - cast * drop[1] * world[:, 1]],
                    axis=1,
                )
                spot = np.stack([place[:, 0], -lean * place[:, 1]], axis=1) - np.array(canvas.middle)
                pixel = spot * [scale, -scale] + [side[0] / 2, side[1] / 2]
                level = min(2, int(world[:, 1].mean() * 3.2))
                _fill(pens[level], pixel)
        for level, layer in enumerate(layers):
            blur = max(1.0, scale * spread * (0.35 + 0.75 * level))
            soft = ndimage.gaussian_filter(
                np.asarray(layer, dtype=np.float32) / 255, (blur * max(lean, 0.3), blur), truncate=2.5
            )
            shade_of *= 1 - strength * (1 - 0.25 * level) * soft
    wide = Image.fromarray(shade_of).resize((canvas.width, canvas.height), Image.Resampling.BILINEAR)
    return np.asarray(wide, dtype=np.float32)


def _clouds(part: Part) -> list[Field]:
    """Points (N, 3) in the world on hulls that together make up a part."""
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    if isinstance(part, Lathe):
        frame, at = frame_of(part.axis), np.asarray(part.at)
        hoops = [at + (ring * r) @ frame + frame[2] * h for r, h in part.profile if r > 1e-3]
        return [np.concatenate(hoops[k : k + 2]) for k in range(len(hoops) - 1)]
    if isinstance(part, Tube):
        points = np.asarray(part.points)
        radii = np.broadcast_to(np.asarray(part.radius), (len(points),))
        ball = _sphere()
        return [
            np.concatenate([points[k] + ball * radii[k], points[k + 1] + ball * radii[k + 1]])
            for k in range(len(points) - 1)
        ]
    if isinstance(part, Ball):
        return [np.asarray(part.centre) + (_sphere() * part.radii) @ np.asarray(part.turn)]
    if isinstance(part, Block):
        corner = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
        return [np.asarray(part.centre) + (corner * part.half) @ np.asarray(part.turn)]
    rim = np.asarray(part.outline)[::4]
    return [np.concatenate([np.column_stack([rim, np.full(len(rim), z)]) for z in (-0.12, 0.12)])]


def sheet_shadow(parts: Sequence[Part], canvas: Frame, light: Light, *, lift: float = 0.05) -> Field:
    """Share of light (height, width) on a surface just behind flat things."""
    side = (canvas.width // SHADOW_REDUCTION, canvas.height // SHADOW_REDUCTION)
    scale = canvas.scale / SHADOW_REDUCTION
    layer = Image.new("L", side)
    pen = ImageDraw.Draw(layer)
    key = _unit(light.key)
    for part in parts:
        if isinstance(part, Sheet):
            spot = np.asarray(part.outline) - np.array(canvas.middle) - lift * key[:2] * [1, 1]
            pixel = spot * [scale, -scale] + [side[0] / 2, side[1] / 2]
            pen.polygon([(float(x), float(y)) for x, y in pixel], fill=255)
    mask = np.asarray(layer, dtype=np.float32) / 255
    near = ndimage.gaussian_filter(mask, scale * 0.02)
    far = ndimage.gaussian_filter(mask, scale * 0.07)
    wide = Image.fromarray(1 - 0.34 * near - 0.3 * far).resize(
        (canvas.width, canvas.height), Image.Resampling.BILINEAR
    )
    return np.asarray(wide, dtype=np.float32)


def _sphere() -> Field:
    k = np.arange(24) + 0.5
    y = 1 - k / 12
    turn = k * 2.399963
    return np.stack([np.cos(turn) * np.sqrt(1 - y * y), y, np.sin(turn) * np.sqrt(1 - y * y)], axis=1).astype(
        np.float32
    )


def _fill(pen: ImageDraw.ImageDraw, points: Field) -> None:
    try:
        hull = points[ConvexHull(points).vertices]
    except QhullError:
        return
    pen.polygon([(float(x), float(y)) for x, y in hull], fill=255)


def _unit(vector: Point) -> Field:
    wide = np.asarray(vector, dtype=np.float32)
    return np.asarray(wide / np.linalg.norm(wide), dtype=np.float32)
