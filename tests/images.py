"""Little pictures and hostile bytes, made by code from a seed. No binary fixtures."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

ORIENTATION_TAG, GPS_TAG, OWNER_TAG = 0x0112, 0x8825, 0x013B
SCRIPT = b"<script>alert(1)</script>"


def photo(seed: int = 0, *, width: int = 96, height: int = 64) -> Image.Image:
    """A picture like a product photo: a coloured box before a shaded backdrop, with fine grain."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    shade = 200 + 40 * (rows / height - 0.5) + 20 * (columns / width - 0.5)
    pixels = np.repeat(shade[..., None], 3, axis=2)
    top, left = int(height * rng.uniform(0.15, 0.3)), int(width * rng.uniform(0.2, 0.35))
    pixels[top : top + height // 2, left : left + width // 2] = rng.uniform(20, 235, 3)
    pixels += rng.normal(0, 4, pixels.shape)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8), "RGB")


def encoded(picture: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    """Bytes of a picture; ``kind`` is Pillow's name of the format."""
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def jpeg_bytes(seed: int = 0, *, width: int = 96, height: int = 64, quality: int = 90) -> bytes:
    """A JPEG photo; another seed is another picture."""
    return encoded(photo(seed, width=width, height=height), quality=quality)


def private_jpeg(seed: int = 0, *, orientation: int = 1) -> bytes:
    """A JPEG that tells where it was taken and by whom, in EXIF, XMP and a comment."""
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    exif[OWNER_TAG] = "Secret Owner"
    exif[GPS_TAG] = {1: "N", 2: (48.0, 51.0, 30.0)}
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>GPSLatitude 48.8</x:xmpmeta>"
    return encoded(photo(seed), quality=95, exif=exif, comment=b"taken at home", xmp=xmp)


def turned_jpeg(orientation: int) -> bytes:
    """``photo(0)`` stored turned, with the EXIF orientation that turns it upright again."""
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    picture = photo(0)
    if orientation in undo:
        picture = picture.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    return encoded(picture, quality=95, subsampling=0, exif=exif)


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_declaring(width: int, height: int) -> bytes:
    """A tiny PNG whose header claims ``width`` x ``height`` grey pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", body) + png_chunk(b"IEND", b"")
    )


def jpeg_of_scans(scans: int) -> bytes:
    """A progressive JPEG whose last scan is repeated: small to send, slow to decode."""
    data = encoded(photo(0, width=64, height=64), quality=50, progressive=True)
    last = data.rfind(b"\xff\xda")
    return data[:last] + data[last:-2] * scans + b"\xff\xd9"


def polyglots() -> dict[str, bytes]:
    """Real pictures that carry a script, a page or an archive."""
    jpeg = jpeg_bytes()
    return {
        "script after a jpeg": jpeg + b"<html>" + SCRIPT,
        "script in a jpeg comment": encoded(photo(0), comment=SCRIPT),
        "php in a png text": encoded(photo(0), "PNG", pnginfo=_text_chunk()),
        "zip after a jpeg": jpeg + b"PK\x03\x04<?php evil(); ?>",
    }


def _text_chunk() -> Any:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Comment", "<?php evil(); ?>")
    return info


def not_pictures() -> dict[str, bytes]:
    """Bytes that must be refused by their format."""
    return {
        "svg with script": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
        "page before a jpeg": b"<html>" + SCRIPT + jpeg_bytes(),
        "tiff": encoded(photo(0), "TIFF"),
        "bmp": encoded(photo(0), "BMP"),
        "icon": encoded(photo(0, width=32, height=32), "ICO"),
        "text": b"hello\n",
        "zeros": bytes(4096),
        "one byte": b"\xff",
    }


def foreign_chunks(data: bytes) -> list[str]:
    """Names of what a JPEG, PNG or WEBP holds beside the picture itself: metadata, comments, trailers."""
    if data.startswith(b"\xff\xd8"):
        return [name for name in _jpeg_segments(data) if name not in _JPEG_PLAIN]
    if data.startswith(b"\x89PNG"):
        return [name for name in _png_chunks(data) if name not in ("IHDR", "IDAT", "IEND")]
    return [name for name in _webp_chunks(data) if name not in ("VP8 ", "VP8L")]


_JPEG_PLAIN = frozenset({"ffe0", "ffdb", "ffc0", "ffc2", "ffc4", "ffda", "ffd9"})


def _jpeg_segments(data: bytes) -> Iterator[str]:
    position = 2
    while position < len(data):
        kind = data[position : position + 2].hex()
        yield kind
        if kind == "ffda":
            yield from ["trailer"] if data.find(b"\xff\xd9", position) != len(data) - 2 else []
            return
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")


def _png_chunks(data: bytes) -> Iterator[str]:
    position = 8
    while position < len(data):
        yield data[position + 4 : position + 8].decode("latin-1")
        position += 12 + int.from_bytes(data[position : position + 4], "big")


def _webp_chunks(data: bytes) -> Iterator[str]:
    position = 12
    while position < len(data):
        yield data[position : position + 4].decode("latin-1")
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        position += 8 + size + size % 2
