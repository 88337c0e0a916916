"""``vitrine evaluate``: a CSV of labels in, figures out."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from scoring import device
from scoring.core.head import Head
from scoring.evaluate import Choose, main, parted
from scoring.kept import Chosen, KeptModel
from scoring.labelled import read_labels
from scoring.offline import FileScore


def by_name(paths: Sequence[str]) -> list[FileScore]:
    """The file's name is its score; one named ``gone`` cannot be scored."""
    found = []
    for path in paths:
        stem = Path(path).stem
        if stem == "gone":
            found.append(FileScore(error="The file cannot be read."))
        else:
            score = float(stem)
            found.append(
                FileScore(
                    overall=score, std=5.0, interval=(score - 8, score + 8), defects={"noise": score / 100}
                )
            )
    return found


def labels(folder: Path, rows: Sequence[Sequence[object]], header: Sequence[str]) -> Path:
    table = folder / "labels.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return table


def test_a_report_is_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [[f"mugs/{k}.jpg", k + 1, "mugs", 20, 100, int(k >= 50)] for k in range(10, 90, 4)]
    table = labels(
        tmp_path,
        [*rows, ["gone.jpg", 5, "", 20, 100, 0]],
        ("path", "score", "category", "std", "votes", "noise"),
    )
    assert main(["--data", str(table), "--out", str(tmp_path / "out")], scorer=by_name) == 0
    text, aside = capsys.readouterr()
    assert "SRCC      1.000 [1.000, 1.000]" in text
    assert "1 of 21 pictures could not be scored:\n  gone.jpg: The file cannot be read." in aside
    told = json.loads((tmp_path / "out" / "report.json").read_text())
    assert told["rmse"]["value"] == 1.0
    assert told["coverage"]["value"] == 1.0
    assert told["defects"]["noise"]["f1"]["value"] == 1.0
    assert told["categories"]["mugs"]["pictures"] == 20
    assert told["ceiling"]["srcc"] > 0.99
    assert told["spread"]["pictures"] == 20
    assert "how far people differ over 20 pictures, foretold from the score: RMSE " in text
    with (tmp_path / "out" / "predictions.csv").open(newline="") as file:
        assert [row["path"] for row in csv.DictReader(file)] == [row[0] for row in rows]
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "report.json",
        "report.txt",
        "scatter.svg",
        "intervals.svg",
        "predictions.csv",
    }


