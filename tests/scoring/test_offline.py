"""``vitrine score``: every file gets a row, whatever the files are."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scoring.core.types import Defect, Dimension, grade_of
from scoring.offline import BATCH, DIED, HEADER, FileScore, files_below, score_folder


def length_as_score(paths: Sequence[str]) -> list[FileScore]:
    """Overall is the file's length; an empty file is refused, a file named ``deadly`` ends the process."""
    for path in paths:
        if path.endswith("deadly"):
            os._exit(9)
    sizes = [Path(path).stat().st_size for path in paths]
    return [
        FileScore(
            overall=float(size),
            std=1.0,
            interval=(0.0, size + 2.0),
            grade="bad",
            votes=(0.5, 0.5, 0.0, 0.0, 0.0),
            dimensions={str(name): 50.0 for name in Dimension},
            defects={str(name): 0.25 for name in Defect},
        )
        if size
        else FileScore(error="The file is empty.")
        for size in sizes
    ]


def rows_of(out: Path) -> list[dict[str, str]]:
    with out.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    return folder


def test_the_header_is_the_one_the_docs_name_then_every_defect() -> None:
    documented = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    named = documented.partition("writes one row per file:\n`")[2].partition("`")[0].split(",")
    assert list(HEADER) == [*named, *map(str, Defect), "error"]
    assert named[6:11] == [f"votes_{vote}" for vote in range(1, 6)]
    assert named[11:] == list(map(str, Dimension))


def test_every_file_gets_a_row_in_a_stable_order(folder: Path, tmp_path: Path) -> None:
    (folder / "b").mkdir()
    for name, size in (("a.jpg", 3), ("b/c.png", 5), ("b/empty", 0), ("名.webp", 7)):
        (folder / name).write_bytes(b"x" * size)
    out = tmp_path / "scores.csv"
    assert score_folder(folder, out=out, scorer=length_as_score) == 0
    assert [(row["path"], row["overall"], row["error"]) for row in rows_of(out)] == [
        ("a.jpg", "3.00", ""),
        ("名.webp", "7.00", ""),
        ("b/c.png", "5.00", ""),
        ("b/empty", "", "The file is empty."),
    ]
    first, refused = rows_of(out)[0], rows_of(out)[3]
    assert [first[name] for name in ("low", "high", "grade", "votes_2", "sharpness", "cropped")] == [
        *("0.00", "5.00", "bad", "0.5000", "50.00", "0.2500"),
    ]
    assert {value for name, value in refused.items() if name not in ("path", "error")} == {""}


def test_a_file_that_kills_its_process_costs_only_its_own_scores(folder: Path, tmp_path: Path) -> None:
    for number in range(2 * BATCH):
        (folder / f"{number:02d}").write_bytes(b"x" * (number + 1))
    (folder / "03 deadly").write_bytes(b"x")
    out = tmp_path / "scores.csv"
    assert score_folder(folder, out=out, scorer=length_as_score) == 0
    rows = {row["path"]: row for row in rows_of(out)}
    assert rows.pop("03 deadly")["error"] == DIED
    assert [row["error"] for row in rows.values()] == [""] * 2 * BATCH
    assert rows["15"]["overall"] == "16.00"


def test_a_name_a_spreadsheet_would_run_is_quoted(folder: Path, tmp_path: Path) -> None:
    for start in "=+-@":
        (folder / f"{start}cmd").write_bytes(b"x")
    out = tmp_path / "scores.csv"
    score_folder(folder, out=out, scorer=length_as_score)
    assert sorted(row["path"] for row in rows_of(out)) == ["'+cmd", "'-cmd", "'=cmd", "'@cmd"]


def test_a_name_that_is_no_text_still_gets_a_row(folder: Path, tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.jpg")).write_bytes(b"xx")
    out = tmp_path / "scores.csv"
    assert score_folder(folder, out=out, scorer=length_as_score) == 0
    assert [(row["path"], row["overall"]) for row in rows_of(out)] == [("\ufffd.jpg", "2.00")]


def test_the_answer_of_an_earlier_run_is_not_scored(folder: Path) -> None:
    (folder / "a").write_bytes(b"x")
    (folder / "scores.csv").write_text("old")
    assert [path.name for path in files_below(folder, leave_out=folder / "scores.csv")] == ["a"]


def test_a_missing_folder_is_said_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scores.csv"
    assert score_folder(tmp_path / "absent", out=out) == 2
    assert "There is no folder" in capsys.readouterr().err
    assert not out.exists()


def test_an_empty_folder_gives_the_header_alone(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    assert score_folder(folder, out=out, scorer=length_as_score) == 0
    assert out.read_text(encoding="utf-8").strip() == ",".join(HEADER)


def test_an_answer_is_replaced_whole_or_not_at_all(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a").write_bytes(b"x")
    out = tmp_path / "scores.csv"
    out.write_text("what was there before")

    def full_disk(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        score_folder(folder, out=out, scorer=length_as_score)
    assert out.read_text() == "what was there before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scores.csv", "shop"]


def slow(paths: Sequence[str]) -> list[FileScore]:
    time.sleep(2.2)
    return length_as_score(paths)


def test_progress_says_how_fast_and_how_long(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3 * BATCH):
        (folder / str(number)).write_bytes(b"x")
    score_folder(folder, out=tmp_path / "scores.csv", scorer=slow)
    told = capsys.readouterr().err
    assert "a second" in told
    assert "left" in told
    assert f"{3 * BATCH} files in" in told


def without_a_model(paths: Sequence[str]) -> list[FileScore]:
    raise FileNotFoundError("base head")


def test_a_model_that_cannot_score_anything_is_a_failure(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "a").write_bytes(b"x")
    out = tmp_path / "scores.csv"
    assert score_folder(folder, out=out, scorer=without_a_model) == 1
    assert "base head" in rows_of(out)[0]["error"]
    assert "Nothing could be scored" in (said := capsys.readouterr().err)
    assert "base head" in said


def test_the_shipped_model_scores_a_picture_and_refuses_a_text(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITRINE_CACHE", str(tmp_path / "cache"))
    noise = np.random.default_rng(7).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "noise.png")
    (folder / "note.txt").write_text("no picture")
    os.mkfifo(folder / "pipe")
    out = tmp_path / "scores.csv"
    assert score_folder(folder, out=out) == 0
    picture, text, pipe = rows_of(out)
    assert picture["error"] == ""
    low, overall, high = (float(picture[name]) for name in ("low", "overall", "high"))
    assert 0.0 <= low <= overall <= high <= 100.0
    assert picture["grade"] == grade_of(overall)
    assert sum(float(picture[f"votes_{vote}"]) for vote in range(1, 6)) == pytest.approx(1.0, abs=3e-4)
    assert all(0.0 <= float(picture[str(name)]) <= 1.0 for name in Defect)
    assert (text["overall"], pipe["overall"]) == ("", "")
    assert "not a JPEG" in text["error"]
    assert "pipe" in pipe["error"]
