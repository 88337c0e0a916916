"""What the gate decides about bytes that claim to be a picture, and the clean picture it makes of them.

Pure: bytes in, bytes out. It decodes hostile bytes, so it runs in the gate's child (``scoring.gate``),
never in a process that holds anything of worth. Order of the checks: bytes, scans, format, pixels,
decode; each is cheaper than the next.

What is stored: JPEG sources and every photograph become JPEG at quality 95 without chroma subsampling, so
that the measures of two photographs never differ by the container they came in; a lossless source
of at most 1,024 colours (drawings, flat graphics, labels) becomes PNG and keeps its pixels exactly.
Pictures over 24 megapixels are stored at half their width and height. Upright, sRGB, alpha over
white, no metadata; the same bytes give the same result.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageCms, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")  # Pillow has no HEIF decoder of its own
JPEG_QUALITY = 95
GRAPHIC_COLOURS = 1024
STORED_PIXELS = 24_000_000
THUMBNAIL_SIDE = 320
THUMBNAIL_QUALITY = 80
ORIENTATION_TAG = 0x0112

REASONS: Mapping[str, str] = {
    "empty_file": "The file is empty.",
    "too_large": "The file is larger than allowed.",
    "format_not_allowed": "This is not a JPEG, PNG, WEBP, GIF or AVIF picture.",
    "too_many_pixels": "The picture has more than 60 megapixels or a side of more than 16,384 pixels.",
    "too_small": "The picture is too small.",
    "too_many_scans": "The JPEG is cut into too many scans.",
    "truncated": "The end of the file is missing.",
    "unreadable": "The file is damaged and cannot be read as a picture.",
    "timeout": "The picture took too long to read.",
    "memory": "The picture needs too much memory to read.",
}

_MAGIC = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF.{4}WEBP|.{4}ftyp(avif|avis|mif1|msf1)", re.DOTALL
)
_JPEG_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PROFILE_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
# Luminance table of ITU-T T.81 Annex K, whose scalings are the qualities 1-100 of libjpeg.
_LUMINANCE = bytes.fromhex(
    "100b0a101828333d0c0c0e131a3a3c370e0d1018283945380e11161d3357503e"
    "12162538446d674d182337405168715c31404e5767797865485c5f6270646763"
)


class Refusal(Exception):  # noqa: N818 - the word of the domain
    """The picture is not let in. ``code`` is a key of REASONS, ``reason`` its plain sentence."""

    def __init__(self, code: str) -> None:
        super().__init__(REASONS[code])
        self.code, self.reason = code, REASONS[code]


@dataclass(frozen=True, slots=True)
class Limits:
    """What is let in. Bytes, pixels and pixels a side; ``scan_cap`` counts the scans of a JPEG."""

    byte_cap: int = 25 * 2**20
    pixel_cap: int = 60_000_000
    side_cap: int = 16_384
    smallest_side: int = 1
    scan_cap: int = 100


@dataclass(frozen=True, slots=True)
class Reencoded:
    """A clean picture. ``width`` and ``height`` are the source's, upright; ``stored`` may be smaller."""

    source_format: str
    width: int
    height: int
    animated: bool
    jpeg_quality: float | None
    stored_format: str
    stored: bytes
    thumbnail: bytes


def reencode(data: bytes, limits: Limits) -> Reencoded:
    """The clean picture in ``data``; raises Refusal, and nothing else."""
    try:
        check_bytes(data, limits)
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return _reencoded(image, limits)
    except Refusal:
        raise
    except Exception as fault:  # decoders raise almost anything
        raise Refusal(code_of(fault, data)) from fault


def check_bytes(data: bytes, limits: Limits) -> None:
    """Refuse what can be refused without a decoder. Raises Refusal."""
    if not data:
        raise Refusal("empty_file")
    if len(data) > limits.byte_cap:
        raise Refusal("too_large")
    if not _MAGIC.match(data):
        raise Refusal("format_not_allowed")
    if data.startswith(b"\xff\xd8") and jpeg_scans(data, limits.scan_cap + 1) > limits.scan_cap:
        raise Refusal("too_many_scans")


def check_size(width: int, height: int, limits: Limits) -> None:
    """Refuse by the size the header declares. Raises Refusal."""
    if width * height > limits.pixel_cap or max(width, height) > limits.side_cap:
        raise Refusal("too_many_pixels")
    if min(width, height) < limits.smallest_side:
        raise Refusal("too_small")


