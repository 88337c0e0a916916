"""What counts for near and far: detail and what the network sees, hardly what only accuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scoring.core import landmarks
from scoring.core.checkpoint import read_tensors, write_tensors
from scoring.core.design import kernel_features
from scoring.core.features import FeatureModel, compose_each
from scoring.core.head import fit_head, head_from_tensors, head_to_tensors
from scoring.core.measures import MEASURE_NAMES, Measured
from scoring.core.metrics import srcc
from scoring.core.nearness import DETAIL, DETAIL_SHARE, OTHER_SHARE, nearness_of
from scoring.core.types import Defect

NETWORK = 20
WIDTH = NETWORK + len(MEASURE_NAMES) + len(Defect)
SHARPNESS, TINT = (NETWORK + MEASURE_NAMES.index(name) for name in ("sharpness", "tint_peak_cold"))


def pictures(count: int = 260) -> tuple[np.ndarray, np.ndarray]:
    """Vectors whose measures all vary alike, and people who mind sharpness alone, and that beyond a line."""
    rng = np.random.default_rng(3)
    vectors = rng.normal(0, 0.1, (count, WIDTH)).astype(np.float32)
    sharp = vectors[:, SHARPNESS] * 10
    return vectors, np.clip(60 + 15 * np.tanh(sharp) + rng.normal(0, 3, count), 0, 100)


def test_the_scales_lie_on_the_measures_of_a_vector_as_it_is_composed() -> None:
    count = len(MEASURE_NAMES)
    model = FeatureModel(
        version="v",
        centre=np.zeros(NETWORK, dtype=np.float32),
        components=np.eye(NETWORK, dtype=np.float32),
        usual_mean=np.zeros(count, dtype=np.float32),
        usual_std=np.ones(count, dtype=np.float32),
        defect_weights=np.zeros((len(Defect), NETWORK + count), dtype=np.float32),
        defect_bias=np.zeros(len(Defect), dtype=np.float32),
    )
    raw = np.zeros((1, NETWORK), dtype=np.float32)
    scales = nearness_of(WIDTH)
    told = dict.fromkeys(MEASURE_NAMES, 0.0)
    still = compose_each(model=model, raws=raw, measured=[Measured(told, None)])[0].vector
    for name in MEASURE_NAMES:
        moved = compose_each(model=model, raws=raw, measured=[Measured(told | {name: 1.0}, None)])[0].vector
        counts = scales[np.flatnonzero(moved != still)]
        assert counts**2 == pytest.approx([DETAIL_SHARE if name in DETAIL else OTHER_SHARE]), name
    assert scales[:NETWORK] == pytest.approx(1)
    assert scales[-len(Defect) :] == pytest.approx(1)


def test_vectors_that_hold_no_measures_are_taken_as_they_are() -> None:
    assert nearness_of(6) == pytest.approx(np.ones(6))


def test_a_few_labels_teach_what_detail_is_worth_beside_dozens_of_measures_that_say_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vectors, people = pictures()

    def order_after(count: int) -> float:
        head = fit_head(vectors=vectors[:count], overall=people[:count], feature_version="v")
        return srcc(head.predict(vectors[count:]).overall, people[count:])

    told = order_after(60)
    monkeypatch.setattr(landmarks, "nearness_of", np.ones)
    assert told > 0.75
    assert told > order_after(60) + 0.05


def test_the_queue_tells_pictures_apart_by_detail_sooner_than_by_tint() -> None:
    vectors, _ = pictures(40)
    table = np.repeat(vectors[:1], 3, axis=0)
    table[1, SHARPNESS] += 0.5
    table[2, TINT] += 0.5
    rows, _ = kernel_features(
        np.concatenate([table, vectors[1:]]), vectors[:0], np.random.default_rng(1), landmarks=99
    )
    like = rows[:3] @ rows[0]
    assert like[1] < like[2] < like[0] + 1e-3


def test_the_file_of_a_head_keeps_them_and_one_written_before_there_were_any_says_what_it_said(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("heads")
    vectors, people = pictures()
    head = fit_head(vectors=vectors, overall=people, feature_version="v")
    assert head.landmarks is not None
    old = replace(head, landmarks=replace(head.landmarks, scales=np.ones(WIDTH)))
    written = head_to_tensors(old)
    del written["landmarks.scales"]
    for said, tensors in ((head, head_to_tensors(head)), (old, written)):
        read = head_from_tensors(
            read_tensors(folder, write_tensors(folder, tensors, {})), feature_version="v"
        )
        assert read.predict(vectors).overall == pytest.approx(said.predict(vectors).overall, abs=0.05)
