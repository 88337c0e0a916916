"""The sample catalogue: pictures of things that do not exist, by sellers who do not exist, from one seed.

So that a first run has something worth rating: forty products seen two to four times each, by sellers
from the careful to the careless, about half the pictures with one capture fault.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image
from scipy import ndimage

from scoring.core.degrade import degrade, to_srgb
from scoring.core.studio import carried, furnishings, softs, wares, watches
from scoring.core.studio.light import Light, reach_of, shade, shadow, sheet_shadow
from scoring.core.studio.rays import draw
from scoring.core.studio.rooms import STUDIO, Frame, RoomKind, build_room
from scoring.core.studio.solids import Canvas, Part, view_of
from scoring.core.types import ByteArray, Defect, FloatArray

Rng = np.random.Generator
SEED = 2026
FINENESS = 1.1  # solids are drawn this much larger than they are shown, against ragged edges
GRAIN_SIDE = 1100
VIEWS = (3, 2, 4, 3)
SIZES = ((800, 800), (840, 840), (800, 900), (900, 800), (820, 820))
FRAMED = frozenset({Defect.CLUTTERED_BACKGROUND, Defect.PRODUCT_TOO_SMALL, Defect.OFF_CENTRE, Defect.CROPPED})


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture of the sample before it is taken. ``fault`` None: as well as the seller can."""

    seed: int
    product: int
    view: int
    fault: Defect | None
    severity: float

    @property
    def ware(self) -> Ware:
        """What is shown."""
        return WARES[self.product % len(WARES)]

    @property
    def seller(self) -> Seller:
        """Who takes it."""
        return SELLERS[(self.product * 7 + self.product // 5) % len(SELLERS)]

    @property
    def product_id(self) -> str:
        """The seller's number of the thing."""
        return f"{self.ware.category[:3].upper()}-{100 + self.product}"

    @property
    def name(self) -> str:
        """File name."""
        return f"{self.product_id}-{self.view + 1}.jpg"


@dataclass(frozen=True, slots=True)
class Seller:
    """Who takes the pictures: how often something goes wrong, and where they are taken."""

    name: str
    fault_share: float
    studio_share: float
    jpeg_quality: int


@dataclass(frozen=True, slots=True)
class Ware:
    """One kind of thing: how it is built, and whether it stands in the round, shows one side, or lies."""

    title: str
    category: str
    build: Callable[[Rng], list[Part]]
    stance: str = "solid"  # solid, front, flat


SELLERS = (
    Seller("North Harbour Goods", 0.25, 0.95, 94),
    Seller("Lindqvist & Daughters", 0.4, 0.7, 92),
    Seller("Studio Okra", 0.5, 0.5, 90),
    Seller("Mango Street Market", 0.7, 0.3, 86),
    Seller("Second Chance Depot", 0.9, 0.15, 82),
)
WARES = (
    Ware("Stoneware mug", "kitchen", wares.mug),
    Ware("Table lamp", "lighting", furnishings.lamp),
    Ware("Canvas sneaker", "shoes", carried.sneaker, "front"),
    Ware("Glass bottle", "beauty", wares.bottle),
    Ware("Oak chair", "furniture", furnishings.chair),
    Ware("Cotton T-shirt", "clothing", softs.shirt, "flat"),
    Ware("Houseplant in a pot", "home", furnishings.plant),
    Ware("Leather handbag", "bags", carried.handbag, "front"),
    Ware("Wristwatch", "accessories", watches.watch, "flat"),
    Ware("Serving bowl", "kitchen", wares.bowl),
    Ware("Desk lamp", "lighting", furnishings.desk_lamp),
    Ware("Hand soap", "beauty", wares.pump),
    Ware("Hooded pullover", "clothing", softs.hoodie, "flat"),
    Ware("Scented candle", "home", wares.candle),
    Ware("Bar stool", "furniture", furnishings.stool),
    Ware("Rucksack", "bags", carried.backpack, "front"),
    Ware("Teapot", "kitchen", wares.teapot),
    Ware("Headphones", "accessories", furnishings.headphones),
    Ware("Ceramic vase", "home", wares.vase),
    Ware("Night cream", "beauty", wares.jar),
    Ware("Market tote", "bags", carried.tote, "front"),
    Ware("Bookshelf speaker", "accessories", furnishings.speaker),
    Ware("Saucepan", "kitchen", wares.pan),
    Ware("Cushion", "home", softs.cushion, "front"),
    Ware("Eau de parfum", "beauty", wares.perfume),
    Ware("Gift box", "home", wares.gift_box),
)


def plan_catalogue(*, count: int = 120, seed: int = SEED) -> list[Shot]:
    """``count`` shots, the same for ever for one seed; a product's views follow each other."""
    deck = _faults(seed)
    shots: list[Shot] = []
    product = view = 0
    for _ in range(count):
        shots.append(_shot(product, view, seed, deck))
        view += 1
        if view == VIEWS[product % len(VIEWS)]:
            product, view = product + 1, 0
    return shots


def _faults(seed: int) -> Iterator[Defect]:
    """Faults without end, each family once before any comes again."""
    rng = np.random.default_rng([seed, 1])
    while True:
        yield from (list(Defect)[k] for k in rng.permutation(len(Defect)))


def _shot(product: int, view: int, seed: int, deck: Iterator[Defect]) -> Shot:
    plain = Shot(seed, product, view, None, 0.0)
    rng = np.random.default_rng([seed, product, view])
    if rng.random() >= (plain.seller.fault_share if view else 0.3 * plain.seller.fault_share):
        return plain
    return Shot(seed, product, view, next(deck), float(rng.uniform(0.25, 0.9)))


def render(shot: Shot) -> bytes:
    """The JPEG of a shot: the same bytes each time, about 0.3 s."""
    rng = np.random.default_rng([shot.seed, shot.product, shot.view, 1])
    parts = shot.ware.build(np.random.default_rng([shot.seed, shot.product]))
    rgb = _taken(shot.ware, shot.seller, parts, shot.view, shot.fault, shot.severity, rng)
    if shot.fault is not None and shot.fault not in FRAMED:
        rgb = degrade(rgb, shot.fault, shot.severity, rng).rgb
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "JPEG", quality=shot.seller.jpeg_quality, subsampling=0)
    return out.getvalue()


def _taken(
    ware: Ware,
    seller: Seller,
    parts: list[Part],
    view: int,
    fault: Defect | None,
    severity: float,
    rng: Rng,
) -> ByteArray:
    """The photo (h, w, 3) as it leaves the camera."""
    width, height = SIZES[int(rng.integers(len(SIZES)))]
    kind = _place(ware, seller, view, fault, rng)
    yaw = float(rng.uniform(-38, 38)) if ware.stance == "solid" else 0.0
    elevation = float(rng.uniform(9, 22)) if ware.stance == "solid" else float(rng.uniform(7, 12))
    turn = view_of(yaw=yaw, elevation=elevation)
    frame = _framed(parts, turn, (width, height), elevation, fault, severity, rng)
    room = build_room(kind, frame, rng)
    light = _light(kind, rng, room.tint)
    canvas = Canvas(
        round(width * FINENESS), round(height * FINENESS), scale=frame.scale * FINENESS, middle=frame.middle
    )
    draw(canvas, parts, turn)
    things = shade(canvas, parts, light, elevation=elevation)
    is_flat = ware.stance == "flat"
    dimmed = sheet_shadow(parts, frame, light) if is_flat else shadow(parts, turn, light, frame)
    ground = room.picture * (1 - (1 - dimmed) * room.floor)[..., None]
    return _developed(_composed(things, ground), studio=kind in STUDIO, rng=rng)


def _place(ware: Ware, seller: Seller, view: int, fault: Defect | None, rng: Rng) -> RoomKind:
    if fault is Defect.CLUTTERED_BACKGROUND:
        return RoomKind.STREWN if ware.stance == "flat" else RoomKind.MESS
    if rng.random() < seller.studio_share:
        shares = (0.62, 0.18, 0.2) if view == 0 else (0.4, 0.3, 0.3)
        return RoomKind(str(rng.choice(["white", "grey", "paper"], p=shares)))
    if ware.stance == "flat":
        return RoomKind.LINEN
    return RoomKind(str(rng.choice(["table", "shelf", "window"], p=(0.45, 0.3, 0.25))))


def _framed(
    parts: list[Part],
    turn: FloatArray,
    size: tuple[int, int],
    elevation: float,
    fault: Defect | None,
    severity: float,
    rng: Rng,
) -> Frame:
    """The camera's distance and aim: the product fills most of the picture, or what the fault makes of it."""
    low, high = reach_of(parts, turn)
    extent, middle = high - low, (low + high) / 2
    fill = float(rng.uniform(0.66, 0.8))
    shift = rng.uniform(-0.02, 0.02, 2)
    if fault is Defect.PRODUCT_TOO_SMALL:
        fill = 0.4 - 0.24 * severity
    elif fault is Defect.OFF_CENTRE:
        fill = float(rng.uniform(0.42, 0.5))
        shift = np.array([1, -1])[rng.integers(2, size=2)] * (0.12 + 0.1 * severity, 0.04 + 0.1 * severity)
    elif fault is Defect.CROPPED:
        fill = 1.0 + 0.25 * severity
        shift = np.array([1, -1])[rng.integers(2, size=2)] * (0.12 + 0.14 * severity, 0.1)
    scale = fill * float(min(size[0] / extent[0], size[1] / extent[1]))
    aim = middle - shift * np.array(size) / scale
    return Frame(size[0], size[1], scale, (float(aim[0]), float(aim[1])), elevation)


def _light(kind: RoomKind, rng: Rng, tint: tuple[float, float, float]) -> Light:
    side = -1.0 if rng.random() < 0.7 else 1.0
    key = (side * float(rng.uniform(0.4, 0.8)), float(rng.uniform(0.7, 1.0)), float(rng.uniform(0.45, 0.8)))
    if kind in STUDIO:
        return Light(key=key, floor=tint, softness=float(rng.uniform(0.6, 1.0)), fill=0.52)
    warm = float(rng.uniform(0.9, 1.0))
    return Light(
        key=key,
        power=float(rng.uniform(0.85, 1.05)),
        colour=(1.02, warm, warm * 0.93),
        fill=float(rng.uniform(0.32, 0.46)),
        floor=tint,
        softness=float(rng.uniform(0.35, 0.7)),
        panes=True,
    )


def _composed(things: FloatArray, ground: FloatArray) -> FloatArray:
    """``ground`` (h, w, 3) with things (H, W, 4), drawn larger, before it; linear."""
    height, width = ground.shape[:2]
    rows, columns = (np.flatnonzero((things[..., 3] > 0).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return ground
    stretch = (things.shape[1] / width, things.shape[0] / height)
    left, right = int(columns[0] / stretch[0]), min(width, int(columns[-1] / stretch[0]) + 2)
    top, bottom = int(rows[0] / stretch[1]), min(height, int(rows[-1] / stretch[1]) + 2)
    box = (left * stretch[0], top * stretch[1], right * stretch[0], bottom * stretch[1])
    things[..., :3] *= things[..., 3:]
    layers = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(things[..., k])).resize(
                (right - left, bottom - top), Image.Resampling.BILINEAR, box=box
            )
        )
        for k in range(4)
    ]
    part = ground[top:bottom, left:right]
    part *= (1 - layers[3])[..., None]
    for k in range(3):
        part[..., k] += layers[k]
    return ground


