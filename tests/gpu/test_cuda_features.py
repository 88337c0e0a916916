"""The card says what the processor says: features, scores, places, heat; it never asks for too much."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image

from scoring import device
from scoring.core import look
from scoring.core.decode import PictureError, decode_picture
from scoring.core.measures import MEASURE_NAMES
from scoring.core.predict import predict_pictures
from scoring.core.types import Defect, ImageFeatures, Prediction
from tests.gpu.pictures import SIZES, picture_bytes, pictures
from tests.images import encoded, photo

pytestmark = pytest.mark.timeout(300)  # slow is not wrong: a first look may wait for many plans of cuDNN
On = Callable[[str], None]
POINTS, CHANCE = 2.0, 0.05  # apart, at most: scores, and probabilities of defects
GB = 2**30
FORKED = """
import os
from scoring import device
from tests.images import encoded, photo
blobs = [encoded(photo(1))]
child = os.fork()  # as Celery starts its processes
if child == 0:
    device.extract_features(blobs)
    import torch
    os._exit(0 if torch.cuda.memory_allocated() > 0 else 3)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
KEPT_OFF = """
import sys
from scoring import device
from tests.images import encoded, photo
device.warm_up()
device.extract_features([encoded(photo(1))])
assert "torch" not in sys.modules, "torch was loaded"
from scoring.deep_course import best_device
assert best_device() == "cpu"
"""


def said_by(on: On, place: str, blobs: list[bytes]) -> tuple[list[ImageFeatures], list[Prediction]]:
    on(place)
    began = time.monotonic()
    features = device.extract_features(blobs)
    print(f"{len(blobs)} pictures on the {place}: {time.monotonic() - began:.1f} s")
    return features, predict_pictures(head=device.base_head(), features=features)


def is_measured_alike(ours: ImageFeatures, theirs: ImageFeatures) -> bool:
    return float(np.abs(ours.vector - theirs.vector).max()) < 0.25 and ours.measures == pytest.approx(
        theirs.measures, rel=0.2, abs=2.0
    )


def test_features_and_scores_agree_at_every_size_and_shape(on: On) -> None:
    here, there = (said_by(on, place, pictures()) for place in ("processor", "card"))
    sizes = SIZES + SIZES[:5]
    for size, ours, theirs in zip(sizes, here[0], there[0], strict=True):
        network = np.abs(ours.vector - theirs.vector)[: -len(MEASURE_NAMES) - len(Defect)]
        assert float(network.max()) < 0.25, size
        assert float(ours.embedding @ theirs.embedding) > 0.998, size
    # Where a place is the product or not by a hair, all that is measured on the product hangs on it.
    alike = [is_measured_alike(*both) for both in zip(here[0], there[0], strict=True)]
    assert sum(alike) >= len(sizes) - 1, [size for size, same in zip(sizes, alike, strict=True) if not same]
    for n in np.flatnonzero(alike):
        mine, other, size = here[1][n], there[1][n], sizes[n]
        assert abs(mine.overall_score - other.overall_score) <= POINTS, size
        assert abs(mine.overall_std - other.overall_std) <= POINTS, size
        for name, value in mine.dimensions.items():
            assert abs(value - other.dimensions[name]) <= 2 * POINTS, (size, name)
        for defect, chance in mine.defects.items():
            assert abs(chance - other.defects[defect]) <= CHANCE, (size, defect)


def test_a_picture_is_told_the_same_alone_and_among_others(on: On) -> None:
    on("card")
    together = device.extract_features(pictures())
    for blob, among in zip(pictures(), together, strict=True):
        alone = device.extract_features([blob])[0]
        assert float(np.abs(alone.vector - among.vector).max()) < 0.1


def test_a_damaged_picture_among_others_is_refused_alone(on: On) -> None:
    on("card")
    told = device.extract_each([picture_bytes(1, 96, 64), b"no picture", picture_bytes(2, 1, 1)])
    assert [type(each) for each in told] == [ImageFeatures, PictureError, ImageFeatures]


