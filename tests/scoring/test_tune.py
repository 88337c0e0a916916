"""Tuning an encoder and fitting what ships on it run from end to end on a CPU: tiny pictures, two folds."""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np
import pytest

from bench.fresh.unscored import unscored_weights
from scoring.core.checkpoint import read_tensor_file
from scoring.core.network import imagenet_encoder
from scoring.encoders import UNSCORED, read_encoder
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
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from scoring import device, pretrain, tune

    monkeypatch.setattr(pretrain, "CALIBRATION_ROWS", 4)
    out = tmp_path / "out"
    argv = ["--photos", str(photos), "--scores", str(photos / "labels.csv"), "--out", str(out)]
    small = {"steps": 1, "epochs": 1, "batch": 2, "side": 32, "device": "cpu", "folds": 2}
    argv += [word for name, value in small.items() for word in (f"--{name}", str(value))]
    assert tune.main(argv) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(told["srcc"]) == {"imagenet", "degradations", "tuned", "direct", "both"}
    assert all(len(folds) == 2 for folds in told["folds"].values())
    stage_one, tuned = (read_tensor_file(out / f"{name}.safetensors") for name in ("degradations", "encoder"))
    assert tuned.keys() == {name for name in stage_one if name.startswith("encoder.")} | {UNSCORED}
    assert tuned[UNSCORED] == 0  # people's scores moved it: benches must not ask it about them
    name = "encoder._conv_head.weight"
    untuned = imagenet_encoder().state_dict()["_conv_head.weight"].half().numpy()
    assert float(np.abs(tuned[name].astype(np.float32) - untuned).max()) > 0

    base = tmp_path / "base"
    argv = ["--photos", str(photos), "--scores", str(photos / "labels.csv"), "--tuned", str(out)]
    argv += ["--out", str(base), "--studio", "0", "--size", "8", "--processes", "2"]
    assert pretrain.main(argv) == 0
    with (base / "left_out.csv").open(newline="") as file:
        left_out = list(csv.DictReader(file))
    assert [row["name"] for row in left_out] == [f"{seed}.jpg" for seed in range(6)]
    assert all(0 <= float(row["guess"]) <= 100 and float(row["doubt"]) > 0 for row in left_out)
    assert unscored_weights(out / "fold0.safetensors", sorted(photos.glob("*.jpg")), tmp_path).exists()
    blob = (photos / "0.jpg").read_bytes()
    features = device.extract_features([blob], weights=base / "base.safetensors")
    said = device.base_head(base / "base.safetensors").predict(features[0].vector[None])
    assert 0 <= said.overall[0] <= 100


def test_the_encoder_written_is_a_mean_of_tuned_and_untuned_weights(tmp_path: Path) -> None:
    from scoring.tune import write_mixed

    encoder = imagenet_encoder()
    name = "_conv_head.weight"
    untuned = encoder.state_dict()[name].numpy().copy()
    encoder.state_dict()[name].add_(8.0)
    write_mixed(encoder, argparse.Namespace(out=tmp_path, seed=1, mix=0.25, scores=None))
    assert read_encoder(tmp_path / "encoder.safetensors").unscored
    written = read_tensor_file(tmp_path / "encoder.safetensors")[f"encoder.{name}"].astype(np.float32)
    assert written - untuned == pytest.approx(np.full(untuned.shape, 2.0), abs=0.01)


def test_the_worse_of_a_pair_is_the_more_harmed_one(photos: Path) -> None:
    from scoring.tune_pictures import Pairs

    pair = next(iter(Pairs(sorted(photos.glob("*.jpg")), seed=1, side=32)))
    assert float(pair["heavy"]) > float(pair["light"])
    assert float(pair["gap"]) == pytest.approx(0.6 * float(pair["heavy"] - pair["light"]))
    assert pair["better_whole"].shape == pair["worse_crop"].shape == (32, 32, 3)
