"""The network has the shapes it says, and its graphs say what torch says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from scoring.core.decode import MEAN, SCALE, as_input
from scoring.core.graph import float_graph, int8_graph, layer_count
from scoring.core.lite import feature_count, stem_patches, tap_places
from scoring.core.look import graph_reader
from scoring.core.network import Encoder, imagenet_encoder, load_encoder
from scoring.core.quantise import Ranges, measured_ranges
from scoring.core.types import ByteArray, FloatArray
from tests.images import photo

Tensors = dict[str, Any]


def tensors_of(encoder: Encoder) -> Tensors:
    return {name: value.numpy() for name, value in encoder.state_dict().items()}


def told_by(graph: bytes, pictures: ByteArray) -> FloatArray:
    import onnxruntime

    look = graph_reader(onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"]))
    return np.stack([look(each, False).raw for each in pictures])


@pytest.fixture(scope="module")
def trained() -> Encoder:
    return imagenet_encoder()


@pytest.fixture(scope="module")
def views() -> list[ByteArray]:
    return [np.asarray(photo(seed, width=128, height=96)) for seed in range(8)]


@pytest.fixture(scope="module")
def ranges(trained: Encoder, views: list[ByteArray]) -> Ranges:
    return measured_ranges(tensors_of(trained), views[:6])


@pytest.mark.parametrize("name", ["lite0", "lite1", "lite2"])
def test_every_depth_tells_its_mean_and_deviation(name: str) -> None:
    encoder = Encoder(name).eval()
    with torch.inference_mode():
        told = encoder(torch.zeros(1, 3, 64, 32))
    places = tap_places(name)
    assert told.shape == (1, feature_count(name)) == (1, places[-1].stop)
    assert len(places) == len(encoder._blocks) + 2
    assert [place.start for place in places[1:]] == [place.stop for place in places[:-1]]


def test_patches_are_what_the_stem_sees_of_each_of_its_places() -> None:
    view = np.asarray(photo(5, width=96, height=64))
    torch.manual_seed(2)
    encoder = Encoder().eval()
    weight = encoder._conv_stem.weight.detach().permute(0, 2, 3, 1).reshape(32, 27).numpy()
    with torch.inference_mode():
        pixels = functional.pad(torch.from_numpy(as_input(view))[None], encoder.pads)
        expected = encoder._conv_stem(pixels)[0].permute(1, 2, 0).numpy()
    told = (stem_patches(view).astype(np.float32) - MEAN) / SCALE
    assert np.abs(told[:, :, :27] @ weight.T - expected).max() < 1e-5
    assert not told[:, :, 27:].any()


@pytest.mark.parametrize("name", ["lite0", "lite2"])
def test_the_float_graph_says_what_torch_says_of_any_size(name: str) -> None:
    torch.manual_seed(1)
    encoder = Encoder(name).eval()
    graph = float_graph(tensors_of(encoder))
    for height, width in ((64, 96), (128, 32)):
        pictures = np.stack([np.asarray(photo(n, width=width, height=height)) for n in (3, 4)])
        with torch.inference_mode():
            expected = encoder(torch.from_numpy(np.stack([as_input(each) for each in pictures]))).numpy()
        told = told_by(graph, pictures)
        assert np.abs(told - expected).max() < 1e-3 * max(1.0, float(np.abs(expected).max()))


def test_of_the_finest_maps_every_third_row_is_told(
    trained: Encoder, views: list[ByteArray], ranges: Ranges
) -> None:
    with torch.inference_mode():
        pixels = functional.pad(torch.from_numpy(np.stack([as_input(view) for view in views])), trained.pads)
        stem = functional.relu6(trained._bn0(trained._conv_stem(pixels)))
    asked, whole = (rows.mean(dim=(2, 3)).numpy() for rows in (stem[:, :, ::3], stem))
    tensors, pictures, channels = tensors_of(trained), np.stack(views), asked.shape[1]
    assert np.abs(told_by(float_graph(tensors), pictures)[:, :channels] - asked).max() < 1e-3
    told = told_by(int8_graph(tensors, ranges), pictures)[:, :channels]
    assert np.abs(told - asked).mean() < 0.8 * np.abs(told - whole).mean()  # the rest is rounding


def test_the_int8_graph_says_nearly_the_same_of_pictures_it_was_not_measured_on(
    trained: Encoder, views: list[ByteArray], ranges: Ranges
) -> None:
    tensors, pictures = tensors_of(trained), np.stack(views[6:])
    exact, told = told_by(float_graph(tensors), pictures), told_by(int8_graph(tensors, ranges), pictures)
    assert told.shape == exact.shape
    apart = np.linalg.norm(told - exact, axis=1) / np.linalg.norm(exact, axis=1)
    between = np.linalg.norm(exact[0] - exact[1]) / np.linalg.norm(exact[0])
    assert 0 < apart.max() < 0.15
    assert apart.max() < between / 2


def test_one_picture_reads_the_same_alone_and_in_company(
    trained: Encoder, views: list[ByteArray], ranges: Ranges
) -> None:
    graph = int8_graph(tensors_of(trained), ranges)
    together = told_by(graph, np.stack(views[:3]))
    assert np.allclose(told_by(graph, views[1][None])[0], together[1], rtol=1e-4, atol=1e-4)


def test_of_a_picture_without_any_detail_deviations_stay_numbers(trained: Encoder, ranges: Ranges) -> None:
    for level in (0, 127, 255):
        flat = np.full((1, 64, 64, 3), level, dtype=np.uint8)
        assert np.isfinite(told_by(int8_graph(tensors_of(trained), ranges), flat)).all()


def test_ranges_of_another_network_are_refused(trained: Encoder, ranges: Ranges) -> None:
    assert len(ranges.limits) == layer_count() != layer_count("lite1")
    assert (ranges.limits[:, 0] <= ranges.limits[:, 1]).all()
    with pytest.raises(ValueError, match="shape"):
        int8_graph(tensors_of(trained), replace(ranges, limits=ranges.limits[:-1]))


def test_what_rounding_weights_shifts_is_taken_back(
    trained: Encoder, views: list[ByteArray], ranges: Ranges
) -> None:
    tensors, pictures = tensors_of(trained), np.stack(views[6:])
    exact = told_by(float_graph(tensors), pictures)
    blind = replace(ranges, inputs=np.zeros_like(ranges.inputs))
    apart, shifted = (
        np.linalg.norm(told_by(int8_graph(tensors, each), pictures) - exact) for each in (ranges, blind)
    )
    assert apart < 0.8 * shifted


def test_weights_that_do_not_fit_are_refused_and_classifiers_are_left_out() -> None:
    state = dict(Encoder().state_dict())
    load_encoder({**state, "_fc.weight": torch.zeros(3)})
    with pytest.raises(RuntimeError, match="_conv_stem"):
        load_encoder({name: value for name, value in state.items() if "_conv_stem" not in name})


def test_on_a_sheet_a_picture_teaches_what_it_teaches_alone(trained: Encoder) -> None:
    torch.manual_seed(0)
    small, sheet = torch.randn(2, 3, 64, 96), torch.zeros(2, 3, 96, 96)
    sheet[:, :, :64] = small
    grown = []
    for given in ((small,), (sheet, torch.tensor([[64, 96]] * 2))):
        trained.zero_grad()
        trained(*given).square().sum().backward()
        grown.append([value.grad.clone() for value in trained.parameters() if value.grad is not None])
    trained.zero_grad()
    for alone, on_sheet in zip(*grown, strict=True):
        assert float((alone - on_sheet).norm()) <= 1e-3 * float(alone.norm())
