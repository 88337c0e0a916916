"""A deep retrain on the card: it learns, stays finite, goes on where it was stopped, and serves anywhere.

On a card views lie on squares, so that those of pictures of all shapes are met as one: the first step on a
new shape takes it seconds.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from bench.graphics.course import course_of, weights_with
from scoring import deep_course, device
from scoring.core.predict import predict_pictures
from scoring.core.recipes import Recipe
from scoring.deep_course import course_run
from scoring.deep_keep import Pace, checkpoint_read
from tests.images import encoded, photo

pytestmark = pytest.mark.timeout(300)  # slow is not wrong: a first step may wait for many plans of cuDNN
EPOCHS, BATCH, TAUGHT, JUDGED = 2, 8, 16, 8
STEPS = TAUGHT // BATCH
State = Mapping[str, np.ndarray]
RECIPE = Recipe(epochs=EPOCHS, batch=BATCH, encoder_rate=2e-4, head_rate=1e-3, seed=3)
SQUARE, SHAPES = (256, 256), ((256, 256), (320, 240), (240, 320), (400, 200))


class KilledError(Exception):
    """Stands for SIGKILL."""


@dataclass(frozen=True)
class Run:
    """A course that nobody stopped."""

    pupil: Any
    curve: list[dict[str, float]]
    state: dict[str, np.ndarray]


def warm_ones_are_better(seed: int, size: tuple[int, int] = SQUARE) -> tuple[bytes, float]:
    """A picture and its score, which rises with a warm tint: a taste the base model has not."""
    share = np.random.default_rng(seed).uniform()
    vivid = np.asarray(photo(seed, width=size[0], height=size[1]), dtype=np.float32)
    tinted = vivid * (1 - share) + vivid * np.array([1.0, 0.55, 0.3]) * share
    return encoded(Image.fromarray(tinted.astype(np.uint8))), 20 + 60 * share


def course_at(folder: Path, told: list[tuple[bytes, float]], recipe: Recipe) -> None:
    """The first TAUGHT are learned from, the rest judged."""
    course_of(
        folder,
        blobs=[blob for blob, _ in told],
        targets=np.array([score for _, score in told]),
        is_judged=np.arange(len(told)) >= TAUGHT,
        recipe=recipe,
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("course")
    course_at(folder, [warm_ones_are_better(seed) for seed in range(TAUGHT + JUDGED)], RECIPE)
    return folder


@pytest.fixture(scope="module")
def undisturbed(written: Path, card: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = Path(shutil.copytree(written, tmp_path_factory.mktemp("undisturbed") / "course"))
    pupil, curve = whole_run(folder, card)
    return Run(pupil, curve, last_state(folder))


@pytest.fixture
def course(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "course"))


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after every step."""
    monkeypatch.setattr(Pace, "is_due", lambda pace: True)


def whole_run(course: Path, card: str) -> tuple[Any, list[dict[str, float]]]:
    heard: list[Mapping[str, Any]] = []
    pupil = course_run(course, told=heard.append, device=card)
    return pupil, [line["curve"] for line in heard if "curve" in line][-1]


def last_state(course: Path) -> dict[str, np.ndarray]:
    found = checkpoint_read(course)
    assert found is not None
    assert found.epoch == EPOCHS
    return dict(found.state)


def killed_after(course: Path, words: int, card: str) -> None:
    left = [words]

    def killing(line: Mapping[str, Any]) -> None:
        left[0] -= "step" in line
        if left[0] == 0:
            raise KilledError

    with pytest.raises(KilledError):
        course_run(course, told=killing, device=card)


def apart(one: State, other: State, start: State) -> float:
    """How far two runs ended from each other, as a share of how far the first has gone."""
    names = [name for name in one if name.startswith("pupil.encoder")]
    between = sum(float(((one[name] - other[name]) ** 2).sum()) for name in names)
    gone = sum(float(((one[name] - start[name]) ** 2).sum()) for name in names)
    return float(np.sqrt(between / gone))