def house_with(head: Head, taught: frozenset[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Choose:
    """A house whose champion has this head and was taught by these pictures."""
    monkeypatch.setattr(KeptModel, "head", lambda _: head)

    def choose(name: str, house: Path | None) -> Chosen:
        if (name, house) != ("champion", folder):
            raise RuntimeError(f"There is no model {name}.")
        return Chosen(KeptModel("fast-7", folder), taught)

    return choose


def test_a_model_of_a_house_is_named_keeps_its_categories_intervals_and_is_not_flattered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [[f"{k}.jpg", k + 9, "mugs" if k < 50 else "hats"] for k in range(10, 90, 7)]
    table = labels(tmp_path, rows, ("path", "score", "category"))
    for k in (10, 52):
        (tmp_path / f"{k}.jpg").write_bytes(b"picture %d" % k)
    digest = hashlib.sha256(b"picture 10").hexdigest()
    head = replace(device.base_head(), interval_factor=2.0, category_factors={"mugs": 1.0})
    house = house_with(head, frozenset([digest]), tmp_path, monkeypatch)
    words = ["--data", str(table), "--out", str(tmp_path), "--house", str(tmp_path), "--unseen"]
    assert main([*words, "--model", "champion"], scorer=by_name, choose=house) == 0
    text, aside = capsys.readouterr()
    assert text.startswith("Model: fast-7\n11 pictures;")
    assert aside == "1 of 12 pictures taught this model or set its intervals: left out.\n"
    told = json.loads((tmp_path / "report.json").read_text())
    assert (told["model"], told["taught_by_these"], told["pictures"]) == ("fast-7", 0, 11)
    away = told["coverage"]["value"]  # 9 points: inside 2 x 5 of six hats, outside 1 x 5 of five mugs
    assert away == pytest.approx(6 / 11, abs=1e-3)
    assert main([*words, "--model", "fast-8"], scorer=by_name, choose=house) == 1
    assert "There is no model fast-8." in capsys.readouterr().err
    rows_kept, taught = parted(read_labels(table).rows, frozenset([digest]), unseen=False)
    assert (len(rows_kept), taught) == (12, 1)
    assert "figures on them flatter it; --unseen leaves them out." in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--unseen"], ["--house", "."]])
def test_words_about_a_house_without_a_model_are_refused(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = labels(tmp_path, [["5.jpg", 5], ["6.jpg", 6]], ("path", "score"))
    assert main(["--data", str(table), *words], scorer=by_name) == 1
    assert "belong to --model" in capsys.readouterr().err


def test_votes_1_to_5_are_read_as_scores(tmp_path: Path) -> None:
    table = labels(tmp_path, [["a.jpg", 3, 0.5, 25]], ("path", "mos", "std", "votes"))
    row = read_labels(table).rows[0]
    assert (row.score, row.spread, row.variance) == (50.0, 12.5, 12.5**2 / 25)


@pytest.mark.parametrize(
    ("header", "row", "reason"),
    [
        (("file", "score"), ["a", 5], "columns path"),
        (("path", "grade"), ["a", 5], "columns path"),
        (("path", "score"), ["a", 101], "line 2: score is 101, outside 0-100"),
        (("path", "score"), ["a", "good"], "line 2: score is 'good', not a number"),
        (("path", "score"), ["a", "nan"], "line 2: score is nan, outside 0-100"),
        (("path", "score"), ["a", ""], "line 2: it has neither a score"),
        (("path", "mos"), ["a", "6"], "line 2: mos is 6, outside 1-5"),
        (("path", "score"), ["a"], "line 2: it has 1 cells, the header 2"),
        (("path", "score"), ["", 5], "line 2: it names no picture"),
        (("path", "score", "std", "votes"), ["a", 5, 9, -4], "line 2: votes is -4, outside what"),
        (("path", "score", "std", "votes"), ["a", 5, "inf", 4], "line 2: std is inf, outside what"),
        (("path", "score", "noise"), ["a", 5, "yes"], "line 2: noise is 'yes', not a number"),
        (("path", "score", "noise"), ["a", 5, 2], "line 2: noise is 2, outside 0-1"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], header: Sequence[str], row: list[object], reason: str
) -> None:
    assert main(["--data", str(labels(tmp_path, [row], header))], scorer=by_name) == 2
    assert reason in capsys.readouterr().err


def test_a_picture_named_twice_is_refused_since_it_would_count_twice(tmp_path: Path) -> None:
    table = labels(tmp_path, [["a.jpg", 5], ["b.jpg", 6], ["./a.jpg", 7]], ("path", "score"))
    with pytest.raises(ValueError, match=r"line 4: \./a\.jpg stands in line 2 already"):
        read_labels(table)


def test_a_table_as_spreadsheets_write_it_is_read_and_unknown_columns_are_named(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_bytes("\ufeffpath; score ;seller;blurry\r\nä b.jpg; 7.5;anna;1\r\n\r\n".encode())
    told = read_labels(table)
    assert [(row.name, row.score) for row in told.rows] == [("ä b.jpg", 7.5)]
    assert told.passed_over == ["seller", "blurry"]
    table.write_bytes("path,score\nä,5\n".encode("utf-16"))
    with pytest.raises(ValueError, match="not text in UTF-8"):
        read_labels(table)


def test_nothing_to_measure_is_an_error(tmp_path: Path) -> None:
    table = labels(tmp_path, [["gone.jpg", 5]], ("path", "score"))
    assert main(["--data", str(table)], scorer=by_name) == 1
