"""``python -m scoring.tune`` runs from end to end on a CPU: one step, tiny pictures, two folds."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from scoring.core.checkpoint import read_tensor_file
from tests.images import jpeg_bytes


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of six small photos, scored."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rows = []
    for seed in range(6):
        (folder / f"{seed}.jpg").write_bytes(jpeg_bytes(seed))
        rows.append((f"{seed}.jpg", 20 + 10 * seed, f"seller {seed}"))
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "score", "seller"), *rows])
    return folder


def test_an_encoder_is_tuned_and_judged_on_folds_it_never_saw(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from scoring import tune

    out = tmp_path / "out"
    argv = ["--photos", str(photos), "--scores", str(photos / "labels.csv"), "--out", str(out)]
    small = {"steps": 1, "epochs": 1, "batch": 2, "side": 32, "device": "cpu", "folds": 2}
    argv += [word for name, value in small.items() for word in (f"--{name}", str(value))]
    assert tune.main(argv) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(told["srcc"]) == {"imagenet", "degradations", "tuned", "direct", "both"}
    assert all(len(folds) == 2 for folds in told["folds"].values())
    stage_one, tuned = (read_tensor_file(out / f"{name}.safetensors") for name in ("degradations", "encoder"))
    assert stage_one.keys() == tuned.keys()
    moved = np.abs(tuned["_conv_head.weight"].astype(np.float32) - stage_one["_conv_head.weight"])
    assert float(moved.max()) > 0


def test_the_worse_of_a_pair_is_the_more_harmed_one(photos: Path) -> None:
    from scoring.tune_pictures import Pairs

    pair = next(iter(Pairs(sorted(photos.glob("*.jpg")), seed=1, side=32)))
    assert float(pair["heavy"]) > float(pair["light"])
    assert float(pair["gap"]) == pytest.approx(0.6 * float(pair["heavy"] - pair["light"]))
    assert pair["better_whole"].shape == pair["worse_crop"].shape == (3, 32, 32)
