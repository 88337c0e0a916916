"""The figures page is made from the lines the benches print."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from django.urls import resolve

from bench import table
from bench.claims import report
from bench.fresh import unscored
from scoring import device
from scoring.core.checkpoint import read_tensor_file, write_tensors
from scoring.core.network import imagenet_encoder
from scoring.encoders import UNSCORED

ROOT = Path(__file__).parents[2]


def test_a_claim_becomes_a_row_and_the_rest_of_the_page_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report("later start to first page", 1.66666, "s", "<= 8", True)
    report("pages | per second", 12, "1/s", ">= 10", None, "the peer: 4")
    claims, page = tmp_path / "claims.jsonl", tmp_path / "performance.md"
    claims.write_text("noise of a tool\n" + capsys.readouterr().out)
    page.write_text(f"# Head\n\n{table.BEGIN}\nold\n{table.END}\n\nTail\n")
    for _ in range(2):
        table.main(str(claims), str(page))
    text = page.read_text()
    assert text.startswith("# Head\n")
    assert text.endswith("\n\nTail\n")
    assert "old" not in text
    assert text.count("| later start to first page | 1.6667 s | <= 8 | yes |  |") == 1
    assert "| pages \\| per second | 12 1/s | >= 10 |  | the peer: 4 |" in text


def test_a_bar_that_was_not_met_fails_the_bench_after_writing_it_down(tmp_path: Path) -> None:
    claims, page = tmp_path / "claims.jsonl", tmp_path / "performance.md"
    line = {"claim": "start", "value": 9.0, "unit": "s", "bar": "<= 8", "passed": False, "compared_with": ""}
    claims.write_text(json.dumps(line) + "\n")
    with pytest.raises(SystemExit, match="start"):
        table.main(str(claims), str(page))
    assert "**no**" in page.read_text()


def test_every_bench_ends_in_a_claim() -> None:
    for script in (ROOT / "bench").glob("*.py"):
        if script.name not in {"__init__.py", "claims.py", "table.py"}:
            assert "from bench.claims import report" in script.read_text(), script.name


def test_scored_pictures_are_not_asked_of_an_encoder_that_may_have_seen_their_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = read_tensor_file(device.BASE_WEIGHTS)
    projection = {name: value for name, value in shipped.items() if not name.startswith("encoder.")}
    plain = {
        f"encoder.{name}": value.numpy().astype(np.float16)
        for name, value in imagenet_encoder().state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    of_faults, of_scores = (
        tmp_path / f"{write_tensors(tmp_path, plain | projection | mark, {})}.safetensors"
        for mark in ({UNSCORED: np.ones(1, np.uint8)}, {UNSCORED: np.zeros(1, np.uint8)})
    )
    picture = tmp_path / "a.jpg"
    picture.write_bytes(b"a")
    fitted: list[Path | None] = []

    def fit(given: Path | None, _pictures: list[Path], kept: Path) -> None:
        fitted.append(given)
        kept.write_bytes(b"fitted")

    monkeypatch.setattr(unscored, "_fit", fit)
    monkeypatch.setattr(device, "BASE_WEIGHTS", of_faults)
    assert unscored.unscored_weights(None, [picture], tmp_path) == of_faults
    monkeypatch.setattr(device, "BASE_WEIGHTS", of_scores)
    kept = unscored.unscored_weights(None, [picture], tmp_path)
    assert kept == unscored.unscored_weights(None, [picture], tmp_path)  # fitted once
    assert (fitted, kept.read_bytes()) == ([None], b"fitted")
    assert (
        unscored.unscored_weights(of_scores, [picture], tmp_path) == of_scores
    )  # who names it vouches for it
    alone = tmp_path / f"{write_tensors(tmp_path, plain, {})}.safetensors"
    assert unscored.unscored_weights(alone, [picture], tmp_path).read_bytes() == b"fitted"
    assert fitted == [None, alone]


def test_the_spec_for_other_people_s_drivers_speaks_of_addresses_that_exist() -> None:
    spec = json.loads((ROOT / "bench" / "peers" / "ours.json").read_text(encoding="utf-8"))
    for name, op in spec["ops"].items():
        path = op["path"].split("?")[0].replace("{project}", "1")
        assert resolve(path).url_name, name
