"""Each measure moves the way its fault pushes it, and every picture can be measured."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from scoring.core.decode import Picture
from scoring.core.degrade import degrade
from scoring.core.detail import detail_of
from scoring.core.measures import MEASURE_NAMES, measure_picture
from scoring.core.types import ByteArray, Defect


def scene(seed: int = 2) -> ByteArray:
    """A thing of natural texture (noise at all scales) before a plain backdrop, 420 x 360."""
    rng = np.random.default_rng(seed)
    rgb = np.full((360, 420, 3), 215.0)
    texture = sum(
        scale**0.6 * ndimage.gaussian_filter(rng.normal(size=(190, 230)), scale)
        for scale in (0.6, 1, 2, 4, 8)
    )
    rgb[80:270, 95:325] = np.array([120, 90, 150]) + 40 * (texture / texture.std())[..., None]
    return np.clip(rgb + rng.normal(0, 1.0, rgb.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("fault", "measure", "sign"),
    [
        (Defect.DEFOCUS_BLUR, "sharpness", -1),
        (Defect.DEFOCUS_BLUR, "edge_sharpness", -1),
        (Defect.MOTION_BLUR, "blur_direction_ratio", -1),
        (Defect.NOISE, "noise_sigma", 1),
        (Defect.JPEG_ARTEFACTS, "blockiness", 1),
        (Defect.UPSCALED, "fine_detail_ratio", -1),
        (Defect.UNDER_EXPOSED, "product_luma_p99", -1),
        (Defect.OVER_EXPOSED, "product_luma_p50", 1),
        (Defect.LOW_CONTRAST, "contrast", -1),
        (Defect.COLOUR_CAST, "cast_chroma", 1),
        (Defect.CLUTTERED_BACKGROUND, "background_edge_share", 1),
        (Defect.PRODUCT_TOO_SMALL, "box_share", -1),
        (Defect.OFF_CENTRE, "centre_offset", 1),
        (Defect.BORDER, "border_step", 1),
        (Defect.COLLAGE, "seam_share", 1),
        (Defect.TEXT_OVERLAY, "letters_in_row", 1),
    ],
)
def test_a_fault_moves_its_measure(fault: Defect, measure: str, sign: int) -> None:
    rgb = scene()
    before = measure_picture(Picture(rgb)).values[measure]
    after = measure_picture(Picture(degrade(rgb, fault, 0.8, np.random.default_rng(5)).rgb)).values[measure]
    assert sign * (after - before) > 0, (before, after)


def test_noise_is_told_in_grey_levels() -> None:
    rng = np.random.default_rng(0)
    rgb = np.repeat(np.clip(rng.normal(128, 6, (300, 300, 1)), 0, 255), 3, axis=2).astype(np.uint8)
    assert measure_picture(Picture(rgb)).values["noise_sigma"] == pytest.approx(6, rel=0.12)


def test_a_grid_is_found_wherever_it_lies() -> None:
    harmed = degrade(scene(), Defect.JPEG_ARTEFACTS, 0.8, np.random.default_rng(5)).rgb
    on_grid = measure_picture(Picture(harmed)).values["blockiness"]
    moved = measure_picture(Picture(np.ascontiguousarray(harmed[3:, 5:]))).values["blockiness"]
    assert moved == pytest.approx(on_grid, rel=0.15)
    assert on_grid > measure_picture(Picture(scene())).values["blockiness"] + 0.1


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (7, 3), (17, 16), (64, 900)])
@pytest.mark.parametrize("value", [0, 128, 255])
def test_every_picture_can_be_measured_down_to_a_pixel(size: tuple[int, int], value: int) -> None:
    measured = measure_picture(Picture(np.full((*size, 3), value, dtype=np.uint8)))
    assert tuple(measured.values) == MEASURE_NAMES
    assert np.isfinite(list(measured.values.values())).all()


def test_a_mask_and_its_box_agree_with_where_the_thing_is() -> None:
    rgb = np.full((300, 400, 3), 240, dtype=np.uint8)
    rgb[60:180, 100:340] = (30, 90, 160)
    found = measure_picture(Picture(rgb)).foreground
    assert found.plain_background
    assert found.confidence > 0.8
    sides = (found.box.left, found.box.top, found.box.right, found.box.bottom)
    assert sides == pytest.approx((0.25, 0.2, 0.85, 0.6), abs=0.025)


def test_detail_is_told_by_the_laplacian_of_a_picture_that_goes_on_as_it_is() -> None:
    crop = np.random.default_rng(8).uniform(0, 255, (40, 33)).astype(np.float32)
    rise = ndimage.laplace(crop, mode="nearest")[1:-1:2]
    assert detail_of(crop)["sharpness"] == pytest.approx(np.log10(rise.var() + 0.1), abs=1e-4)


def test_a_blur_takes_from_detail_what_a_mean_of_three_pixels_does() -> None:
    crop = np.random.default_rng(9).uniform(0, 255, (48, 52)).astype(np.float32)
    kept = []
    for lines in (crop[1:-1:2], crop.T):
        blurred = ndimage.uniform_filter1d(lines, 3, axis=1)
        sharp, soft = (np.abs(np.diff(each, axis=1)).mean() for each in (lines, blurred))
        kept.append(soft / sharp)
    assert detail_of(crop)["reblur_ratio"] == pytest.approx(1 - max(kept), abs=0.03)