def _developed(linear: FloatArray, *, studio: bool, rng: Rng) -> ByteArray:
    """Linear light to a picture: highlights rolled off, vignette, grain."""
    height, width = linear.shape[:2]
    if not studio:
        y, x = np.linspace(-1, 1, height, dtype=np.float32), np.linspace(-1, 1, width, dtype=np.float32)
        linear *= (1 - 0.14 * (x[None, :] ** 2 + y[:, None] ** 2))[..., None]
        bright = linear > 0.8
        linear[bright] = 0.8 + 0.2 * np.tanh((linear[bright] - 0.8) / 0.2)
    top, left = (int(n) for n in rng.integers(0, GRAIN_SIDE - max(width, height), 2))
    grain = _grain()[top : top + height, left : left + width]
    strength = np.float32(0.0064 if studio else 0.016)
    return to_srgb(linear + strength * np.sqrt(np.maximum(linear, 0.01)) * grain)


@lru_cache(maxsize=1)
def _grain() -> FloatArray:
    """Sensor noise (side, side, 3), fixed; each picture sees another part of it."""
    drawn = np.random.default_rng(77).standard_normal((GRAIN_SIDE, GRAIN_SIDE, 3), dtype=np.float32)
    return np.asarray(ndimage.uniform_filter(drawn, (2, 2, 1)), dtype=np.float32)
