"""What the weights that ship learn from: photos, their faults, and cut-outs whose transparency was lost."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from scoring import pretrain
from scoring.core.sample import FRAMED
from scoring.core.types import Defect
from scoring.labelled import TableError, read_faults
from scoring.photos import read_photo
from scoring.pretrain_plan import Task, cut_out, picture_of, plan
from scoring.pretrain_studio import take_photos

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


def seeing(tasks: list[Task]) -> list[Task]:
    return [task for task in tasks if not task.stops]


def test_on_a_blind_photo_nothing_is_seen_and_it_is_under_exposed(folders: dict[Path, bool]) -> None:
    tasks = plan(folders, None, limit=40, seed=1)
    blind = [task for task in tasks if task.stops]
    assert tasks == [*seeing(tasks), *blind]
    assert blind
    for task in blind:
        assert tasks[task.source] == replace(task, fault=None, severity=0.0, source=-1, stops=0.0)
        assert task.fault is Defect.UNDER_EXPOSED
        assert picture_of(task).rgb.max() < 30 <= picture_of(tasks[task.source]).rgb.max()


def test_cut_outs_come_last_and_only_of_shops_photos_before_a_plain_surface(
    folders: dict[Path, bool],
) -> None:
    tasks = seeing(plan(folders, None, limit=40, seed=1))
    first = next(number for number, task in enumerate(tasks) if task.is_cut_out)
    assert all(task.is_cut_out for task in tasks[first:])
    for number, task in enumerate(tasks[first:], start=first):
        assert not task.is_shop  # nor is it as a shop shows it
        front = Path(task.path)
        assert folders[front.parent.parent]
        assert int(front.parent.name) % 2 == 1
        assert task.fault is None or (tasks[task.source].path == task.path and tasks[task.source].is_cut_out)
        assert task.source < number
        assert (task.source < 0) == (task.fault is None)


def test_photos_and_faults_are_those_drawn_without_cut_outs(
    folders: dict[Path, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_cut_outs = seeing(plan(folders, None, limit=40, seed=1))
    monkeypatch.setattr("scoring.pretrain_plan.CUT_OUT_SHARE", 0.0)
    without = seeing(plan(folders, None, limit=40, seed=1))
    assert with_cut_outs[: len(without)] == without
    assert len(with_cut_outs) > len(without)


def test_a_photo_is_seen_as_the_gate_would_let_it_in(tmp_path: Path) -> None:
    path = tmp_path / "sideways.png"
    turned, half = Image.Exif(), Image.new("RGBA", (40, 20), (200, 0, 0, 255))
    half.paste((0, 0, 0, 0), (0, 0, 20, 20))
    turned[0x0112] = 6  # a phone held upright
    half.save(path, exif=turned)
    rgb = read_photo(path)
    assert rgb.shape == (40, 20, 3)
    assert (rgb[:20] == 255).all()
    assert (rgb[20:] == (200, 0, 0)).all()


def test_what_cannot_be_learned_from_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty, torn, table = tmp_path / "empty", tmp_path / "torn", tmp_path / "labels.csv"
    empty.mkdir()
    for seller in "abcdef":  # a quarter of them is never looked at
        (torn / seller).mkdir(parents=True)
        (torn / seller / "front.jpg").write_bytes(b"no picture")
    table.write_text("path,grade\na.jpg,5\n")
    for words, reason in (
        (["--photos", str(tmp_path / "gone")], "There is no folder"),
        (["--shop", str(empty)], "There are no photos in"),
        (["--data", str(table)], "labels.csv cannot be used: it needs the columns path"),
        ([], "There is nothing to learn from"),
        (["--shop", str(torn)], "front.jpg cannot be read"),
        (
            ["--studio", "1", "--backbone", "resnet"],
            "There is no backbone 'resnet'; there are lite0, lite1",
        ),
        (["--studio", "1", "--backbone", f"hf:{empty}"], ("pip install vitrine[hf]", "holds no network")),
        (["--studio", "1", "--tuned", str(empty)], "There are no weights"),
    ):
        assert pretrain.main(["--studio", "0", "--out", str(tmp_path / "out"), *words]) == 2
        told = capsys.readouterr().err
        assert any(each in told for each in ([reason] if isinstance(reason, str) else reason)), told
    assert not list(tmp_path.glob("out/*.safetensors"))


def test_what_people_saw_goes_with_the_photo_and_not_with_what_the_laboratory_made_of_it(
    folders: dict[Path, bool], tmp_path: Path
) -> None:
    seen = [
        task for task in plan(folders, None, limit=40, seed=1) if task.fault is None and not task.is_cut_out
    ]
    names = sorted({Path(task.path).relative_to(tmp_path).as_posix() for task in seen})
    told = {names[0]: {Defect.CLUTTERED_BACKGROUND: True}, names[1]: {Defect.CROPPED: False}}
    for limit in (40, 1):  # those that were not drawn come too, with no faults of their own
        tasks = plan(folders, None, limit=limit, seed=1, told=told)
        having = {Path(task.path).relative_to(tmp_path).as_posix(): task.told for task in tasks if task.told}
        assert having == told
        assert all(task.fault is None for task in tasks if task.told)


def test_a_table_of_faults_says_what_was_seen_what_not_and_what_nobody_looked_for(tmp_path: Path) -> None:
    table = tmp_path / "told.csv"
    table.write_text("path,cropped,border\nshop/a.jpg,1,0\nshop/b.jpg,,0.5\n")
    assert read_faults(table) == {
        "shop/a.jpg": {Defect.CROPPED: True, Defect.BORDER: False},
        "shop/b.jpg": {Defect.BORDER: True},
    }
    for text, reason in (
        ("path,score\na.jpg,5\n", "needs a column path and"),
        ("path,border\na,2\n", "line 2: border is 2, outside 0-1"),
        ("path,border\na,1\na,0\n", "line 3: a stands in a line before already"),
    ):
        table.write_text(text)
        with pytest.raises(TableError, match=reason):
            read_faults(table)


def test_studio_photos_are_taken_again_with_faults_of_framing(tmp_path: Path) -> None:
    studio = take_photos(tmp_path / "studio", 2, processes=1)
    tasks = plan({}, None, limit=1, seed=1, studio=studio)
    again = [task for task in tasks if task.is_taken_so]
    assert len(again) == 4
    for task in again:
        assert task.fault in FRAMED
        clean = tasks[task.source]
        assert (clean.fault, clean.group) == (None, task.group)
        assert np.array_equal(picture_of(task).rgb, read_photo(Path(task.path)))
        assert picture_of(task).rgb.shape != picture_of(clean).rgb.shape or not np.array_equal(
            picture_of(task).rgb, picture_of(clean).rgb
        )
