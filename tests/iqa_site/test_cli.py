"""The ``vitrine`` command: what it passes on, what it refuses, and in which words."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from iqa_site import cli
from iqa_site.instance import Instance, Tenancy, running_instance


def test_no_command_is_refused_with_the_list_of_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([])
    assert ended.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "ingest", "score", "train", "export"])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    assert f"vitrine {command}" in capsys.readouterr().out


def test_an_unknown_option_of_run_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["run", "--prot", "9000"])
    assert ended.value.code == 2
    assert "--prot" in capsys.readouterr().err


def test_ingest_of_a_missing_path_starts_no_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    assert cli.main(["ingest", str(tmp_path / "absent"), "--data", str(data)]) == 1
    assert "There is no" in capsys.readouterr().err
    assert not data.exists()


def test_run_refuses_a_missing_folder_of_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", "--data", str(tmp_path / "data"), "--images", str(tmp_path / "absent")]
    assert cli.main(words) == 1
    assert "There is no folder" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_the_data_folder_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRINE_DATA", "/srv/vitrine")
    assert cli._parser().parse_args(["run"]).data == Path("/srv/vitrine")
    monkeypatch.delenv("VITRINE_DATA")
    assert cli._parser().parse_args(["run"]).data == Path("var")


def test_a_running_house_is_found_by_its_lock_and_forgotten_with_it(tmp_path: Path) -> None:
    assert running_instance(tmp_path) is None
    tenancy = Tenancy(tmp_path)
    assert tenancy.take() is True
    house = Instance(os.getpid(), "http://127.0.0.1:8000/", "postgresql://x", "redis://y")
    tenancy.announce(house)
    assert running_instance(tmp_path) == house
    assert (tmp_path / "run.json").stat().st_mode & 0o077 == 0
    tenancy.leave()
    assert running_instance(tmp_path) is None


def test_a_file_left_by_a_killed_tenant_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(
        json.dumps({"pid": 1, "address": "x", "database_url": "", "redis_url": ""})
    )
    assert running_instance(tmp_path) is None
    tenancy = Tenancy(tmp_path)
    assert tenancy.take() is False  # not left in order: the caller looks for leftovers
    tenancy.leave()


def test_a_tenant_that_was_refused_takes_nothing_from_the_one_who_stays(tmp_path: Path) -> None:
    tenancy, late = Tenancy(tmp_path), Tenancy(tmp_path)
    tenancy.take()
    with pytest.raises(RuntimeError, match="already runs"):
        late.take()
    late.leave()
    assert (tmp_path / "run.json").exists()
    tenancy.leave()


def test_a_command_opens_the_house_for_itself_and_leaves_it_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("DATABASE_URL", "REDIS_URL", "VITRINE_DATA"):
        monkeypatch.delenv(name, raising=False)
    data = tmp_path / "data"
    assert cli.main(["export", "--data", str(data), "--format", "csv"]) == 1
    assert "There is no such dataset" in capfd.readouterr().err  # the tables were there to be asked
    assert not (data / "run.json").exists()
    assert running_instance(data) is None
    assert cli.main(["export", "--data", str(data), "--fromat", "csv"]) == 2
    assert "--fromat" in capfd.readouterr().err
    score = ["score", str(tmp_path), "--house", str(data), "--out", str(tmp_path / "scores.csv")]
    assert cli.main([*score, "--model", "fast-99"]) == 1
    assert "There is no model fast-99. There are champion, displayed, base-" in capfd.readouterr().err
    assert not (data / "run.json").exists()


@pytest.mark.parametrize("command", ["score", "evaluate"])
def test_a_model_of_a_house_that_is_not_there_is_refused_and_none_is_made(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    house, table = tmp_path / "house", tmp_path / "labels.csv"
    table.write_text("path,score\na.jpg,5\n")
    words = {"score": ["score", str(tmp_path)], "evaluate": ["evaluate", "--data", str(table)]}[command]
    assert cli.main([*words, "--model", "champion", "--house", str(house)]) == 1
    assert f"There is no house in {house}." in capsys.readouterr().err
    assert not house.exists()
    assert cli.main([*words, "--house", str(house)]) == 1
    assert "--model" in capsys.readouterr().err
