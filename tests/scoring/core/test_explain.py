"""Heat lies where the picture was harmed, and comes from the model's own weights."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from scoring import device
from scoring.core.decode import Picture, decode_picture
from scoring.core.degrade import Degraded, degrade_region
from scoring.core.explain import (
    EXPOSED_POINTS,
    FRAME_LEAST,
    GRID,
    HOT_POINTS,
    TILE_SIDE,
    Heat,
    _frame_costs,
    _frame_heat,
    _ill_exposed,
    drawn,
    light_of,
    tiles_of,
)
from scoring.core.foreground import estimate_foreground
from scoring.core.sample import plan_catalogue, render
from scoring.core.types import ByteArray, Defect, Finding, ImageFeatures
from scoring.device import base_head, heat_of_bytes
from tests.images import encoded


def scene(seed: int) -> ByteArray:
    """Dead leaves, 512 x 512: discs that hide each other, the usual model of what photos are made of.

    Lee, Mumford and Huang, Occlusion models for natural images, 2001.
    """
    rng = np.random.default_rng(seed)
    picture = Image.new("RGB", (1024, 1024), (128, 128, 128))
    draw = ImageDraw.Draw(picture)
    for _ in range(2500):
        radius = float(np.clip(12 * rng.pareto(1.5) + 8, 8, 180))
        x, y = rng.uniform(0, 1024, 2)
        colour = tuple(int(part) for part in rng.integers(30, 226, 3))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    return np.asarray(picture.resize((512, 512), Image.Resampling.LANCZOS))


def harmed(seed: int, fault: Defect) -> Degraded:
    return degrade_region(scene(seed), fault, 0.9, np.random.default_rng(seed))


def heat(rgb: ByteArray, **changes: object) -> Heat:
    head = replace(base_head(), **changes)  # type: ignore[arg-type]
    return heat_of_bytes(encoded(Image.fromarray(rgb), "PNG"), head=head)


def is_hit(found: Heat, where: Degraded) -> bool:
    assert where.mask is not None
    x, y = found.hottest
    return bool(where.mask[int(y * 512), int(x * 512)])


@pytest.fixture(scope="module")
def found() -> list[tuple[Degraded, Heat]]:
    cases = [harmed(seed, Defect.DEFOCUS_BLUR) for seed in range(5)]
    return [(case, heat(case.rgb)) for case in cases]


def test_the_hottest_place_is_where_the_fault_is(found: list[tuple[Degraded, Heat]]) -> None:
    hits = [is_hit(told, case) for case, told in found]
    chance = float(np.mean([case.mask.mean() for case, _ in found if case.mask is not None]))
    assert np.mean(hits) >= 0.6 > 4 * chance


def test_with_random_weights_the_heat_points_elsewhere(
    found: list[tuple[Degraded, Heat]], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, model = np.random.default_rng(1), device._feature_model(device.BASE_WEIGHTS)
    astray = replace(model, defect_weights=rng.permuted(model.defect_weights, axis=1))
    monkeypatch.setattr(device, "_feature_model", lambda _weights: astray)
    weights = base_head().coefficients
    lost = [
        is_hit(heat(case.rgb, coefficients=rng.permuted(weights, axis=1), correction=None), case)
        for case, _ in found
    ]
    hits = [is_hit(told, case) for case, told in found]
    assert np.mean(lost) <= np.mean(hits) - 0.4  # of five places an eighth is met by chance


def test_a_fault_that_the_head_would_reward_is_not_hot(found: list[tuple[Degraded, Heat]]) -> None:
    case, told = found[1]
    turned = heat(case.rgb, coefficients=-base_head().coefficients, correction=None)
    x, y = told.hottest
    assert turned.points[int(y * GRID), int(x * GRID)] < told.points.max() / 10


def accused(probability: float, felt: float) -> ImageFeatures:
    """What is said of a picture of which nothing is known but how cluttered it is."""
    vector = np.zeros(base_head().coefficients.shape[-1], dtype=np.float32)
    number = list(Defect).index(Defect.CLUTTERED_BACKGROUND)
    vector[number - len(Defect)] = felt
    finding = Finding(Defect.CLUTTERED_BACKGROUND, probability)
    return ImageFeatures("", vector, vector[:128], {}, (finding,))


def test_a_fault_of_the_frame_is_as_hot_as_what_it_costs() -> None:
    rgb = scene(1)
    picture, nothing, head = Picture(rgb), estimate_foreground(rgb), base_head()
    without, felt = accused(1.0, 0.0), accused(1.0, 1.5)
    cost = float(np.subtract(*head.unclipped(np.stack([without.vector, felt.vector]))))
    assert cost > 2 * FRAME_LEAST
    hottest = [
        _frame_heat(picture, nothing, _frame_costs(accused(probability, 1.5), head)).max()
        for probability in (0.4, 0.5, 0.75, 1.0)
    ]
    assert hottest == pytest.approx([0, 0, cost / 2, cost])
    assert (
        _frame_costs(without, head)[Defect.CLUTTERED_BACKGROUND] == FRAME_LEAST > HOT_POINTS / 10
    )  # is seen


def test_a_place_left_in_the_dark_is_hot() -> None:
    bright = 128 + scene(1) // 2  # nothing in it is dark by nature
    case = degrade_region(bright, Defect.UNDER_EXPOSED, 0.9, np.random.default_rng(1))
    assert is_hit(heat(case.rgb), case)


@pytest.mark.parametrize("fault", [Defect.UNDER_EXPOSED, Defect.OVER_EXPOSED])
def test_places_of_photos_left_in_the_dark_or_washed_out_are_hot(fault: Defect) -> None:
    shots = [shot for shot in plan_catalogue(count=90, seed=3) if shot.fault is None][:18]
    hits = []
    for seed, shot in enumerate(shots):
        case = degrade_region(decode_picture(render(shot)).rgb, fault, 0.9, np.random.default_rng(seed))
        assert case.mask is not None
        told = heat(case.rgb)
        (x, y), (height, width) = told.hottest, case.mask.shape
        hits.append(bool(case.mask[int(y * height), int(x * width)]) and told.points.max() > 1)
    assert np.mean(hits) >= 0.6  # an eighth is met by chance


@pytest.mark.parametrize(("fault", "level", "is_hot"), [(0, 30.0, True), (0, 230.0, False), (1, 230.0, True)])
def test_a_place_is_hot_that_is_darker_or_brighter_than_others_and_felt_to_be_wrong(
    fault: int, level: float, is_hot: bool
) -> None:
    named = (Defect.UNDER_EXPOSED, Defect.OVER_EXPOSED)[fault]
    model = device._feature_model(device.BASE_WEIGHTS)
    weights = np.zeros_like(model.defect_weights)
    weights[list(Defect).index(named), 0] = 1.0
    told = replace(model, defect_weights=weights, defect_bias=np.full(len(Defect), -10.0, dtype=np.float32))
    vectors = np.zeros((GRID * GRID, weights.shape[1] + len(Defect)), dtype=np.float32)
    vectors[10, 0] = 20.0
    lights = [{"product_luma_p50": level if place == 10 else 130.0} for place in range(GRID * GRID)]
    points = _ill_exposed(told, vectors, lights)
    assert bool(points[10] > 0.9 * EXPOSED_POINTS) is is_hot
    assert np.delete(points, 10).max() < 0.01


def test_light_is_measured_cell_by_cell() -> None:
    rgb = np.zeros((400, 600, 3), dtype=np.uint8)
    rgb[:200, 300:] = 255
    told = np.array([cell["product_luma_p50"] for cell in light_of(rgb)])
    assert np.array_equal(told.reshape(GRID, GRID) > 128, np.kron([[0, 1], [0, 0]], np.ones((4, 4))) > 0)


def test_mending_the_hot_places_gains_and_mending_the_cool_ones_does_not(
    found: list[tuple[Degraded, Heat]],
) -> None:
    from scoring.device import extract_features

    case, told = found[1]
    order = told.points.ravel().argsort()
    scores = []
    for cells in (np.array([], dtype=int), order[-GRID * GRID // 4 :], order[: GRID * GRID // 4]):
        chosen = np.zeros(GRID * GRID, dtype=bool)
        chosen[cells] = True
        where = np.kron(chosen.reshape(GRID, GRID), np.ones((64, 64), dtype=bool))
        mended = np.where(where[..., None], scene(1), case.rgb)
        features = extract_features([encoded(Image.fromarray(mended), "PNG")])[0]
        scores.append(float(base_head().unclipped(features.vector[None])[0]))
    assert scores[1] - scores[0] > 0.5 > scores[2] - scores[0]


@pytest.mark.parametrize("size", [(1, 1), (40, 700), (512, 512), (130, 127)])
def test_tiles_cover_every_picture(size: tuple[int, int]) -> None:
    tiles = tiles_of(np.zeros((*size, 3), dtype=np.uint8))
    assert [tile.shape for tile in tiles] == [(TILE_SIDE, TILE_SIDE, 3)] * GRID**2


def test_a_drawn_heatmap_is_clear_where_nothing_is_lost_and_red_where_much_is() -> None:
    points = np.zeros((GRID, GRID), dtype=np.float32)
    points[:, GRID // 2 :] = HOT_POINTS
    picture = Image.open(io.BytesIO(drawn(Heat(points, 70.0), width=1000, height=500)))
    assert (picture.mode, picture.size) == ("RGBA", (512, 256))
    rgba = np.asarray(picture)
    assert rgba[128, 20, 3] == 0
    red, green, _, alpha = rgba[128, 490]
    assert red > 200 > green
    assert alpha > 150
