"""One way from bytes to pixels, and two views that do not hide what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from scoring.core.decode import PictureError, decode_picture, native_pixels, whole_view
from tests.images import encoded, jpeg_bytes, photo


def test_pixels_are_those_of_the_file_and_quality_is_passed_on() -> None:
    picture = decode_picture(encoded(photo(1), "PNG"), jpeg_quality=77)
    assert (picture.rgb == np.asarray(photo(1))).all()
    assert (np.asarray(picture.image) == picture.rgb).all()
    assert (picture.width, picture.height, picture.jpeg_quality) == (96, 64, 77)


@pytest.mark.parametrize(
    ("data", "code"), [(b"no picture", "format_not_allowed"), (jpeg_bytes()[:200], "unreadable")]
)
def test_what_is_no_picture_says_so(data: bytes, code: str) -> None:
    with pytest.raises(PictureError) as caught:
        decode_picture(data)
    assert caught.value.code == code


def test_the_whole_view_fits_and_is_never_enlarged_past_the_next_step() -> None:
    large, small = (whole_view(photo(0, width=w, height=h), longest=256) for w, h in ((1000, 500), (90, 60)))
    assert large.shape == (3, 128, 256)
    assert small.shape == (3, 64, 96)
    assert large.dtype == np.float32
    assert -1.01 < float(large.min()) < float(large.max()) < 1.01


def test_a_native_pixels_is_untouched_pixels_and_mirrors_what_is_missing() -> None:
    rgb = np.asarray(photo(0, width=300, height=200))
    crop = native_pixels(rgb, side=128, centre=(0.5, 0.5))
    back = np.round(crop.transpose(1, 2, 0) * 128 + 127).astype(np.uint8)
    assert (back == rgb[36:164, 86:214]).all()
    corner = native_pixels(rgb, side=128, centre=(1.0, 1.0))
    assert (np.round(corner.transpose(1, 2, 0) * 128 + 127) == rgb[72:, 172:]).all()
    assert native_pixels(rgb[:20, :30], side=64).shape == (3, 64, 64)
