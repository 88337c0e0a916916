"""The sample catalogue is the same everywhere, shows every fault, and passes the gate."""

from __future__ import annotations

import hashlib
import io
import itertools

import numpy as np
import pytest
from PIL import Image

from scoring.core import sample
from scoring.core.sample import SamplePicture, render_catalogue
from scoring.core.types import Defect
from scoring.gate import admit


@pytest.fixture(scope="module")
def first() -> list[SamplePicture]:
    return list(render_catalogue(count=4))


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(first: list[SamplePicture]) -> None:
    again = list(render_catalogue(count=2))
    assert [hashlib.sha256(p.jpeg).digest() for p in again] == [
        hashlib.sha256(p.jpeg).digest() for p in first[:2]
    ]
    assert next(render_catalogue(count=1, seed=1)).jpeg != first[0].jpeg


def test_pictures_pass_the_gate_and_are_large_enough_to_judge(first: list[SamplePicture]) -> None:
    for picture in first:
        admitted = admit(picture.jpeg)
        assert min(admitted.width, admitted.height) >= 800
        assert admitted.source_format == "jpeg"
        assert np.asarray(Image.open(io.BytesIO(picture.jpeg))).std() > 5


def test_a_products_views_follow_each_other_and_show_one_thing(first: list[SamplePicture]) -> None:
    runs = [(key, len(list(group))) for key, group in itertools.groupby(p.product_id for p in first)]
    assert runs == [("KIT-100", 3), ("LIG-101", 1)]
    assert len({p.name for p in first}) == 4


def test_the_whole_catalogue_has_what_was_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its plan only: the photos themselves are left out, they take longer than a test should."""
    blank = np.full((64, 64, 3), 200, dtype=np.uint8)
    monkeypatch.setattr(sample, "_taken", lambda *_: blank)
    every = list(render_catalogue(count=120))
    assert len(every) == 120
    assert {p.fault for p in every} == {None, *Defect}
    assert 40 <= len({p.product_id for p in every}) <= 41
    assert len({p.seller for p in every}) == 5
    assert 6 <= len({p.category for p in every}) <= 10
    assert 0.35 <= sum(p.fault is not None for p in every) / 120 <= 0.6
    assert all(0.25 <= p.severity <= 0.9 for p in every if p.fault)