def at_first() -> dict[str, np.ndarray]:
    encoder = deep_course.encoder_read(device.BASE_WEIGHTS)
    return {f"pupil.encoder.{name}": value.detach().numpy() for name, value in encoder.named_parameters()}


def test_it_learns_what_the_model_before_did_not_know(undisturbed: Run) -> None:
    print(undisturbed.curve)
    losses = [point["loss"] for point in undisturbed.curve]
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.7 * losses[0]
    assert undisturbed.curve[-1]["srcc"] > 0.6


def test_stopped_in_the_middle_of_an_epoch_it_ends_where_it_would_have(
    written: Path, undisturbed: Run, card: str, hasty: None, tmp_path: Path
) -> None:
    start, far = at_first(), []
    for name, stop in (("twin", 0), ("stopped", STEPS + 1)):
        folder = Path(shutil.copytree(written, tmp_path / name))
        if stop:
            killed_after(folder, stop, card)
        whole_run(folder, card)
        far.append(apart(undisturbed.state, last_state(folder), start))
    twin, resumed = far
    print(f"resumed, {resumed:.2e} apart; two undisturbed, {twin:.2e}")
    assert resumed <= max(0.1, 5 * twin)


def test_pictures_of_many_shapes_teach_too(card: str, tmp_path: Path) -> None:
    told = [warm_ones_are_better(seed, SHAPES[seed % len(SHAPES)]) for seed in range(TAUGHT)]
    course_at(tmp_path, told, Recipe(epochs=2, batch=TAUGHT))
    at, losses = [time.monotonic()], []

    def heard(line: Mapping[str, Any]) -> None:
        if "curve" in line:
            at.append(time.monotonic())
            losses.append(line["curve"][-1]["loss"])

    course_run(tmp_path, told=heard, device=card)
    print(f"a step on new shapes, then on known ones: {np.diff(at).round(2)} s")
    assert np.isfinite(losses).all()


def test_what_was_begun_on_the_card_is_ended_on_the_processor(course: Path, card: str, hasty: None) -> None:
    killed_after(course, STEPS + 1, card)
    pupil = course_run(course, told=lambda line: None, device="cpu")
    assert all(bool(torch.isfinite(value).all()) for value in pupil.parameters())
    last_state(course)


def test_its_encoder_serves_on_a_processor_as_on_the_card(
    undisturbed: Run, tmp_path: Path, on: Callable[[str], None]
) -> None:
    weights = weights_with(tmp_path / "tuned.safetensors", undisturbed.pupil.encoder)
    blobs = [warm_ones_are_better(seed)[0] for seed in range(100, 108)]
    told = []
    for place in ("processor", "card"):
        on(place)
        features = device.extract_features(blobs, weights=weights)
        said = predict_pictures(head=device.base_head(weights), features=features)
        told.append(np.array([each.overall_score for each in said]))
    assert float(np.abs(told[0] - told[1]).max()) <= 2.0
    on("processor")
    before = predict_pictures(head=device.base_head(), features=device.extract_features(blobs))
    assert float(np.abs(told[0] - [each.overall_score for each in before]).max()) > 0.5


def test_after_a_run_the_card_s_memory_is_free_for_others(undisturbed: Run, card: str) -> None:
    held = torch.cuda.memory_reserved() if card == "cuda" else 1
    deep_course.card_release()
    print(f"{held / 2**20:.0f} MB were held")
    assert (torch.cuda.memory_reserved() if card == "cuda" else 0) < held


def test_torchrun_learns_it_too(course: Path, card: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRINE_DEVICE", "cpu" if card == "cpu" else "")
    heard: list[Mapping[str, Any]] = []
    assert deep_course.ranks_run(course, ranks=1, told=heard.append) > EPOCHS * STEPS
    assert [line["curve"] for line in heard if "curve" in line][-1][-1]["epoch"] == EPOCHS
    last_state(course)
