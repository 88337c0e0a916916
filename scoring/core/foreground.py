"""Where the product is: by what differs from a plain background; before a busy one by what the network sees.

Without a network's word (``scoring.core.locate``) the estimate on busy backgrounds is classical and modest.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy  # its parts load where first used: the web starts without
from PIL import Image

from scoring.core.compiled import compiled
from scoring.core.shares import middle_level
from scoring.core.shrink import shrinking, shrunk
from scoring.core.steps import mean
from scoring.core.types import Box, ByteArray, FloatArray

Mask = npt.NDArray[np.bool_]

WORK_SIDE = 160
RING_SHARE = 0.05
PLAIN_SPREAD = 9.0  # grey levels: median deviation of the outer ring below which it is one surface
TOLD_CONFIDENCE, GUESS_CONFIDENCE = 0.9, 0.5  # at most, of a network's word and of a classical guess
UNTOLD_CONFIDENCE = 0.1  # of a guess at the middle, where nothing differs from the rest, or everything
KNOWN_FROM = 0.55
CENTRE_BOX = Box(0.15, 0.15, 0.85, 0.85)


@dataclass(frozen=True, slots=True)
class Foreground:
    """``mask`` bool (h, w) at working size (<= 160 a side), ``box`` in fractions, ``confidence`` 0-1."""

    mask: Mask
    box: Box
    confidence: float
    plain_background: bool

    @property
    def middle(self) -> tuple[float, float]:
        """Where to look closely (fractions x, y): the product if it is known, else the picture's middle."""
        if not self.plain_background and self.confidence < KNOWN_FROM:
            return 0.5, 0.5
        return (self.box.left + self.box.right) / 2, (self.box.top + self.box.bottom) / 2


def estimate_foreground(rgb: ByteArray) -> Foreground:
    """Foreground of uint8 (H, W, 3), without asking a network."""
    return before_plain(rgb) or before_busy(rgb)


def before_plain(rgb: ByteArray) -> Foreground | None:
    """What differs from the outer ring, if that is one surface; None where it is not."""
    small = shrunk(rgb, WORK_SIDE)
    centre, spread = _surface(small)
    if spread >= PLAIN_SPREAD:
        return None
    return _sized(_solid(_apart(small, centre) > max(10.0, 3.0 * spread)), 0.9, plain=True)


