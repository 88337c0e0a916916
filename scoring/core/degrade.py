"""The degradation lab: seeded capture faults with a severity, for training, gold questions and tests.

Severity runs from 0 (nothing) to 1 (ruined) and is about even to the eye. Light is added, scaled and
blurred in linear intensity (the sRGB curve of IEC 61966-2-1), as a lens and a sensor do it.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from scipy.signal import oaconvolve

from scoring.core.foreground import UNTOLD_CONFIDENCE, estimate_foreground
from scoring.core.types import Box, ByteArray, Defect, FloatArray

Rng = np.random.Generator
REFERENCE_SIDE = 1000.0  # blur radii are given for a picture of this size and scale with it
READABLE_STEP = 50.0  # levels: letters that differ less from what lies under them are not read
WORDS = ("SALE", "NEW", "-50%", "FREE SHIPPING", "SAMPLE", "shop.example", "BEST PRICE", "ORIGINAL")


@dataclass(frozen=True, slots=True)
class Degraded:
    """A picture with one fault. ``mask`` bool (H, W) says where a local fault lies, None for everywhere."""

    rgb: ByteArray
    fault: Defect
    severity: float
    mask: npt.NDArray[np.bool_] | None = None


def degrade(rgb: ByteArray, fault: Defect, severity: float, rng: Rng) -> Degraded:
    """``rgb`` uint8 (H, W, 3) with this fault; severity outside 0-1 is refused."""
    if not 0.0 <= severity <= 1.0:
        raise ValueError(f"severity is {severity}, not between 0 and 1")
    return Degraded(FAULTS[fault](rgb, severity, rng), fault, severity)


def degrade_region(rgb: ByteArray, fault: Defect, severity: float, rng: Rng) -> Degraded:
    """The fault inside one soft-edged ellipse only; its mask is known, so heatmaps can be tested on it."""
    height, width = rgb.shape[:2]
    radius_y, radius_x = height * rng.uniform(0.15, 0.25), width * rng.uniform(0.15, 0.25)
    y0 = rng.uniform(radius_y, height - radius_y)
    x0 = rng.uniform(radius_x, width - radius_x)
    y, x = np.ogrid[:height, :width]
    distance = ((y - y0) / radius_y) ** 2 + ((x - x0) / radius_x) ** 2
    soft = np.clip((1.15 - distance) / 0.3, 0, 1).astype(np.float32)[..., None]
    whole = FAULTS[fault](rgb, severity, rng)
    mixed = rgb * (1 - soft) + whole * soft
    return Degraded(_bytes(mixed), fault, severity, distance <= 1)


def to_linear(rgb: ByteArray) -> FloatArray:
    """sRGB bytes to linear intensity 0-1."""
    return _LINEAR[rgb]


def to_srgb(linear: FloatArray) -> ByteArray:
    """Linear intensity to sRGB bytes; what is over 1 clips, as a sensor does."""
    index = np.clip(linear, 0, 1) * (len(_SRGB) - 1)
    return _SRGB[(index + 0.5).astype(np.uint16)]


def _curve() -> tuple[FloatArray, ByteArray]:
    coded = np.arange(256) / 255.0
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    even = np.arange(65536) / 65535.0
    back = np.where(even <= 0.0031308, even * 12.92, 1.055 * even ** (1 / 2.4) - 0.055)
    return linear.astype(np.float32), np.round(back * 255).astype(np.uint8)


_LINEAR, _SRGB = _curve()


def _bytes(values: npt.NDArray[np.floating]) -> ByteArray:
    return np.asarray(np.clip(values + 0.5, 0, 255), dtype=np.uint8)


def _scale(rgb: ByteArray) -> float:
    return float(max(0.25, max(rgb.shape[:2]) / REFERENCE_SIDE))


def _convolve(rgb: ByteArray, kernel: FloatArray) -> ByteArray:
    linear = to_linear(rgb)
    pad = kernel.shape[0] // 2
    wide = np.pad(linear, ((pad, pad), (pad, pad), (0, 0)), mode="symmetric")
    return to_srgb(oaconvolve(wide, kernel[..., None], mode="valid", axes=(0, 1)))


def _defocus(rgb: ByteArray, severity: float, rng: Rng) -> ByteArray:
    radius = 0.8 + severity * 9.0 * _scale(rgb)
    half = int(np.ceil(radius))
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    disc = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)
    return _convolve(rgb, disc / disc.sum())


def _motion(rgb: ByteArray, severity: float, rng: Rng) -> ByteArray:
    length = 3.0 + severity * 34.0 * _scale(rgb)
    angle = rng.uniform(0, np.pi)
    half = int(np.ceil(length / 2))
    kernel = np.zeros((2 * half + 1, 2 * half + 1), dtype=np.float32)
    for step in np.linspace(-length / 2, length / 2, 4 * half + 1):
        kernel[round(half + step * np.sin(angle)), round(half + step * np.cos(angle))] += 1
    kernel = ndimage.uniform_filter(kernel, 2)
    return _convolve(rgb, kernel / kernel.sum())


def _noise(rgb: ByteArray, severity: float, rng: Rng) -> ByteArray:
    """Shot noise that grows with light and read noise that does not, sigma about 4-30 levels."""
    linear = to_linear(rgb)
    strength = 0.006 + 0.07 * severity**1.3
    sigma = np.sqrt(strength**2 * (linear + 0.02))
    grain = rng.standard_normal(rgb.shape, dtype=np.float32)
    return to_srgb(linear + sigma * 0.8 * grain)


def _jpeg(rgb: ByteArray, severity: float, rng: Rng) -> ByteArray:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=round(42 - 36 * severity), subsampling=2)
    return np.asarray(Image.open(buffer).convert("RGB"), dtype=np.uint8)


def _under(rgb: ByteArray, severity: float, rng: Rng) -> ByteArray:
    return to_srgb(to_linear(rgb) * 2.0 ** -(0.8 + 3.2 * severity))


def _over(rgb: ByteArray, severity: float, rng: Rng) -> ByteArray:
    return to_srgb(to_linear(rgb) * 2.0 ** (0.6 + 2.4 * severity))


def _low_contrast(rgb: ByteArray, severity: float, rng: Rng) -> ByteArray:
    """Veiling glare: everything drawn towards one grey."""
    keep = 1 - (0.35 + 0.5 * severity)
    grey = rng.uniform(110, 185)
    return _bytes(rgb * keep + grey * (1 - keep))


def _cast(rgb: ByteArray, severity: float, rng: Rng) -> ByteArray:
    """White balance off towards warm, cold, green or magenta; overall light kept."""
    turn = (0.12 + 0.5 * severity) * rng.uniform(0.9, 1.1)
    which = rng.integers(4)
    gains = np.array(
        [
            (1 + turn, 1.0, 1 - 0.75 * turn),
            (1 - 0.75 * turn, 1.0, 1 + turn),
            (1 - 0.5 * turn, 1 + 0.4 * turn, 1 - 0.5 * turn),
            (1 + 0.5 * turn, 1 - 0.5 * turn, 1 + 0.5 * turn),
        ][which],
        dtype=np.float32,
    )
    return to_srgb(to_linear(rgb) * gains)


def _upscaled(rgb: ByteArray, severity: float, rng: Rng) -> ByteArray:
    factor = 2.0 + 4.0 * severity
    image = Image.fromarray(rgb)
    small = (max(1, round(image.width / factor)), max(1, round(image.height / factor)))
    method = Image.Resampling.BICUBIC if rng.random() < 0.5 else Image.Resampling.BILINEAR
    return np.asarray(
        image.resize(small, Image.Resampling.LANCZOS).resize(image.size, method), dtype=np.uint8
    )


def _clutter(rgb: ByteArray, severity: float, rng: Rng) -> ByteArray:
    """Other things and textures behind the product."""
    height, width = rgb.shape[:2]
    mask = _full_mask(rgb)
    scene = np.empty((height, width, 3), dtype=np.float32)
    scene[:] = rng.uniform(60, 220, 3)
    grain = ndimage.zoom(rng.standard_normal((24, 24)), (height / 24, width / 24), order=1)[:height, :width]
    scene += grain[..., None] * 22
    canvas = Image.fromarray(_bytes(scene))
    draw = ImageDraw.Draw(canvas)
    for _ in range(int(12 + 50 * severity)):
        x, y = rng.uniform(-0.1, 1.0) * width, rng.uniform(-0.1, 1.0) * height
        w, h = rng.uniform(0.04, 0.3, 2) * (width, height)
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        shape = draw.rectangle if rng.random() < 0.6 else draw.ellipse
        shape((x, y, x + w, y + h), fill=colour)
    soft = ndimage.gaussian_filter(mask.astype(np.float32), 1.5)[..., None]
    return _bytes(rgb * soft + np.asarray(canvas, dtype=np.float32) * (1 - soft))


def _too_small(rgb: ByteArray, severity: float, rng: Rng) -> ByteArray:
    share = 0.42 - 0.27 * severity
    return _placed(rgb, share, (0.5, 0.5))


def _off_centre(rgb: ByteArray, severity: float, rng: Rng) -> ByteArray:
    offset = 0.13 + 0.12 * severity
    angle = rng.uniform(0, 2 * np.pi)
    direction = np.array([np.cos(angle), np.sin(angle)])
    shift = 0.5 + offset * direction / np.abs(direction).max()
    return _placed(rgb, 0.5, (float(shift[0]), float(shift[1])))


def _cropped(rgb: ByteArray, severity: float, rng: Rng) -> ByteArray:
    """The frame cuts into the product from one side; where it is not told from one surface, so far into the
    picture that a product of ordinary size is hit."""
    height, width = rgb.shape[:2]
    product = estimate_foreground(rgb)
    is_told = product.plain_background and product.confidence > UNTOLD_CONFIDENCE
    box = product.box if is_told else Box(0.0, 0.0, 1.0, 1.0)
    cut = 0.12 + 0.33 * severity if is_told else 0.25 + 0.25 * severity
    side = rng.integers(4)
    left, top, right, bottom = 0, 0, width, height
    if side == 0:
        left = int((box.left + cut * (box.right - box.left)) * width)
    elif side == 1:
        right = int((box.right - cut * (box.right - box.left)) * width)
    elif side == 2:
        top = int((box.top + cut * (box.bottom - box.top)) * height)
    else:
        bottom = int((box.bottom - cut * (box.bottom - box.top)) * height)
    return np.ascontiguousarray(rgb[top : max(bottom, top + 8), left : max(right, left + 8)])


def _border(rgb: ByteArray, severity: float, rng: Rng) -> ByteArray:
    result = rgb.copy()
    edge = max(2, int(min(rgb.shape[:2]) * (0.015 + 0.05 * severity)))
    luma = float(rgb.mean())
    colour = rng.integers(0, 90, 3) if luma > 128 else rng.integers(165, 256, 3)
    for part in (result[:edge], result[-edge:], result[:, :edge], result[:, -edge:]):
        part[:] = colour
    return result


def _text(rgb: ByteArray, severity: float, rng: Rng) -> ByteArray:
    height, width = rgb.shape[:2]
    layer = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    alpha = int(110 + 145 * severity)
    for _ in range(1 + int(3 * severity)):
        size = max(10, int(min(height, width) * rng.uniform(0.05, 0.12)))
        font = ImageFont.load_default(size)
        grey = int(rng.choice([0, 255, 200, 40]))
        tint = (220, 20, 30) if rng.random() < 0.4 else (grey, grey, grey)
        word = str(rng.choice(WORDS))
        long = int(draw.textlength(word, font=font))
        spot = (rng.uniform(0, max(1, width - long)), rng.uniform(0, max(1, height - size)))
        under = rgb[int(spot[1]) : int(spot[1]) + size, int(spot[0]) : int(spot[0]) + long]
        draw.text(spot, word, font=font, fill=(*_readable(tint, under, alpha), alpha))
    base = Image.fromarray(rgb).convert("RGBA")
    return np.asarray(Image.alpha_composite(base, layer).convert("RGB"), dtype=np.uint8)


def _readable(tint: tuple[int, int, int], under: ByteArray, alpha: int) -> tuple[int, int, int]:
    """This tint, or black or white where it would hardly show: nobody writes white on white."""
    ground = np.median(under.reshape(-1, 3), axis=0)
    if np.abs(np.array(tint) - ground).max() * alpha / 255 >= READABLE_STEP:
        return tint
    return (0, 0, 0) if ground.mean() > 127 else (255, 255, 255)


def _collage(rgb: ByteArray, severity: float, rng: Rng) -> ByteArray:
    """Several views put side by side in one frame: at worst more of them, which show less, further apart."""
    height, width = rgb.shape[:2]
    image = Image.fromarray(rgb)
    result = Image.new("RGB", (width, height), (255, 255, 255))
    columns = 2 if severity < 0.6 else 3
    gap = int(rng.integers(0, 6)) + round(0.015 * severity * width)
    cell = (max(8, width // columns - gap), max(8, height // 2 - gap))
    for index in range(columns * 2):
        zoom = rng.uniform(0.45, 0.9) * (1 - 0.4 * severity)
        x, y = rng.uniform(0, 1 - zoom, 2)
        part = image.crop(
            (int(x * width), int(y * height), int((x + zoom) * width), int((y + zoom) * height))
        )
        spot = (index % columns * (cell[0] + gap), index // columns * (cell[1] + gap))
        result.paste(part.resize(cell), spot)
    return np.asarray(result, dtype=np.uint8)


def _placed(rgb: ByteArray, share: float, centre: tuple[float, float]) -> ByteArray:
    """The picture shrunk to ``share`` of each side and set at ``centre`` on more of its own background."""
    height, width = rgb.shape[:2]
    small = Image.fromarray(rgb).resize((max(8, int(width * share)), max(8, int(height * share))))
    ring = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]])
    canvas = Image.new("RGB", (width, height), tuple(int(v) for v in np.median(ring, axis=0)))
    x = int(np.clip(centre[0] * width - small.width / 2, 0, width - small.width))
    y = int(np.clip(centre[1] * height - small.height / 2, 0, height - small.height))
    canvas.paste(small, (x, y))
    return np.asarray(canvas, dtype=np.uint8)


def _full_mask(rgb: ByteArray) -> npt.NDArray[np.bool_]:
    mask = estimate_foreground(rgb).mask
    image = Image.fromarray(mask.astype(np.uint8) * 255).resize((rgb.shape[1], rgb.shape[0]))
    return np.asarray(image) > 127


FAULTS: dict[Defect, Callable[[ByteArray, float, Rng], ByteArray]] = {
    Defect.DEFOCUS_BLUR: _defocus,
    Defect.MOTION_BLUR: _motion,
    Defect.NOISE: _noise,
    Defect.JPEG_ARTEFACTS: _jpeg,
    Defect.UNDER_EXPOSED: _under,
    Defect.OVER_EXPOSED: _over,
    Defect.LOW_CONTRAST: _low_contrast,
    Defect.COLOUR_CAST: _cast,
    Defect.UPSCALED: _upscaled,
    Defect.CLUTTERED_BACKGROUND: _clutter,
    Defect.PRODUCT_TOO_SMALL: _too_small,
    Defect.OFF_CENTRE: _off_centre,
    Defect.CROPPED: _cropped,
    Defect.BORDER: _border,
    Defect.TEXT_OVERLAY: _text,
    Defect.COLLAGE: _collage,
}
