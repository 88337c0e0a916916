"""What the weights that ship learn from: photos, their faults, and cut-outs whose transparency was lost."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from scoring.pretrain_plan import cut_out, plan

SIDE = 120


def on_white(seed: int) -> Image.Image:
    """A dark thing in the middle of white, textured so that no other is like it."""
    image = Image.new("RGB", (SIDE, SIDE), "white")
    ImageDraw.Draw(image).rectangle((35, 30, 85, 90), fill=(40 + seed, 60, 90))
    return image


def busy(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8))


@pytest.fixture
def folders(tmp_path: Path) -> dict[Path, bool]:
    for name in ("people", "shop"):
        for number in range(40):
            place = tmp_path / name / f"{number}"
            place.mkdir(parents=True)
            (on_white(number) if number % 2 else busy(number)).save(place / "front.png")
    return {tmp_path / "people": False, tmp_path / "shop": True}


def test_a_cut_out_keeps_the_product_and_blackens_what_is_behind() -> None:
    rgb = np.asarray(on_white(0))
    cut = cut_out(rgb)
    assert (cut[5:20, 5:20] == 0).all()
    assert np.array_equal(cut[45:75, 45:75], rgb[45:75, 45:75])


def test_what_stands_before_no_plain_surface_is_not_cut() -> None:
    rgb = np.asarray(busy(1))
    assert np.array_equal(cut_out(rgb), rgb)


def test_cut_outs_come_last_and_only_of_shops_photos_before_a_plain_surface(
    folders: dict[Path, bool],
) -> None:
    tasks = plan(folders, None, limit=40, seed=1)
    first = next(number for number, task in enumerate(tasks) if task.is_cut_out)
    assert all(task.is_cut_out for task in tasks[first:])
    for number, task in enumerate(tasks[first:], start=first):
        assert task.is_shop
        front = Path(task.path)
        assert folders[front.parent.parent]
        assert int(front.parent.name) % 2 == 1
        assert task.fault is None or (tasks[task.source].path == task.path and tasks[task.source].is_cut_out)
        assert task.source < number
        assert (task.source < 0) == (task.fault is None)


def test_photos_and_faults_are_those_drawn_without_cut_outs(
    folders: dict[Path, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_cut_outs = plan(folders, None, limit=40, seed=1)
    monkeypatch.setattr("scoring.pretrain_plan.CUT_OUT_SHARE", 0.0)
    without = plan(folders, None, limit=40, seed=1)
    assert with_cut_outs[: len(without)] == without
    assert len(with_cut_outs) > len(without)
