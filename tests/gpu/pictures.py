"""Pictures of many sizes and shapes, down to one pixel, made by code from a seed."""

from __future__ import annotations

from functools import cache

from tests.images import encoded, photo

SIZES = (
    (1000, 1000),
    (1024, 768),
    (768, 1024),
    (640, 480),
    (500, 500),
    (320, 240),
    (257, 255),
    (1600, 200),
    (120, 1500),
    (96, 64),
    (33, 31),
    (9, 300),
    (3, 3),
    (1, 40),
    (1, 1),
)


@cache
def picture_bytes(seed: int, width: int, height: int) -> bytes:
    """A JPEG; below sixteen pixels a PNG cut from one, since a JPEG block would not fit."""
    if min(width, height) >= 16:
        return encoded(photo(seed, width=width, height=height), quality=60 + 3 * (seed % 12))
    whole = photo(seed, width=max(64, width), height=max(64, height))
    return encoded(whole.crop((0, 0, width, height)), "PNG")


def pictures() -> list[bytes]:
    """One of each size, and a second of the first five, so that shapes meet in one batch."""
    sizes = SIZES + SIZES[:5]
    return [picture_bytes(seed, *size) for seed, size in enumerate(sizes)]
