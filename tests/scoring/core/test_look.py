"""How views of one shape are put into batches."""

from __future__ import annotations

import numpy as np
import pytest

from scoring.core.look import COUNTS_AT_ONCE, in_batches, parted, sheets
from scoring.core.network import imagenet_encoder
from tests.images import photo

CROP = (192, 192)
SHAPES = [(32 * h, 32 * w) for h in range(1, 9) for w in range(1, 9) if 8 in (h, w)]  # of large pictures


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 20, 31, 33, 64, 127, 300])
def test_on_a_card_batches_have_few_sizes_and_nothing_is_left_out(count: int) -> None:
    parts = parted(range(count), most=500, device="cuda")
    assert {len(part) for part in parts} <= set(COUNTS_AT_ONCE)
    assert len({len(part) for part in parts}) == 1
    assert list(dict.fromkeys(n for part in parts for n in part)) == list(range(count))
    assert sum(len(part) for part in parts) < 2 * count


def test_no_batch_holds_more_than_it_may() -> None:
    assert {len(part) for part in parted(range(30), most=9, device="cuda")} == {8}
    assert {len(part) for part in parted(range(5), most=0, device="cuda")} == {1}
    assert [len(part) for part in parted(range(5), most=3, device="cpu")] == [3, 2]


def test_whatever_the_shapes_of_a_catalogue_a_card_meets_few() -> None:
    rng, met = np.random.default_rng(0), set()
    for _ in range(200):
        chosen = [SHAPES[n] for n in rng.integers(len(SHAPES), size=rng.integers(1, 40))]
        views = [np.zeros((*shape, 3), "u1") for shape in [*chosen, *[CROP] * len(chosen)]]
        batches = list(sheets(views, device="cuda", on_squares=True))
        met |= {pixels.shape for _, pixels, _ in batches}
        assert {n for some, _, _ in batches for n in some} == set(range(len(views)))
    assert {shape[1:3] for shape in met} == {(256, 256), CROP}
    assert len(met) <= 2 * len(COUNTS_AT_ONCE)


def test_a_view_is_told_the_same_on_a_square_as_alone() -> None:
    encoder = imagenet_encoder()
    shapes = ((64, 160), (128, 96), (64, 64), (32, 128), (160, 64))
    views = [np.asarray(photo(n, width=w, height=h)) for n, (h, w) in enumerate(shapes)]
    alone, together = (
        in_batches(encoder, "cpu", on_squares=chosen)([[view] for view in views]) for chosen in (False, True)
    )
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(other.raw, one.raw, rtol=1e-3, atol=1e-4)
        assert [each.shape for each in other.maps] == [each.shape for each in one.maps]
        for ours, theirs in zip(one.maps, other.maps, strict=True):
            np.testing.assert_allclose(theirs, ours, rtol=1e-3, atol=1e-3)
