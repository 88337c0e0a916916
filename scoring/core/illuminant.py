"""Which colour the light has, by six estimates that fail on different photos.

None is right on every photo: yellow goods look like warm light to one, a photo without anything white
misleads the next. Heads read them all, each by how far it lies towards warm, cold, green and magenta, since
photos are taken under warm light often and under green light hardly ever. Units: log2, of sRGB values.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from scoring.core.compiled import compiled
from scoring.core.shares import middle
from scoring.core.types import ByteArray, FloatArray

Counts = npt.NDArray[np.int64]

ESTIMATES = ("common", "highlight", "peak", "bright", "dark", "grey")
TOWARDS = ("warm", "cold", "green", "magenta")
TINT_NAMES = (*(f"tint_{name}_{side}" for name in ESTIMATES for side in TOWARDS), "tint_doubt")

BRIGHTEST_SHARE = 0.03
PEAK_SHARE = 0.01
BINS = (48, 24)  # of red against blue, and of green against both
BIN = 0.05
USUAL_LIGHT = 0.25  # spread of the light's colour that is expected before looking
TONES = {"bright": (160.0, 245.0), "dark": (20.0, 80.0)}  # levels
COLOURLESS = 0.5  # saturation below which a surface may be grey
GREY_SHARE = 0.03
FEWEST_PIXELS = 60
LEAST_CONTRAST = 0.06
FLOOR = 4.0  # levels added before a logarithm, so that dark noise says little


def tint_of(levels: ByteArray) -> dict[str, float]:
    """All TINT_NAMES of a picture's red, green and blue (3, h, w), 0-255."""
    seen = _seen(levels)
    told = {
        "common": _common(seen.counts),
        "highlight": balance(_brightest(seen.by_brightness)),
        "peak": balance(_peaks(seen.channels)),
        **{name: _tone(*seen.tones[k], seen.places) for k, name in enumerate(TONES)},
    }
    told["grey"], doubt = _grey(levels)
    parts = {
        f"tint_{name}_{side}": max(0.0, value)
        for name, (warm, greener) in told.items()
        for side, value in zip(TOWARDS, (warm, -warm, greener, -greener), strict=True)
    }
    return {**parts, "tint_doubt": doubt}


def balance(colour: npt.NDArray[np.float64]) -> tuple[float, float]:
    """log2 of red against blue, and of green against both."""
    red, green, blue = np.log2(colour + 1.0)
    return float(red - blue), float(green - (red + blue) / 2)


class _Seen(NamedTuple):
    """Of ``places`` pixels, every second of every second row: how often each bin of colours is met where
    there is light (BINS and one more on all sides); sums of red, green, blue and one by brightness less
    colour (766, 4), from -255 on; how often each level of each channel is met (3, 256); and of each of the
    tones warmth (n,) and greenness (n,) where there is little colour."""

    places: int
    counts: Counts
    by_brightness: Counts
    channels: Counts
    tones: list[tuple[FloatArray, FloatArray]]


def _seen(levels: ByteArray) -> _Seen:
    thin = np.ascontiguousarray(levels[:, ::2, ::2]).reshape(3, -1)
    counts = np.zeros((BINS[0] + 2, BINS[1] + 2), dtype=np.int64)
    by_brightness, channels = np.zeros((766, 4), dtype=np.int64), np.zeros((3, 256), dtype=np.int64)
    toned, found = np.empty((len(TONES), 2, thin.shape[1]), dtype=np.float32), np.zeros(len(TONES), np.int64)
    _look(thin, _LOGS, np.array(list(TONES.values())), counts, by_brightness, channels, toned, found)
    tones = [(toned[k, 0, :n], toned[k, 1, :n]) for k, n in enumerate(found)]
    return _Seen(thin.shape[1], counts, by_brightness, channels, tones)


