"""A course on disk: stopped anywhere it loses a step and ends the same; damage is passed over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scoring import deep_course, device
from scoring.core.checkpoint import read_tensor_file
from scoring.core.recipes import Recipe
from scoring.deep_course import course_read, course_run, course_write, views_are_of, views_write
from scoring.deep_keep import DEAREST, KEEP_S, Pace, checkpoint_read
from tests.scoring.core.test_fine_tune import ROWS, TinyEncoder, start_of, tiny


class KilledError(Exception):
    """Stands for SIGKILL: nothing of ours runs after it."""


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twenty tiny lessons, eight of them judged, so that the curve has an SRCC."""

    def encoder(weights: Path) -> TinyEncoder:
        torch.manual_seed(0)
        return TinyEncoder().eval()

    monkeypatch.setattr(deep_course, "encoder_read", encoder)
    _pupil, lessons = tiny()
    for row in ROWS:
        whole, crop = lessons.views(int(row))
        views_write(tmp_path, int(row), whole=whole, crop=crop)
    start = start_of(np.random.default_rng(0))
    course_write(
        tmp_path,
        recipe=Recipe(epochs=4, batch=4, encoder_rate=1e-2, head_rate=1e-2),
        lessons={
            "vectors": lessons.vectors,
            "targets": lessons.targets,
            "histograms": lessons.histograms,
            "is_judged": np.arange(20) >= 12,
            **{name: getattr(start, name) for name in type(start).__slots__ if name != "level"},
        },
        facts={"weights": "tiny", "level": start.level},
    )
    return tmp_path


def quiet(line: Mapping[str, Any]) -> None:
    """Hears everything, does nothing."""


def final_state(folder: Path) -> dict[str, np.ndarray]:
    found = checkpoint_read(folder)
    assert found is not None
    assert found.epoch == 4
    return dict(found.state)


def test_a_point_an_epoch_with_loss_srcc_and_seconds(course: Path) -> None:
    heard: list[Mapping[str, Any]] = []
    course_run(course, told=heard.append)
    curves = [line["curve"] for line in heard if "curve" in line]
    assert [len(curve) for curve in curves] == [1, 2, 3, 4]
    assert all({"epoch", "loss", "srcc", "seconds"} <= point.keys() for point in curves[-1])
    assert {line["steps"] for line in heard if "steps" in line} == {3}


class Clock:
    """Says what the test says."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after every step, as if each took long and cost nothing."""
    monkeypatch.setattr(Pace, "is_due", lambda pace: True)


def forget(course: Path) -> None:
    for path in [course / "checkpoints.json", *(course / "checkpoints").glob("*")]:
        path.unlink(missing_ok=True)


def lived(course: Path, words: int) -> bool:
    """Run until so many words were told, and die; whether it came to its end before."""
    left = [words]

    def killing(line: Mapping[str, Any]) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise KilledError

    try:
        course_run(course, told=killing)
    except KilledError:
        return False
    return True


def stands_at(course: Path) -> tuple[int, int]:
    found = checkpoint_read(course)
    return (found.epoch, found.stand.step) if found else (0, 0)


def test_killed_after_any_word_it_loses_one_step_and_ends_the_same(course: Path, hasty: None) -> None:
    heard: list[Mapping[str, Any]] = []
    course_run(course, told=heard.append)
    whole = checkpoint_read(course)
    assert whole is not None
    for stop in range(1, len(heard) + 1, 5):
        forget(course)
        assert not lived(course, stop)
        begun = [(line["epoch"] - 1) * 3 + line["step"] for line in heard[:stop] if "step" in line]
        epoch, step = stands_at(course)
        assert begun[-1] - (epoch * 3 + step) <= 1
        course_run(course, told=quiet)
        ended = final_state(course)
        assert all(np.array_equal(ended[name], whole.state[name]) for name in whole.state)
        again = checkpoint_read(course)
        assert again is not None
        assert [point["loss"] for point in again.curve] == [point["loss"] for point in whole.curve]


def test_dying_at_every_second_step_it_still_comes_to_its_end(course: Path) -> None:
    course_run(course, told=quiet)
    whole = final_state(course)
    forget(course)
    places = [stands_at(course)]
    while not lived(course, 4):  # a step, the word that it is kept, a step: dead at what comes then
        assert stands_at(course) > places[-1]
        places.append(stands_at(course))
    assert any(step for _epoch, step in places)
    ended = final_state(course)
    assert all(np.array_equal(ended[name], whole[name]) for name in whole)


