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

from scoring.core.shares import middle
from scoring.core.steps import mean
from scoring.core.types import Box, ByteArray, FloatArray

Mask = npt.NDArray[np.bool_]
Pixels = ByteArray | Image.Image

WORK_SIDE = 160
RING_SHARE = 0.05
PLAIN_SPREAD = 9.0  # grey levels: median deviation of the outer ring below which it is one surface
TOLD_CONFIDENCE, GUESS_CONFIDENCE = 0.9, 0.5  # at most, of a network's word and of a classical guess
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


def estimate_foreground(rgb: Pixels) -> Foreground:
    """Foreground of a picture, or of uint8 (H, W, 3), without asking a network."""
    return before_plain(rgb) or before_busy(rgb)


def before_plain(rgb: Pixels) -> Foreground | None:
    """What differs from the outer ring, if that is one surface; None where it is not."""
    small = shrink(rgb, WORK_SIDE)
    centre, spread = _surface(small)
    if spread >= PLAIN_SPREAD:
        return None
    return _sized(_solid(_apart(small, centre) > max(10.0, 3.0 * spread)), 0.9, plain=True)


def before_busy(rgb: Pixels, likely: FloatArray | None = None) -> Foreground:
    """What ``likely`` (h, w), 0-1, says is the product; without it, what differs from the ring and is near
    the middle."""
    if likely is not None:
        width, height = rgb.size if isinstance(rgb, Image.Image) else rgb.shape[1::-1]
        factor = shrinking((width, height), WORK_SIDE)
        return _as_told(likely, -(-height // factor), -(-width // factor))
    small = shrink(rgb, WORK_SIDE)
    distance = scipy.ndimage.gaussian_filter(_apart(small, _surface(small)[0]), 2.0)
    distance *= _centre_weight(*distance.shape)
    return _sized(_solid(distance > _otsu(distance)), GUESS_CONFIDENCE, plain=False)


def _surface(small: FloatArray) -> tuple[FloatArray, float]:
    """Colour (3,) of the outer ring, and by how much it usually varies, in levels."""
    border = small.reshape(-1, 3).take(_ring(*small.shape[:2]), axis=0).T
    centre = np.array([middle(channel) for channel in border], dtype=np.float32)
    return centre, middle(np.abs(border - centre[:, None]).ravel())


def _apart(small: FloatArray, centre: FloatArray) -> FloatArray:
    """How far each place (h, w) is from a colour, in levels."""
    apart = small - centre
    return np.asarray(np.sqrt(np.einsum("hwc,hwc->hw", apart, apart) / 3), dtype=np.float32)


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
        return Foreground(_box_mask(*mask.shape), CENTRE_BOX, 0.1, plain)
    return Foreground(mask, _box_of(mask), confidence * min(1.0, share / 0.03), plain)


def shrink(rgb: Pixels, longest: int) -> FloatArray:
    """``shrunk`` as float32."""
    return shrunk(rgb, longest).astype(np.float32)


def shrunk(rgb: Pixels, longest: int) -> ByteArray:
    """Box-averaged copy (h, w, 3) with no side over ``longest``; small pictures pass unchanged."""
    image = Image.fromarray(rgb) if isinstance(rgb, np.ndarray) else rgb
    factor = shrinking(image.size, longest)
    return np.asarray(image.reduce(factor) if factor > 1 else image, dtype=np.uint8)


def shrinking(size: tuple[int, int], longest: int) -> int:
    """The whole factor that brings a picture to at most ``longest``; 1 for one that is small already."""
    return max(1, -(-max(size) // longest))


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
    """Close small holes, drop specks: keep parts of at least a tenth of the largest."""
    bare = np.ones((mask.shape[0] + 2, mask.shape[1] + 2), dtype=bool)  # outside the picture is no product
    bare[1:-1, 1:-1] = ~grown(mask, 2)
    closed = ~grown(bare, 2)[1:-1, 1:-1] | mask
    labels, count = scipy.ndimage.label(closed)
    if count == 0:
        return mask
    if count == 1:
        return _filled(closed)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return _filled((sizes >= 0.1 * sizes.max()).take(labels))


def grown(mask: Mask, times: int) -> Mask:
    """The mask and what is at most so many steps up, down, left or right of it."""
    height, width = mask.shape
    stride = width + 1  # a column of nothing, so that steps past the ends of rows lead nowhere
    wide = np.zeros((height, stride), dtype=bool)
    wide[:, :-1] = mask
    for _ in range(times):
        before, after = wide.ravel().copy(), wide.ravel()
        for apart in (1, stride):
            after[apart:] |= before[:-apart]
            after[:-apart] |= before[apart:]
        wide[:, -1] = False
    return wide[:, :-1]


def _filled(mask: Mask) -> Mask:
    """With what cannot be reached from the rim."""
    labels, count = scipy.ndimage.label(~mask)
    outside = np.zeros(count + 1, dtype=bool)
    for rim in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        outside[rim] = True
    outside[0] = False
    return np.asarray(~outside.take(labels))


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