def code_of(fault: BaseException, data: bytes) -> str:
    """The code of REASONS that tells a decoder's fault best."""
    if isinstance(fault, MemoryError):
        return "memory"
    if isinstance(fault, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return "too_many_pixels"
    if isinstance(fault, UnidentifiedImageError) and not _MAGIC.match(data):
        return "format_not_allowed"
    words = str(fault).lower()
    cut = isinstance(fault, EOFError) or "truncated" in words or "broken data stream" in words
    return "truncated" if cut else "unreadable"


def jpeg_scans(data: bytes, stop_at: int) -> int:
    """Scans (SOS markers) of a JPEG up to its end marker, counted to ``stop_at`` at most.

    Each scan of a progressive JPEG costs a pass over all pixels, so a small file of thousands of
    scans would keep a decoder busy for minutes. Trailing data is not searched.
    """
    scans, position = 0, 2
    while scans < stop_at and (marker := _JPEG_MARKER.search(data, position)):
        kind, position = marker[1][0], marker.end()
        if kind == 0xD9:
            break
        scans += kind == 0xDA
        if kind not in (0x01, 0xD8, 0xDA):
            position += int.from_bytes(data[position : position + 2], "big")
    return scans


@lru_cache(maxsize=1)
def _luminance_sums() -> tuple[int, ...]:
    """Sum of the luminance table at libjpeg's qualities 1-100."""
    scales = [5000 // q if q < 50 else 200 - 2 * q for q in range(1, 101)]
    return tuple(sum(min(255, max(1, (base * scale + 50) // 100)) for base in _LUMINANCE) for scale in scales)


def quality_of_tables(tables: Mapping[int, Sequence[int]]) -> float | None:
    """JPEG quality 1-100 whose libjpeg luminance table is nearest to the first of ``tables``."""
    if not tables:
        return None
    total = sum(tables[min(tables)])
    sums = _luminance_sums()
    return float(1 + min(range(100), key=lambda index: (abs(sums[index] - total), -index)))


def _reencoded(image: Image.Image, limits: Limits) -> Reencoded:
    """The clean picture of an opened, not yet decoded one. Raises whatever the decoder raises."""
    width, height = image.size
    check_size(width, height, limits)
    jpeg = image.format in ("JPEG", "MPO")
    animated = not jpeg and bool(getattr(image, "is_animated", False))
    if jpeg and width * height > STORED_PIXELS:
        image.draft(None, (width // 2, height // 2))
    image.load()
    turn = _TURNS.get(_orientation(image))
    picture = _halved(_srgb(image))
    if turn is not None:
        picture = picture.transpose(turn)
        if turn not in (_TURNS[2], _TURNS[3], _TURNS[4]):
            width, height = height, width
    picture.info = {}  # some encoders write comments, profiles and resolutions found here
    stored_format = "jpeg" if jpeg or picture.getcolors(GRAPHIC_COLOURS) is None else "png"
    return Reencoded(
        source_format="jpeg" if jpeg else str(image.format).lower(),
        width=width,
        height=height,
        animated=animated,
        jpeg_quality=quality_of_tables(getattr(image, "quantization", {})) if jpeg else None,
        stored_format=stored_format,
        stored=_encoded(picture, stored_format),
        thumbnail=_thumbnail(picture),
    )


def _orientation(image: Image.Image) -> int:
    """EXIF orientation 1-8, 1 where there is none that can be read."""
    with suppress(Exception):
        return int(image.getexif().get(ORIENTATION_TAG, 1))
    return 1


def _halved(picture: Image.Image) -> Image.Image:
    return picture.reduce(2) if picture.width * picture.height > STORED_PIXELS else picture


def upright_srgb(image: Image.Image) -> Image.Image:
    """What the gate makes of an opened picture that is trusted: upright, sRGB, alpha over white."""
    turn = _TURNS.get(_orientation(image))
    picture = _srgb(image)
    return picture if turn is None else picture.transpose(turn)


def _srgb(image: Image.Image) -> Image.Image:
    """An RGB picture in sRGB, alpha over white, 16 bits scaled to 8."""
    profile = image.info.get("icc_profile")
    flat = _flat(image)
    if profile:
        flat = _colour_managed(flat, profile)
    return flat.convert("RGB")


def _flat(image: Image.Image) -> Image.Image:
    """The picture as L, RGB or CMYK with 8 bits, alpha composed over white."""
    if image.mode.startswith("I"):
        return _eight_bits(image)
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        return _over_white(image)
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")


def _over_white(image: Image.Image) -> Image.Image:
    rgba = image.convert("RGBA")
    white = Image.new("RGB", rgba.size, "white")
    white.paste(rgba, mask=rgba.getchannel("A"))
    return white


def _eight_bits(image: Image.Image) -> Image.Image:
    """A 16-bit grey picture scaled by 1/257, so that white stays white; its colour key becomes white."""
    table = [round(value / 257) for value in range(65536)]
    key = image.info.get("transparency")
    if isinstance(key, int) and 0 <= key < len(table):
        table[key] = 255
    return image.convert("I").point(table, "L")


def _colour_managed(image: Image.Image, profile: bytes) -> Image.Image:
    """The picture in sRGB; unchanged where the profile is broken, of another space, or already sRGB."""
    with suppress(Exception):
        source = ImageCms.getOpenProfile(io.BytesIO(profile))
        space = str(source.profile.xcolor_space).strip()
        known = ImageCms.getProfileDescription(source).strip().startswith("sRGB")
        if _PROFILE_MODES.get(space) == image.mode and not (known and image.mode == "RGB"):
            managed = ImageCms.profileToProfile(image, source, _srgb_profile(), outputMode="RGB")
            return managed if managed is not None else image
    return image


@lru_cache(maxsize=1)
def _srgb_profile() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _encoded(picture: Image.Image, stored_format: str) -> bytes:
    out = io.BytesIO()
    if stored_format == "jpeg":
        picture.save(out, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    else:
        picture.save(out, "PNG", compress_level=6)
    return out.getvalue()


def _thumbnail(picture: Image.Image) -> bytes:
    """WEBP of at most 320 pixels a side; small pictures keep their size."""
    scale = min(1.0, THUMBNAIL_SIDE / max(picture.size))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    small = picture.resize(size, Image.Resampling.HAMMING, reducing_gap=2.0)
    out = io.BytesIO()
    small.save(out, "WEBP", quality=THUMBNAIL_QUALITY, method=1)
    return out.getvalue()
