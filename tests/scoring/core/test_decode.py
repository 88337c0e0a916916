"""One way from bytes to pixels, and two views that do not hide what is wrong."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scoring.core.decode import (
    Picture,
    PictureError,
    _of_jpeg,
    as_input,
    decode_picture,
    native_pixels,
    whole_view,
)
from tests.images import encoded, jpeg_bytes, photo


def test_pixels_are_those_of_the_file_and_quality_is_passed_on() -> None:
    picture = decode_picture(encoded(photo(1), "PNG"), jpeg_quality=77)
    assert (picture.rgb == np.asarray(photo(1))).all()
    assert (picture.width, picture.height, picture.jpeg_quality) == (96, 64, 77)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("written", [{}, {"progressive": True}, {"subsampling": 0, "quality": 95}])
def test_a_jpeg_has_the_pixels_that_pillow_reads(mode: str, written: dict[str, Any]) -> None:
    out = io.BytesIO()
    photo(3, width=61, height=83).convert(mode).save(out, "JPEG", **written)
    with Image.open(out) as image:
        assert image.mode == mode
        wanted = np.asarray(image.convert("RGB"))
    assert np.array_equal(decode_picture(out.getvalue()).rgb, wanted)
    quick = _of_jpeg(out.getvalue())
    assert (quick is None) == (mode == "CMYK")
    assert quick is None or np.array_equal(quick, wanted)


def test_what_is_cut_short_is_left_to_pillow() -> None:
    assert _of_jpeg(jpeg_bytes()[:-200]) is None


def test_pixels_may_be_locked_or_a_part_of_others_and_are_kept_in_one_piece() -> None:
    """Machine code is made anew for every kind of array."""
    whole = np.asarray(photo(0))
    for rgb in (whole, whole[:, ::-1]):
        kept = Picture(rgb).rgb
        assert np.array_equal(kept, rgb)
        assert kept.flags.c_contiguous
        assert kept.flags.writeable


@pytest.mark.parametrize(
    ("data", "code"), [(b"no picture", "format_not_allowed"), (jpeg_bytes()[:200], "unreadable")]
)
def test_what_is_no_picture_says_so(data: bytes, code: str) -> None:
    with pytest.raises(PictureError) as caught:
        decode_picture(data)
    assert caught.value.code == code


def test_the_whole_view_fits_and_is_never_enlarged_past_the_next_step() -> None:
    large, small = (
        whole_view(Picture(np.asarray(photo(0, width=w, height=h))), longest=256)
        for w, h in ((1000, 500), (90, 60))
    )
    assert large.shape == (128, 256, 3)
    assert small.shape == (64, 96, 3)
    assert large.dtype == np.uint8


def test_native_pixels_are_untouched_and_mirrored_where_they_are_missing() -> None:
    rgb = np.asarray(photo(0, width=300, height=200))
    crop = native_pixels(rgb, side=128, centre=(0.5, 0.5))
    assert (crop == rgb[36:164, 86:214]).all()
    corner = native_pixels(rgb, side=128, centre=(1.0, 1.0))
    assert (corner == rgb[72:, 172:]).all()
    assert native_pixels(rgb[:20, :30], side=64).shape == (64, 64, 3)


def test_the_network_learns_from_pixels_about_zero() -> None:
    rgb = np.arange(256, dtype=np.uint8).reshape(8, 32, 1).repeat(3, axis=2)
    told = as_input(rgb)
    assert told.shape == (3, 8, 32)
    assert told.dtype == np.float32
    assert (float(told.min()), float(told.max())) == (-127 / 128, 1.0)