def test_the_product_is_found_in_the_same_place_before_a_busy_background(on: On) -> None:
    rng = np.random.default_rng(5)
    across, down = np.sin(np.linspace(0, 50, 480)), np.cos(np.linspace(0, 40, 400))
    waves = 40 * (down[:, None] * across)[..., None]
    for seed in range(4):
        busy = np.asarray(photo(seed, width=480, height=400)).astype(np.float32)
        noisy = np.clip(busy + waves + rng.normal(0, 12, busy.shape), 0, 255).astype(np.uint8)
        blob = encoded(Image.fromarray(noisy))
        found = []
        for place in ("processor", "card"):
            on(place)
            found.append(device.foreground_of(decode_picture(blob)))
        ours, theirs = found
        both, either = (ours.mask & theirs.mask).sum(), (ours.mask | theirs.mask).sum()
        assert both >= 0.97 * either


def test_the_heat_of_a_picture_lies_in_the_same_places(on: On) -> None:
    pixels = np.array(photo(3, width=640, height=640))
    grain = np.random.default_rng(0).normal(0, 45, (200, 200, 3))
    pixels[:200, :200] = np.clip(pixels[:200, :200] + grain, 0, 255)
    blob, heats = encoded(Image.fromarray(pixels)), []
    for place in ("processor", "card"):
        on(place)
        heats.append(device.heat_of_bytes(blob, head=device.base_head()))
    ours, theirs = heats
    assert ours.points.std() > 0
    assert np.corrcoef(ours.points.ravel(), theirs.points.ravel())[0, 1] > 0.98
    assert abs(ours.reference - theirs.reference) <= POINTS


def test_many_small_pictures_ask_for_no_more_memory_than_some(on: On, card: str) -> None:
    on("card")
    small = [picture_bytes(seed, 64, 48) for seed in range(12)] * 25
    if card == "cuda":
        torch.cuda.reset_peak_memory_stats()
    told = device.extract_features(small)
    assert len(told) == 300
    np.testing.assert_allclose(told[0].vector, told[-12].vector, atol=0.05)
    if card == "cuda":
        assert torch.cuda.max_memory_allocated() < 2 * GB


def test_short_of_memory_it_takes_fewer_at_once(on: On, card: str) -> None:
    if card != "cuda":
        pytest.skip("a processor's memory is not counted")
    on("card")
    blobs = [picture_bytes(seed, 256, 256) for seed in range(64)]
    ample = device.extract_features(blobs)
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    whole = torch.cuda.get_device_properties(0).total_memory
    allowed = torch.cuda.memory_allocated() + 300 * 2**20
    torch.cuda.set_per_process_memory_fraction(allowed / whole)
    try:
        with pytest.raises(torch.OutOfMemoryError):
            torch.empty(400 * 2**20, dtype=torch.uint8, device="cuda")
        before = torch.cuda.memory_stats()["num_ooms"]
        scarce = device.extract_features(blobs)
        assert torch.cuda.memory_stats()["num_ooms"] > before
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    for one, other in zip(ample, scarce, strict=True):
        assert float(np.abs(one.vector - other.vector).max()) < 0.1


def test_a_batch_is_bounded_by_its_pixels(on: On, monkeypatch: pytest.MonkeyPatch) -> None:
    on("card")
    blobs = [picture_bytes(seed, 320, 240) for seed in range(8)]
    at_once = device.extract_features(blobs)
    monkeypatch.setattr(look, "PIXELS_AT_ONCE", 1)
    for one, other in zip(at_once, device.extract_features(blobs), strict=True):
        assert float(np.abs(one.vector - other.vector).max()) < 0.1


def ended(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_forked_worker_computes_on_the_card(card: str) -> None:
    if card != "cuda":
        pytest.skip("a processor needs no context of its own")
    run = ended(FORKED, VITRINE_DEVICE="")
    assert run.returncode == 0, run.stderr[-2000:]


def test_kept_to_the_processor_it_never_loads_what_drives_the_card() -> None:
    run = ended(KEPT_OFF, VITRINE_DEVICE="cpu")
    assert run.returncode == 0, run.stderr[-2000:]
