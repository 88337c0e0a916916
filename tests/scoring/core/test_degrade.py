"""Every seeded fault does what it says, more so with severity, and the same each time."""

from __future__ import annotations

import numpy as np
import pytest

from scoring.core.degrade import degrade, degrade_region, to_linear, to_srgb
from scoring.core.types import ByteArray, Defect
from tests.images import photo

RESIZING = {Defect.CROPPED}


def scene(seed: int = 0) -> ByteArray:
    return np.asarray(photo(seed, width=240, height=200))


@pytest.mark.parametrize("fault", list(Defect))
def test_a_fault_is_the_same_for_one_seed_and_keeps_size_and_type(fault: Defect) -> None:
    rgb = scene()
    one, two = (degrade(rgb, fault, 0.7, np.random.default_rng(3)) for _ in range(2))
    assert one.rgb.dtype == np.uint8
    assert (one.rgb == two.rgb).all()
    assert one.rgb.shape == rgb.shape or fault in RESIZING
    assert one.rgb.shape != rgb.shape or (one.rgb != rgb).any()
    assert (rgb == scene()).all()  # the picture it was given is left alone


@pytest.mark.parametrize(
    "fault",
    [
        Defect.DEFOCUS_BLUR,
        Defect.MOTION_BLUR,
        Defect.NOISE,
        Defect.JPEG_ARTEFACTS,
        Defect.UNDER_EXPOSED,
        Defect.LOW_CONTRAST,
        Defect.COLOUR_CAST,
        Defect.UPSCALED,
    ],
)
def test_more_severe_is_further_from_the_photo(fault: Defect) -> None:
    rgb = scene()
    away = [
        float(np.abs(degrade(rgb, fault, severity, np.random.default_rng(3)).rgb.astype(int) - rgb).mean())
        for severity in (0.1, 0.5, 1.0)
    ]
    assert away[0] < away[1] < away[2]


@pytest.mark.parametrize("fault", list(Defect))
def test_no_two_severities_give_the_same_picture(fault: Defect) -> None:
    rgb = scene()
    light, heavy = (degrade(rgb, fault, severity, np.random.default_rng(3)).rgb for severity in (0.1, 0.4))
    assert light.shape != heavy.shape or (light != heavy).any()


def cut_from(rgb: ByteArray, severity: float) -> list[ByteArray]:
    """The picture cut off once from each side, as sixteen draws have it."""
    drawn = [degrade(rgb, Defect.CROPPED, severity, np.random.default_rng(seed)).rgb for seed in range(16)]
    sides = {int(np.random.default_rng(seed).integers(4)): cut for seed, cut in enumerate(drawn)}
    assert sorted(sides) == [0, 1, 2, 3]
    return list(sides.values())


def test_a_product_before_one_surface_is_cut_by_part_of_its_own_size() -> None:
    plain = np.full((200, 240, 3), 230, dtype=np.uint8)
    plain[80:120, 60:180] = 40
    whole = (plain[:, :, 0] < 128).sum()
    for cut in cut_from(plain, 0.5):
        # 0.285 of it is gone: 34 of its 120 columns, or 11 of its 40 rows.
        assert (cut[:, :, 0] < 128).sum() / whole == pytest.approx(1 - 0.285, abs=0.03)


@pytest.mark.parametrize("background", ["noise", "as bright as the product"])
@pytest.mark.parametrize(("severity", "left"), [(0.0, 0.75), (0.4, 0.65), (1.0, 0.5)])
def test_where_the_product_is_unknown_one_of_ordinary_size_is_hit(
    background: str, severity: float, left: float
) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (200, 240, 3)).astype(np.uint8)
    if background != "noise":
        rgb[:] = 250
    middle = np.zeros(rgb.shape[:2], dtype=bool)
    middle[40:160, 48:192] = True  # three fifths of each side
    rgb[middle, 0] = 255 if background == "noise" else 252
    for cut in cut_from(rgb, severity):
        assert cut.shape[0] * cut.shape[1] == pytest.approx(left * 200 * 240, rel=0.01)
        assert np.count_nonzero(cut[:, :, 0] >= 252) < middle.sum()


def test_severity_outside_the_scale_is_refused() -> None:
    with pytest.raises(ValueError, match=r"1\.2"):
        degrade(scene(), Defect.NOISE, 1.2, np.random.default_rng(0))


def test_a_local_fault_leaves_the_rest_alone_and_says_where_it_is() -> None:
    rgb = scene()
    harmed = degrade_region(rgb, Defect.NOISE, 1.0, np.random.default_rng(1))
    assert harmed.mask is not None
    changed = (harmed.rgb != rgb).any(axis=2)
    assert changed[harmed.mask].mean() > 0.8
    assert 0.05 < harmed.mask.mean() < 0.25
    far = np.abs(harmed.rgb.astype(int) - rgb)[~harmed.mask]
    assert (far.max(axis=1) > 0).mean() < 0.1


def test_light_survives_the_way_to_linear_and_back() -> None:
    every = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    assert (to_srgb(to_linear(every)) == every).all()
