"""Which graph a processor runs, and that the two of one weights file say the same as far as scores go."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from scoring import device
from scoring.core.checkpoint import read_tensor_file
from scoring.core.decode import PictureError, decode_picture
from scoring.core.features import views_of
from scoring.core.predict import predict_pictures
from scoring.core.quantise import measured_ranges, without_ranges
from scoring.core.types import ImageFeatures
from tests.images import encoded, photo

BLOBS = [encoded(photo(seed, width=320, height=240)) for seed in range(6)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def ranged(folder: Path) -> Path:
    """The shipped weights with ranges from pictures that no test here asks about."""
    views = [views_of(decode_picture(encoded(photo(seed, width=320, height=240)))) for seed in range(20, 26)]
    ranges = measured_ranges(
        device.encoder_tensors(), [view for each in views for view in (each.whole, each.crop)]
    )
    path = folder / "ranged.safetensors"
    path.write_bytes(save(read_tensor_file(device.BASE_WEIGHTS) | ranges.tensors()))
    return path


@pytest.fixture(scope="module")
def plain(folder: Path) -> Path:
    path = folder / "plain.safetensors"
    tensors = read_tensor_file(device.BASE_WEIGHTS)
    path.write_bytes(save(without_ranges(tensors)))
    return path


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VITRINE_CACHE", str(tmp_path))
    monkeypatch.setenv("VITRINE_DEVICE", "cpu")
    monkeypatch.delenv("VITRINE_PRECISION", raising=False)
    device._loaded_encoder.cache_clear()


def overall_by(weights: Path, monkeypatch: pytest.MonkeyPatch, precision: str) -> np.ndarray:
    monkeypatch.setenv("VITRINE_PRECISION", precision)
    device._loaded_encoder.cache_clear()
    features = device.extract_features(BLOBS, weights=weights)
    said = predict_pictures(head=device.base_head(weights), features=features)
    return np.array([each.overall_score for each in said])


def test_bytes_are_multiplied_where_the_processor_does_so_exactly_and_the_weights_know_their_ranges(
    ranged: Path, plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "EXACT_INT8", set(Path("/proc/cpuinfo").read_text().split()))
    assert (device.precision(ranged), device.precision(plain)) == ("int8", "fp32")
    monkeypatch.setattr(device, "EXACT_INT8", {"no such flag"})
    assert (device.precision(ranged), device.precision(plain)) == ("fp32", "fp32")


def test_the_operator_may_ask_for_either_and_a_wrong_spelling_asks_for_nothing(
    ranged: Path, plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = device.precision(ranged)
    told = {}
    for asked in ("int8", "fp32", "fp8"):
        monkeypatch.setenv("VITRINE_PRECISION", asked)
        told[asked] = (device.precision(ranged), device.precision(plain))
    assert told == {"int8": ("int8", "fp32"), "fp32": ("fp32", "fp32"), "fp8": (usual, "fp32")}


def test_both_precisions_say_nearly_the_same_score_and_share_a_version(
    ranged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = device.feature_version(ranged)
    exact, quick = (overall_by(ranged, monkeypatch, precision) for precision in ("fp32", "int8"))
    assert 0 < np.abs(exact - quick).max() < 6
    assert device.feature_version(ranged) == version


def test_each_precision_keeps_a_graph_of_its_own(ranged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = set()
    for precision in device.PRECISIONS:
        monkeypatch.setenv("VITRINE_PRECISION", precision)
        assert not device.is_ready(ranged)
        paths.add(device.exported_graph(ranged))
        assert device.is_ready(ranged)
    assert len(paths) == 2


def test_views_side_by_side_say_what_they_say_one_by_one(
    ranged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    for threads in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        device._loaded_encoder.cache_clear()
        told.append(np.stack([each.vector for each in device.extract_features(BLOBS, weights=ranged)]))
    assert np.array_equal(*told)


def test_large_pictures_are_measured_few_at_a_time_and_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = [encoded(photo(seed)) for seed in (1, 2)]
    blobs.insert(1, b"no picture")
    at_once = device.extract_each(blobs)
    monkeypatch.setattr(device, "PIXELS_HELD", 1)
    one_by_one = device.extract_each(blobs)
    assert [type(each) for each in one_by_one] == [ImageFeatures, PictureError, ImageFeatures]
    for one, other in zip(one_by_one, at_once, strict=True):
        if isinstance(one, ImageFeatures) and isinstance(other, ImageFeatures):
            np.testing.assert_allclose(one.vector, other.vector, atol=1e-5)
