"""Connected parts are those that scipy finds, by pixels of every shape."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from scoring.core.foreground import labelled
from scoring.core.strokes import parts_of
from scoring.core.types import ByteArray


def speckled(seed: int, share: float) -> tuple[ByteArray, ByteArray]:
    """A plane of any levels, and steps in that share of it; wide enough for two words of eight and a rest."""
    rng = np.random.default_rng(seed)
    plane = rng.integers(0, 256, (23, 37)).astype(np.uint8)
    steps = np.zeros((23, 40), dtype=np.uint8)
    steps[:, :37] = rng.integers(1, 256, plane.shape) * (rng.random(plane.shape) < share)
    return plane, steps


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.05, 0.35, 0.6])
def test_parts_with_corners_have_scipys_boxes_and_sums(seed: int, share: float) -> None:
    plane, steps = speckled(seed, share)
    found = parts_of(plane, steps, steps.view(np.uint64))
    shown = steps[:, :37]
    labels, count = ndimage.label(shown, np.ones((3, 3)))
    wanted = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        at = labels == number
        levels = plane[at].astype(np.int64)
        box = (columns.start, rows.start, columns.stop, rows.stop)
        wanted.append((*box, at.sum(), shown[at].sum(dtype=np.int64), levels.sum(), (levels**2).sum()))
    assert len(found) == count
    assert sorted(map(tuple, found.tolist())) == sorted(tuple(map(float, each)) for each in wanted)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.62])
def test_parts_without_corners_are_scipys(share: float) -> None:
    mask = np.random.default_rng(7).random((31, 44)) < share
    places, sizes = labelled(mask)
    wanted, count = ndimage.label(mask)
    assert len(sizes) == count + 1
    assert sizes.sum() == mask.size
    assert len(np.unique(np.stack([places.ravel(), wanted.ravel()]), axis=1).T) == count + 1
