"""The sample catalogue is the same everywhere, shows every fault, and passes the gate."""

from __future__ import annotations

import hashlib
import io
import itertools
from dataclasses import replace

import numpy as np
from PIL import Image

from scoring.core.sample import Shot, plan_catalogue, render
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


def test_a_thing_that_lies_flat_has_clutter_around_it_too() -> None:
    clean = Shot(seed=3, product=5, view=1, fault=None, severity=0.0)
    assert clean.ware.stance == "flat"
    strewn = replace(clean, fault=Defect.CLUTTERED_BACKGROUND, severity=0.8)
    calm, busy = (rim_edges(render(shot)) for shot in (clean, strewn))
    assert busy > 3 * calm


def rim_edges(jpeg: bytes) -> float:
    """How much neighbours differ in the outer tenth of a picture, in levels."""
    luma = np.asarray(Image.open(io.BytesIO(jpeg)).convert("L").resize((100, 100)), dtype=float)
    steps = np.abs(np.diff(luma, axis=1))
    return float(np.concatenate([steps[:10], steps[-10:]]).mean())


def test_a_thing_of_which_a_sliver_is_left_in_the_picture_is_drawn() -> None:
    """At this severity a sheet covers one column of pixels at the rim."""
    assert render(Shot(seed=7, product=33, view=1, fault=Defect.CROPPED, severity=0.7422989668538476))