def test_the_first_step_of_a_life_is_kept_then_half_of_what_it_did_then_each_half_minute() -> None:
    clock, kept = Clock(), []
    pace = Pace(clock)
    for second in range(1, 201):
        clock.now += 1
        if pace.is_due():
            pace.written(began=clock.now)
            kept.append(second)
    assert kept == [1, 2, 4, 8, 16, 32, 62, 92, 122, 152, 182]
    clock.now += 5
    pace.written(began=clock.now - 5)  # a big network on a slow disk
    clock.now += KEEP_S + 1
    assert not pace.is_due()
    clock.now += DEAREST * 5
    assert pace.is_due()


def test_views_kept_by_another_worker_are_known_by_their_picture(tmp_path: Path) -> None:
    grey = np.zeros((4, 4, 3), dtype=np.uint8)
    views_write(tmp_path, 0, whole=grey, crop=grey, image=7)
    assert views_are_of(tmp_path, 0, image=7)
    assert not views_are_of(tmp_path, 0, image=8)
    assert not views_are_of(tmp_path, 1, image=7)
    (tmp_path / "views" / "0.npz").write_bytes(b"half a file")
    assert not views_are_of(tmp_path, 0, image=7)


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(course: Path) -> None:
    course_run(course, told=quiet)
    newest = json.loads((course / "checkpoints.json").read_text())[0]
    path = course / "checkpoints" / f"{newest['digest']}.safetensors"
    path.write_bytes(path.read_bytes()[:-3] + b"abc")
    found = checkpoint_read(course)
    assert found is not None
    assert found.epoch == 3
    course_run(course, told=quiet)
    final_state(course)


def test_two_checkpoints_are_kept_and_no_draft_lies_about(course: Path) -> None:
    course_run(course, told=quiet)
    assert len(list((course / "checkpoints").glob("*.safetensors"))) == 2
    assert not list(course.rglob("*.part*"))


def test_two_processes_share_every_batch_and_learn_one_model(tmp_path: Path) -> None:
    """The shipped network on small views, two processes over gloo, as torchrun starts them on two GPUs."""
    rng = np.random.default_rng(2)
    tensors = read_tensor_file(device.BASE_WEIGHTS)
    head = device.base_head()
    for row in range(8):
        whole, crop = rng.integers(12, 243, (2, 32, 32, 3), dtype=np.uint8)
        views_write(tmp_path, row, whole=whole, crop=crop)
    arrays = {
        "centre": tensors["features.centre"],
        "components": tensors["features.components"],
        "defect_weights": tensors["features.defect_weights"],
        "mean": head.mean,
        "std": head.std,
        "coefficients": head.coefficients[0],
        "vectors": np.zeros((8, len(head.mean))),
        "targets": rng.uniform(20, 80, 8),
        "histograms": np.full((8, 5), 0.2),
    }
    course_write(
        tmp_path,
        recipe=Recipe(epochs=2, batch=4),
        lessons={name: value.astype(np.float32) for name, value in arrays.items()}
        | {"is_judged": np.zeros(8, dtype=bool)},
        facts={"weights": str(device.BASE_WEIGHTS), "level": float(head.intercepts[0])},
    )
    lines = deep_course.ranks_run(tmp_path, ranks=2, told=quiet)
    assert lines >= 4
    found = checkpoint_read(tmp_path)
    assert found is not None
    assert found.epoch == 2
    assert len(found.curve) == 2


def test_ranks_end_when_whoever_started_them_is_gone(course: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    environment = {**os.environ, "VITRINE_DEEP_PARENT": str(gone.pid)}
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from scoring import deep_course as c; c.main([sys.argv[1]])",
            course,
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert told.returncode != 0


def test_a_course_that_is_not_whole_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no course"):
        course_read(tmp_path)


def test_giving_a_card_s_memory_back_frees_the_network_and_asks_for_no_card() -> None:
    network = torch.nn.Linear(2, 2)
    network.itself = [network]  # as hooks and optimisers hold what holds them
    gone = weakref.ref(network)
    del network
    deep_course.card_release()
    assert gone() is None
    assert not torch.cuda.is_initialized()