def before_busy(rgb: ByteArray, likely: FloatArray | None = None) -> Foreground:
    """What ``likely`` (h, w), 0-1, says is the product; without it, what differs from the ring and is near
    the middle."""
    if likely is not None:
        height, width = rgb.shape[:2]
        factor = shrinking((height, width), WORK_SIDE)
        return _as_told(likely, -(-height // factor), -(-width // factor))
    small = shrunk(rgb, WORK_SIDE)
    distance = scipy.ndimage.gaussian_filter(_apart(small, _surface(small)[0]), 2.0)
    distance *= _centre_weight(*distance.shape)
    return _sized(_solid(distance > _otsu(distance)), GUESS_CONFIDENCE, plain=False)


def _surface(small: ByteArray) -> tuple[FloatArray, float]:
    """Colour (3,) of the outer ring, and by how much it usually varies, in levels."""
    ring = small.reshape(-1, 3).take(_ring(*small.shape[:2]), axis=0)
    centre = np.array([middle_level(counts) for counts in _met(ring)], dtype=np.float32)
    return centre, middle_level(_met_apart(ring, centre)) / 2


@compiled
def _met(ring: ByteArray) -> npt.NDArray[np.int64]:
    """How often each level of each channel is met (3, 256), of pixels (n, 3)."""
    counts = np.zeros((3, 256), dtype=np.int64)
    for n in range(len(ring)):
        for k in range(3):
            counts[k, ring[n, k]] += 1
    return counts


@compiled
def _met_apart(ring: ByteArray, centre: FloatArray) -> npt.NDArray[np.int64]:
    """How often values of all channels (n, 3) lie so many halves of a level from a colour (511,)."""
    counts = np.zeros(511, dtype=np.int64)
    for n in range(len(ring)):
        for k in range(3):
            counts[int(2 * abs(ring[n, k] - centre[k]))] += 1
    return counts


@compiled
def _apart(small: ByteArray, centre: FloatArray) -> FloatArray:
    """How far each place (h, w) is from a colour, in levels."""
    height, width = small.shape[:2]
    apart = np.empty((height, width), dtype=np.float32)
    for y in range(height):
        for x in range(width):
            total = np.float32(0)
            for k in range(3):
                away = np.float32(small[y, x, k]) - centre[k]
                total += away * away
            apart[y, x] = np.sqrt(total / np.float32(3))
    return apart


def _as_told(likely: FloatArray, height: int, width: int) -> Foreground:
    """Where the product is more likely than not, as sure as the places are."""
    told = _stretching(likely.shape[0], height) @ likely @ _stretching(likely.shape[1], width).T
    return _sized(_solid(told > 0.5), TOLD_CONFIDENCE * mean(np.abs(2 * told - 1)), plain=False)


@lru_cache(maxsize=32)
def _stretching(given: int, wanted: int) -> FloatArray:
    """What each of ``wanted`` places is made of (wanted, given), as Pillow resizes."""
    apart = Image.fromarray(np.eye(given, dtype=np.float32))
    return np.asarray(apart.resize((given, wanted), Image.Resampling.BILINEAR))


def _sized(mask: Mask, confidence: float, *, plain: bool) -> Foreground:
    """With its box, if it is neither nothing nor everything."""
    share = float(mask.mean())
    if not 0.004 < share < 0.985:
        return Foreground(_box_mask(*mask.shape), CENTRE_BOX, UNTOLD_CONFIDENCE, plain)
    return Foreground(mask, _box_of(mask), confidence * min(1.0, share / 0.03), plain)


@lru_cache(maxsize=16)
def _ring(height: int, width: int) -> npt.NDArray[np.intp]:
    """Which pixels of a picture are in the outer ring, counted row by row."""
    edge = max(1, round(min(height, width) * RING_SHARE))
    ring = np.ones((height, width), dtype=bool)
    ring[edge : height - edge, edge : width - edge] = False
    return np.flatnonzero(ring)


@lru_cache(maxsize=16)
def _centre_weight(height: int, width: int) -> FloatArray:
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    return np.asarray(np.exp(-1.2 * (x**2 + y**2)), dtype=np.float32)


def _solid(mask: Mask) -> Mask:
    """Close small holes, drop specks: keep parts of at least a tenth of the largest; and fill them."""
    bare = np.ones((mask.shape[0] + 2, mask.shape[1] + 2), dtype=bool)  # outside the picture is no product
    bare[1:-1, 1:-1] = ~grown(mask, 2)
    closed = ~grown(bare, 2)[1:-1, 1:-1] | mask
    places, sizes = labelled(closed)
    sizes[0] = 0
    if len(sizes) == 1:
        return mask
    holes, _ = labelled(~(sizes >= 0.1 * sizes.max()).take(places))
    outside = np.zeros(int(holes.max()) + 1, dtype=bool)  # what can be reached from the rim
    for rim in (holes[0], holes[-1], holes[:, 0], holes[:, -1]):
        outside[rim] = True
    outside[0] = False
    return np.asarray(~outside.take(holes))


@compiled
def labelled(mask: Mask) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """To which connected part of a mask each place (h, w) belongs, from 1 on, 0 where it is not; and how many
    places each has. Corners do not connect."""
    height, width = mask.shape
    places = np.zeros((height, width), dtype=np.int32)
    parent = np.zeros(height * (width // 2 + 1) + 1, dtype=np.int32)
    count = 0
    for y in range(height):
        for x in range(width):
            if not mask[y, x]:
                continue
            one = places[y - 1, x] if y > 0 else 0
            other = places[y, x - 1] if x > 0 else 0
            if one == 0 and other == 0:
                count += 1
                parent[count] = places[y, x] = count
                continue
            places[y, x] = max(one, other)
            if one == 0 or other == 0 or one == other:
                continue
            while parent[one] != one:
                one = parent[one]
            while parent[other] != other:
                other = parent[other]
            parent[max(one, other)] = min(one, other)
    names, found = np.zeros(count + 1, dtype=np.int32), 0
    for label in range(1, count + 1):  # a part's parent comes before it
        if parent[label] == label:
            found += 1
            names[label] = found
        else:
            names[label] = names[parent[label]]
    sizes = np.zeros(found + 1, dtype=np.int64)
    for y in range(height):
        for x in range(width):
            places[y, x] = names[places[y, x]]
            sizes[places[y, x]] += 1
    return places, sizes


@compiled
def grown(mask: Mask, times: int) -> Mask:
    """The mask and what is at most so many steps up, down, left or right of it."""
    height, width = mask.shape
    told = mask.copy()
    for _ in range(times):
        before = told.copy()
        for y in range(height):
            row, here = told[y], before[y]
            for x in range(1, width):
                row[x] |= here[x - 1]
            for x in range(width - 1):
                row[x] |= here[x + 1]
            if y > 0:
                for x in range(width):
                    row[x] |= before[y - 1, x]
            if y < height - 1:
                for x in range(width):
                    row[x] |= before[y + 1, x]
    return told


@compiled
def mask_at(mask: npt.NDArray[np.bool_], height: int, width: int) -> npt.NDArray[np.bool_]:
    """A mask of another size (h, w)."""
    told = np.empty((height, width), dtype=np.bool_)
    columns = np.arange(width) * mask.shape[1] // width
    for y in range(height):
        row = mask[y * mask.shape[0] // height]
        for x in range(width):
            told[y, x] = row[columns[x]]
    return told


def _otsu(values: FloatArray) -> float:
    """Threshold that parts the values into two tight groups (Otsu 1979)."""
    counts, edges = np.histogram(values, bins=64)
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts).astype(np.float64)
    above = below[-1] - below
    mass = np.cumsum(counts * middles)
    between = np.zeros(64)
    inner = (below > 0) & (above > 0)
    gap = mass[inner] / below[inner] - (mass[-1] - mass[inner]) / above[inner]
    between[inner] = below[inner] * above[inner] * gap**2
    return float(middles[int(between.argmax())])


def _box_of(mask: Mask) -> Box:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    height, width = mask.shape
    return Box(
        float(columns[0] / width),
        float(rows[0] / height),
        float((columns[-1] + 1) / width),
        float((rows[-1] + 1) / height),
    )


def _box_mask(height: int, width: int) -> Mask:
    mask = np.zeros((height, width), dtype=bool)
    mask[int(0.15 * height) : max(1, int(0.85 * height)), int(0.15 * width) : max(1, int(0.85 * width))] = (
        True
    )
    return mask