@compiled
def _look(
    thin: ByteArray,
    logs: FloatArray,
    tones: npt.NDArray[np.float64],
    counts: Counts,
    by_brightness: Counts,
    channels: Counts,
    toned: FloatArray,
    found: Counts,
) -> None:
    """Fill what ``_Seen`` holds, of pixels (3, n)."""
    for n in range(thin.shape[1]):
        red, green, blue = np.int32(thin[0, n]), np.int32(thin[1, n]), np.int32(thin[2, n])
        high, low = max(max(red, green), blue), min(min(red, green), blue)
        channels[0, red] += 1
        channels[1, green] += 1
        channels[2, blue] += 1
        of = by_brightness[3 * low - high + 255]
        of[0] += red
        of[1] += green
        of[2] += blue
        of[3] += 1
        warmth = logs[red] - logs[blue]
        greenness = logs[green] - (logs[red] + logs[blue]) / np.float32(2)
        luma = (red + green + blue) / 3
        if luma > 30 and low < 250:
            row = min(max(warmth / BIN + (BINS[0] // 2 + 1), 0), BINS[0] + 1)
            column = min(max(greenness / BIN + (BINS[1] // 2 + 1), 0), BINS[1] + 1)
            counts[int(row), int(column)] += 1
        if high - low < COLOURLESS * (high + 1.0):
            for k in range(len(tones)):
                if tones[k, 0] <= luma < tones[k, 1]:
                    toned[k, 0, found[k]] = warmth
                    toned[k, 1, found[k]] = greenness
                    found[k] += 1


def _brightest(by_brightness: Counts) -> npt.NDArray[np.float64]:
    """Mean colour of where it is brightest and least coloured."""
    below = np.cumsum(by_brightness[:, 3])
    level = np.searchsorted(below, int((1 - BRIGHTEST_SHARE) * (below[-1] - 1)), side="right")
    sums = by_brightness[level:].sum(axis=0)
    return np.asarray(sums[:3] / sums[3])


def _peaks(channels: Counts) -> npt.NDArray[np.float64]:
    """Each channel's own brightest values (white patch)."""
    below = np.cumsum(channels, axis=1)
    rank = int((1 - PEAK_SHARE) * (below[0, -1] - 1))
    return np.asarray((below <= rank).sum(axis=1), dtype=np.float64)


def _common(counts: Counts) -> tuple[float, float]:
    """The most common colour among those that light may have, the more usual ones preferred."""
    inner = counts[1:-1, 1:-1]  # a bin more on all sides took what is too far from grey
    if not inner.any():
        return 0.0, 0.0
    table = np.sqrt(_SMOOTH[0] @ inner.astype(np.float32) @ _SMOOTH[1]) * _PRIOR
    at = np.unravel_index(int(table.argmax()), BINS)
    return float(_MIDDLES[0][at[0]]), float(_MIDDLES[1][at[1]])


def _smoothing(count: int) -> FloatArray:
    """What spreads each of so many bins over those beside it (count, count), by 1, 4, 6, 4, 1."""
    apart = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    return np.select([apart == 0, apart == 1, apart == 2], [6, 4, 1], 0).astype(np.float32)


_SMOOTH = tuple(_smoothing(count) for count in BINS)
_MIDDLES = tuple((np.arange(count) + 0.5 - count / 2) * BIN for count in BINS)
_PRIOR = np.exp(-((_MIDDLES[0][:, None] / 2) ** 2 + _MIDDLES[1][None, :] ** 2) / (2 * USUAL_LIGHT**2)).astype(
    np.float32
)


_LOGS = np.log2(np.arange(256, dtype=np.float32) + np.float32(FLOOR))


def _tone(warmth: FloatArray, greenness: FloatArray, places: int) -> tuple[float, float]:
    """Middle colour of surfaces of one brightness that may be grey, if enough of so many places are."""
    if len(warmth) <= 0.01 * places:
        return 0.0, 0.0
    return middle(warmth), middle(greenness)


def _grey(levels: ByteArray) -> tuple[tuple[float, float], float]:
    """Colour of edges along which all channels change alike, as on grey; and how unlike they still do.

    Every second row is asked.

    Qian, Kamarainen, Nikkanen and Matas, On finding gray pixels, 2019.
    """
    if min(levels.shape[1:]) < 3:
        return (0.0, 0.0), 1.0
    lengths = _lengths(levels)
    unlike, warmth, greenness = _edges(levels, _LOGS, np.log2(lengths, out=lengths))
    if len(unlike) <= FEWEST_PIXELS:
        return (0.0, 0.0), 1.0
    count = max(30, int(GREY_SHARE * len(unlike)))
    best = np.flatnonzero(unlike <= np.partition(unlike, count - 1)[count - 1])[:count]
    return (middle(warmth[best]), middle(greenness[best])), middle(unlike[best])


@compiled
def _lengths(levels: ByteArray) -> FloatArray:
    """How bright all channels together are (h, w), and FLOOR."""
    _, height, width = levels.shape
    lengths = np.empty((height, width), dtype=np.float32)
    for y in range(height):
        for x in range(width):
            r, g, b = np.float32(levels[0, y, x]), np.float32(levels[1, y, x]), np.float32(levels[2, y, x])
            lengths[y, x] = np.sqrt(r * r + g * g + b * b) + np.float32(FLOOR)
    return lengths


@compiled
def _edges(
    levels: ByteArray, logs: FloatArray, lengths: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Of every edge (n,) in every second row that is neither dark, burnt out nor of strong colour: how unlike
    channels change there, warmth and greenness. ``lengths`` (h, w): log2 of how bright it is."""
    height, width = lengths.shape
    room = ((height - 1) // 2) * width
    told, found = np.empty((3, room), dtype=np.float32), 0
    turns = np.empty(width, dtype=np.float32)
    for y in range(1, height - 1, 2):
        for x in range(1, width - 1):
            beside = lengths[y, x - 1] + lengths[y, x + 1] + lengths[y - 1, x] + lengths[y + 1, x]
            turns[x] = np.float32(4) * lengths[y, x] - beside
        for x in range(1, width - 1):
            own = turns[x]
            if abs(own) <= np.float32(LEAST_CONTRAST):
                continue
            r, g, b = levels[0, y, x], levels[1, y, x], levels[2, y, x]
            top, bottom = max(max(r, g), b), min(min(r, g), b)
            if not (25 < top < 252 and bottom > 0.4 * top - 0.6):  # less than three fifths saturated
                continue
            apart = np.float32(0)
            for k in (0, 2):
                channel = levels[k]
                turn = np.float32(4) * logs[channel[y, x]]
                turn -= logs[channel[y - 1, x]] + logs[channel[y + 1, x]]
                turn -= logs[channel[y, x - 1]] + logs[channel[y, x + 1]] + own
                apart += turn * turn
            told[0, found] = np.sqrt(apart) / (abs(own) + np.float32(LEAST_CONTRAST / 2))
            told[1, found] = logs[r] - logs[b]
            told[2, found] = logs[g] - (logs[r] + logs[b]) / np.float32(2)
            found += 1
    return told[0, :found], told[1, :found], told[2, :found]
