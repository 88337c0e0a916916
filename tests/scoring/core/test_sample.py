"""The sample catalogue is the same everywhere, shows every fault, and passes the gate."""

from __future__ import annotations

import hashlib
import io
import itertools

import numpy as np
from PIL import Image

from scoring.core.sample import plan_catalogue, render
from scoring.core.types import Defect
from scoring.gate import admit


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    (shot,), (other,) = plan_catalogue(count=1), plan_catalogue(count=1, seed=1)
    once, again = render(shot), render(shot)
    assert hashlib.sha256(once).digest() == hashlib.sha256(again).digest()
    assert render(other) != once


def test_pictures_pass_the_gate_and_are_large_enough_to_judge() -> None:
    for shot in plan_catalogue(count=4)[1:]:
        jpeg = render(shot)
        admitted = admit(jpeg)
        assert min(admitted.width, admitted.height) >= 800
        assert admitted.source_format == "jpeg"
        assert np.asarray(Image.open(io.BytesIO(jpeg))).std() > 5


def test_a_products_views_follow_each_other_and_show_one_thing() -> None:
    shots = plan_catalogue(count=4)
    runs = [(key, len(list(group))) for key, group in itertools.groupby(s.product_id for s in shots)]
    assert runs == [("KIT-100", 3), ("LIG-101", 1)]
    assert len({s.name for s in shots}) == 4


def test_the_whole_catalogue_has_what_was_promised() -> None:
    every = plan_catalogue(count=120)
    assert len(every) == 120
    assert {s.fault for s in every} == {None, *Defect}
    assert 40 <= len({s.product_id for s in every}) <= 41
    assert len({s.seller for s in every}) == 5
    assert 6 <= len({s.ware.category for s in every}) <= 10
    assert 0.35 <= sum(s.fault is not None for s in every) / 120 <= 0.6
    assert all(0.25 <= s.severity <= 0.9 for s in every if s.fault)
