"""Bytes of an admitted picture to pixels: one decode path for training and serving.

Scores drift when training and serving see different pixels, so both call this file. Hostile bytes never
come here; they pass the gate first.
"""

from __future__ import annotations

import io
from contextlib import suppress

import numpy as np
import simplejpeg
from PIL import Image, UnidentifiedImageError

from scoring.core.shrink import reduced, resized
from scoring.core.types import ByteArray, FloatArray

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")
JPEG_START, PRINTERS = b"\xff\xd8\xff", ("CMYK", "YCCK")
STRIDE = 32  # the network halves five times; sides that are multiples need no uneven padding
ENLARGED = 0.1  # whole factors that a copy may fall short of
MEAN, SCALE = 127.0, 128.0  # of EfficientNet-Lite's training (TensorFlow TPU models, 2020)


class PictureError(ValueError):
    """These bytes are no picture that can be scored. ``code`` is stable, the message is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Picture:
    """A decoded picture, sRGB, upright. ``jpeg_quality`` 1-100 of the source."""

    def __init__(self, rgb: ByteArray, jpeg_quality: float | None = None) -> None:
        # In one piece and not locked: machine code is made for arrays of one kind.
        self.rgb: ByteArray = np.require(rgb, np.uint8, ("C", "W"))
        self.jpeg_quality = jpeg_quality
        self._reduced: dict[int, ByteArray] = {1: self.rgb}

    def reduced(self, factor: int) -> ByteArray:
        """Averaged by a whole factor; kept, since views and measures ask for the same."""
        if factor not in self._reduced:
            self._reduced[factor] = reduced(self.rgb, factor)
        return self._reduced[factor]

    @property
    def width(self) -> int:
        return int(self.rgb.shape[1])

    @property
    def height(self) -> int:
        return int(self.rgb.shape[0])


def decode_picture(data: bytes, *, jpeg_quality: float | None = None) -> Picture:
    """Decode stored bytes; PictureError says why not. ``jpeg_quality`` is the source's, where known."""
    rgb = _of_jpeg(data)
    return Picture(_of_any(data) if rgb is None else rgb, jpeg_quality)


def _of_jpeg(data: bytes) -> ByteArray | None:
    """Pixels of a sound JPEG, those that Pillow gives, in three fifths of its time; None of anything else.

    Both ask libjpeg-turbo, but Pillow takes a line at a time, and writes it once more to its own pixels.
    """
    if not data.startswith(JPEG_START):
        return None
    with suppress(Exception):  # what it does not like is for Pillow to judge
        if simplejpeg.decode_jpeg_header(data)[2] not in PRINTERS:
            return np.asarray(simplejpeg.decode_jpeg(data), dtype=np.uint8)
    return None


def _of_any(data: bytes) -> ByteArray:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return np.asarray(image if image.mode == "RGB" else image.convert("RGB"), dtype=np.uint8)
    except UnidentifiedImageError as error:
        raise PictureError("format_not_allowed", "This is not a picture of an allowed format.") from error
    except Exception as error:  # Pillow raises seven classes for damaged files
        raise PictureError("unreadable", "The picture is damaged and cannot be read.") from error


def whole_view(picture: Picture, *, longest: int) -> ByteArray:
    """The whole picture for the network: uint8 (h, w, 3), sides multiples of 32, none over ``longest``.

    A picture is never enlarged beyond the next multiple of 32, since enlarging hides blur.
    """
    factor = min(1.0, longest / max(picture.width, picture.height))
    size = (_multiple(picture.width * factor), _multiple(picture.height * factor))
    # Quick box averaging; the rest is less than an octave. Of 1000 pixels the copy of 250 will do.
    return resized(picture.reduced(int(1 / factor + ENLARGED)), size)


def native_pixels(rgb: ByteArray, *, side: int, centre: tuple[float, float] = (0.5, 0.5)) -> ByteArray:
    """Native pixels around ``centre`` (fractions x, y): uint8 (side, side, 3), a copy.

    A smaller picture is mirrored at its edges, which adds no edges and no blur of its own.
    """
    height, width = rgb.shape[:2]
    top, left = _start(height, side, centre[1]), _start(width, side, centre[0])
    crop = rgb[top : top + side, left : left + side]
    missing = (side - crop.shape[0], side - crop.shape[1])
    if missing == (0, 0):
        return crop.copy()
    return np.pad(crop, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="symmetric")


def as_input(rgb: ByteArray) -> FloatArray:
    """uint8 (h, w, 3) to float32 (3, h, w), about -1 to 1: what the network learns from."""
    return np.ascontiguousarray(((rgb.astype(np.float32) - MEAN) / SCALE).transpose(2, 0, 1))


def _multiple(side: float) -> int:
    return max(STRIDE, round(side / STRIDE) * STRIDE)


def _start(extent: int, side: int, centre: float) -> int:
    return int(min(max(0, round(extent * centre - side / 2)), max(0, extent - side)))
