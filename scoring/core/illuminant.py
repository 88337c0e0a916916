"""Which colour the light has, by six estimates that fail on different photos.

None is right on every photo: yellow goods look like warm light to one, a photo without anything white
misleads the next. Heads read them all, each by how far it lies towards warm, cold, green and magenta, since
photos are taken under warm light often and under green light hardly ever. Units: log2, of sRGB values.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scoring.core.shares import middle, share
from scoring.core.types import ByteArray, FloatArray

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


def tint_of(levels: ByteArray, planes: FloatArray) -> dict[str, float]:
    """All TINT_NAMES of a picture's red, green and blue (3, h, w), 0-255, as bytes and as float32."""
    top, bottom = levels.max(axis=0), levels.min(axis=0)
    logs = np.log2(planes + np.float32(FLOOR))
    thin = planes[:, ::2, ::2].reshape(3, -1)
    warmth, green = _chroma(logs[:, ::2, ::2].reshape(3, -1))
    high, low = (each[::2, ::2].ravel().astype(np.int16) for each in (top, bottom))
    luma = (thin[0] + thin[1] + thin[2]) / 3
    lit = np.flatnonzero((luma > 30) & (low < 250))
    colourless = high - low < COLOURLESS * (high + 1.0)
    told = {
        "common": _common(warmth[lit], green[lit]),
        "highlight": balance(_brightest(thin, 3 * low - high)),
        "peak": balance(_peaks(thin)),
        **{
            name: _tone(warmth, green, colourless & (luma >= a) & (luma < b))
            for name, (a, b) in TONES.items()
        },
    }
    told["grey"], doubt = _grey(planes, logs, top, bottom)
    parts = {
        f"tint_{name}_{side}": max(0.0, value)
        for name, (warm, greener) in told.items()
        for side, value in zip(TOWARDS, (warm, -warm, greener, -greener), strict=True)
    }
    return {**parts, "tint_doubt": doubt}


def balance(colour: FloatArray) -> tuple[float, float]:
    """log2 of red against blue, and of green against both."""
    red, green, blue = np.log2(colour + 1.0)
    return float(red - blue), float(green - (red + blue) / 2)


def _chroma(logs: FloatArray) -> tuple[FloatArray, FloatArray]:
    red, green, blue = logs
    return red - blue, green - (red + blue) / 2


def _brightest(thin: FloatArray, brightness: npt.NDArray[np.int16]) -> FloatArray:
    """Mean colour of where it is brightest and least coloured."""
    rank = int((1 - BRIGHTEST_SHARE) * (brightness.size - 1))
    at = np.flatnonzero(brightness >= np.partition(brightness, rank)[rank])
    return np.asarray(thin.take(at, axis=1).mean(axis=1), dtype=np.float32)


def _peaks(thin: FloatArray) -> FloatArray:
    """Each channel's own brightest values (white patch)."""
    rank = int((1 - PEAK_SHARE) * (thin.shape[1] - 1))
    return np.asarray(np.partition(thin, rank, axis=1)[:, rank], dtype=np.float32)


def _common(warmth: FloatArray, green: FloatArray) -> tuple[float, float]:
    """The most common colour among those that light may have, the more usual ones preferred."""
    # A bin more on all sides takes what is too far from grey.
    row, column = (
        np.clip(value / BIN + (count / 2 + 1), 0, count + 1).astype(np.intp)
        for value, count in zip((warmth, green), BINS, strict=True)
    )
    room = (BINS[0] + 2, BINS[1] + 2)
    counts = np.bincount(row * room[1] + column, minlength=room[0] * room[1]).reshape(room)[1:-1, 1:-1]
    if not counts.any():
        return 0.0, 0.0
    table = np.sqrt(_SMOOTH[0] @ counts.astype(np.float32) @ _SMOOTH[1]) * _PRIOR
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


def _tone(warmth: FloatArray, green: FloatArray, where: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Middle colour of surfaces of one brightness that may be grey."""
    if share(where) <= 0.01:
        return 0.0, 0.0
    at = np.flatnonzero(where)
    return middle(warmth[at]), middle(green[at])


def _grey(
    planes: FloatArray, logs: FloatArray, top: ByteArray, bottom: ByteArray
) -> tuple[tuple[float, float], float]:
    """Colour of edges along which all channels change alike, as on grey; and how unlike they still do.

    Every second row is asked.

    Qian, Kamarainen, Nikkanen and Matas, On finding gray pixels, 2019.
    """
    if min(planes.shape[1:]) < 3:
        return (0.0, 0.0), 1.0
    size = np.square(planes[0])
    size += np.square(planes[1])
    size += np.square(planes[2])
    size = np.sqrt(size, out=size)
    size += np.float32(FLOOR)
    turn = _turn(np.log2(size, out=size))
    top, bottom = top[1:-1:2], bottom[1:-1:2]
    usable = (np.abs(turn) > LEAST_CONTRAST) & (top > 25) & (top < 252)
    usable &= bottom > 0.4 * top.astype(np.float32) - 0.6  # less than three fifths saturated
    usable[:, 0] = usable[:, -1] = False
    at = np.flatnonzero(usable)
    if len(at) <= FEWEST_PIXELS:
        return (0.0, 0.0), 1.0
    own = turn.ravel()[at]
    apart = [_turn(logs[channel]).ravel()[at] - own for channel in (0, 2)]
    unlike = np.sqrt(apart[0] ** 2 + apart[1] ** 2) / (np.abs(own) + LEAST_CONTRAST / 2)
    count = max(30, int(GREY_SHARE * len(at)))
    best = np.flatnonzero(unlike <= np.partition(unlike, count - 1)[count - 1])[:count]
    row, column = np.divmod(at[best], turn.shape[1])
    warmth, greener = _chroma(logs[:, 2 * row + 1, column])
    return (middle(warmth), middle(greener)), middle(unlike[best])


def _turn(plane: FloatArray) -> FloatArray:
    """Four times every second inner row, less its neighbours; nothing to rely on in the outer columns."""
    turn, flat, width = 4 * plane[1:-1], plane.ravel(), plane.shape[1]
    turn -= plane[:-2]
    turn -= plane[2:]
    inner = turn.ravel()
    inner -= flat[width - 1 : -width - 1]
    inner -= flat[width + 1 : flat.size - width + 1]
    return turn[::2]
