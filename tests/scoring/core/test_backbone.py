"""Networks of other makers, built small and at random: they ship, load, fit and score like our own."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scoring import device
from scoring.core.backbone import CONFIG, encoder_module, read_backbone
from scoring.core.predict import predict_pictures
from scoring.pretrain import main
from tests.images import encoded, photo

transformers = pytest.importorskip("transformers", reason="the extra [hf] is not installed")

SMALL: dict[str, dict[str, Any]] = {
    "ConvNextConfig": {"depths": [1, 1, 1, 1], "hidden_sizes": [8, 16, 24, 32]},
    "ResNetConfig": {"depths": [1, 1, 1, 1], "hidden_sizes": [8, 16, 24, 32], "embedding_size": 8},
    "Dinov2Config": {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": 56},
}


def folder_of(kind: str, place: Path) -> Path:
    torch.manual_seed(0)
    config = getattr(transformers, kind)(**SMALL[kind])
    transformers.AutoModel.from_config(config).save_pretrained(place)
    return place


@pytest.mark.parametrize("kind", SMALL)
def test_a_network_survives_a_weights_file_and_reads_views_of_any_size(kind: str, tmp_path: Path) -> None:
    tensors = read_backbone(folder_of(kind, tmp_path / "network"))
    told, again = encoder_module(tensors), encoder_module(dict(tensors))
    for height, width in ((64, 96), (128, 32)):
        pictures = torch.rand(2, 3, height, width) * 2 - 1
        with torch.inference_mode():
            features = told(pictures)
            assert torch.equal(features, again(pictures))
        assert features.shape[0] == 2
        assert bool(torch.isfinite(features).all())
        assert float((features[0] - features[1]).abs().max()) > 0


def test_a_folder_without_a_network_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        read_backbone(tmp_path)


def test_a_base_is_made_on_it_by_one_command_and_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITRINE_DEVICE", "cpu")
    network, photos = folder_of("ResNetConfig", tmp_path / "network"), tmp_path / "photos"
    photos.mkdir()
    with (photos / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "sender_id"])
        for number in range(16):
            photo(number, width=160, height=128).save(photos / f"{number}.png")
            table.writerow([f"{number}.png", number])
    asked = ["--photos", str(photos), "--rendered", "0", "--size", "16", "--processes", "1"]
    assert main([*asked, "--backbone", f"hf:{network}", "--out", str(tmp_path / "out")]) == 0
    weights = tmp_path / "out" / "base.safetensors"
    assert f"encoder.{CONFIG}" in device._tensors(weights)
    features = device.extract_features([encoded(photo(99)), encoded(photo(98))], weights=weights)
    said = predict_pictures(head=device.base_head(weights), features=features)
    assert all(0 <= each.overall_score <= 100 for each in said)
    assert not np.array_equal(features[0].vector, features[1].vector)
    assert device.is_ready(weights)
