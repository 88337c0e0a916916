"""Bytes of an admitted picture to pixels: one decode path for training and serving.

Scores drift when training and serving see different pixels, so both call this file. Hostile bytes never
come here; they pass the gate first.
"""

from __future__ import annotations

import io
from functools import cached_property

import numpy as np
from PIL import Image, UnidentifiedImageError

from scoring.core.types import ByteArray, FloatArray

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")
STRIDE = 32  # the network halves five times; sides that are multiples need no uneven padding
ENLARGED = 0.1  # whole factors that a copy may fall short of
MEAN, SCALE = 127.0, 128.0  # of EfficientNet-Lite's training (TensorFlow TPU models, 2020)


class PictureError(ValueError):
    """These bytes are no picture that can be scored. ``code`` is stable, the message is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Picture:
    """A decoded picture, sRGB, upright. ``jpeg_quality`` 1-100 of the source.

    Pixels are held as they came, by Pillow or as an array; the other is made where it is asked for.
    """

    def __init__(self, pixels: ByteArray | Image.Image, jpeg_quality: float | None = None) -> None:
        self.jpeg_quality = jpeg_quality
        self._reduced: dict[int, Image.Image] = {}
        name = "image" if isinstance(pixels, Image.Image) else "rgb"
        self.__dict__[name] = pixels

    @cached_property
    def rgb(self) -> ByteArray:
        """All pixels, uint8 (H, W, 3): of a large picture a copy that takes a third of the decoding."""
        return np.asarray(self.image, dtype=np.uint8)

    @cached_property
    def image(self) -> Image.Image:
        """The same pixels as Pillow holds them, for shrinking."""
        return Image.fromarray(self.rgb)

    def reduced(self, factor: int) -> Image.Image:
        """Box-averaged by a whole factor; kept, since views and measures ask for the same."""
        if factor not in self._reduced:
            self._reduced[factor] = self.image.reduce(factor) if factor > 1 else self.image
        return self._reduced[factor]

    @property
    def width(self) -> int:
        return self.image.width

    @property
    def height(self) -> int:
        return self.image.height


def decode_picture(data: bytes, *, jpeg_quality: float | None = None) -> Picture:
    """Decode stored bytes; PictureError says why not. ``jpeg_quality`` is the source's, where known."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            image.load()
            picture = Picture(image if image.mode == "RGB" else image.convert("RGB"), jpeg_quality)
    except UnidentifiedImageError as error:
        raise PictureError("format_not_allowed", "This is not a picture of an allowed format.") from error
    except Exception as error:  # Pillow raises seven classes for damaged files
        raise PictureError("unreadable", "The picture is damaged and cannot be read.") from error
    return picture


def whole_view(picture: Picture, *, longest: int) -> ByteArray:
    """The whole picture for the network: uint8 (h, w, 3), sides multiples of 32, none over ``longest``.

    A picture is never enlarged beyond the next multiple of 32, since enlarging hides blur.
    """
    factor = min(1.0, longest / max(picture.image.size))
    size = (_multiple(picture.width * factor), _multiple(picture.height * factor))
    # Quick box averaging; the rest is less than an octave. Of 1000 pixels the copy of 250 will do.
    image = picture.reduced(int(1 / factor + ENLARGED))
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR), dtype=np.uint8)


def native_pixels(
    pixels: ByteArray | Image.Image, *, side: int, centre: tuple[float, float] = (0.5, 0.5)
) -> ByteArray:
    """Native pixels around ``centre`` (fractions x, y): uint8 (side, side, 3).

    A smaller picture is mirrored at its edges, which adds no edges and no blur of its own.
    """
    width, height = pixels.size if isinstance(pixels, Image.Image) else pixels.shape[1::-1]
    top, left = _start(height, side, centre[1]), _start(width, side, centre[0])
    bottom, right = min(height, top + side), min(width, left + side)
    if isinstance(pixels, Image.Image):
        crop = np.asarray(pixels.crop((left, top, right, bottom)), dtype=np.uint8)
    else:
        crop = pixels[top:bottom, left:right]
    missing = (side - crop.shape[0], side - crop.shape[1])
    if missing != (0, 0):
        crop = np.pad(crop, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="symmetric")
    return crop


def as_input(rgb: ByteArray) -> FloatArray:
    """uint8 (h, w, 3) to float32 (3, h, w), about -1 to 1: what the network learns from."""
    return np.ascontiguousarray(((rgb.astype(np.float32) - MEAN) / SCALE).transpose(2, 0, 1))


def _multiple(side: float) -> int:
    return max(STRIDE, round(side / STRIDE) * STRIDE)


def _start(extent: int, side: int, centre: float) -> int:
    return int(min(max(0, round(extent * centre - side / 2)), max(0, extent - side)))
