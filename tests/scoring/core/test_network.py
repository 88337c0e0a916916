"""The network has the shapes it says, and the exported graph says what torch says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from scoring.core.network import Encoder, export_onnx, feature_count, load_encoder, tap_places


@pytest.mark.parametrize("name", ["lite0", "lite1", "lite2"])
def test_every_depth_tells_its_mean_and_deviation(name: str) -> None:
    encoder = Encoder(name).eval()
    with torch.inference_mode():
        told = encoder(torch.zeros(1, 3, 64, 32))
    places = tap_places(name)
    assert told.shape == (1, feature_count(name)) == (1, places[-1].stop)
    assert len(places) == len(encoder._blocks) + 2
    assert [place.start for place in places[1:]] == [place.stop for place in places[:-1]]


def test_the_exported_graph_agrees_at_other_sizes_than_it_was_exported_at(tmp_path: Path) -> None:
    import onnxruntime

    torch.manual_seed(1)
    encoder = Encoder().eval()
    export_onnx(encoder, tmp_path / "graph.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "graph.onnx"))
    pictures = torch.rand(1, 3, 128, 96) * 2 - 1
    with torch.inference_mode():
        expected = encoder(pictures).numpy()
    told = session.run(None, {"pictures": pictures.numpy()})[0]
    assert np.abs(told - expected).max() < 1e-3 * max(1.0, float(np.abs(expected).max()))


def test_weights_that_do_not_fit_are_refused_and_classifiers_are_left_out() -> None:
    state = dict(Encoder().state_dict())
    load_encoder({**state, "_fc.weight": torch.zeros(3)})
    with pytest.raises(RuntimeError, match="_conv_stem"):
        load_encoder({name: value for name, value in state.items() if "_conv_stem" not in name})
