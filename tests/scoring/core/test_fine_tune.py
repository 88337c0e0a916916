"""The deep retrain starts where the model before stood, learns, keeps defects, and resumes bit by bit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import nn

from scoring.core import fine_tune, look
from scoring.core.fine_tune import (
    Pupil,
    Start,
    answers_of,
    grade_logits,
    pupil_optimizer,
    state_load,
    state_of,
    steps_per_epoch,
    teach_epoch,
)
from scoring.core.lite import feature_count
from scoring.core.look import COUNTS_AT_ONCE, parted, sheets
from scoring.core.network import imagenet_encoder
from scoring.core.recipes import OF_HISTOGRAMS, OF_SCORES, Recipe
from scoring.core.types import ByteArray, FloatArray

REDUCED, REST, RAW = 6, 3, 8
ROWS = np.arange(20)


class TinyEncoder(nn.Module):
    """Four channels, their means: as an encoder is used, in a millisecond."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = torch.tanh(self.norm(self.conv(x))).mean(dim=(2, 3))
        return out


@dataclass
class TinyLessons:
    vectors: FloatArray
    targets: FloatArray
    histograms: FloatArray
    pictures: list[ByteArray]

    def views(self, row: int) -> tuple[ByteArray, ByteArray]:
        return self.pictures[row], self.pictures[row][:8, :8]


def start_of(rng: np.random.Generator) -> Start:
    return Start(
        centre=rng.normal(0, 0.1, RAW).astype(np.float32),
        components=rng.normal(0, 1, (REDUCED, RAW)).astype(np.float32),
        defect_weights=rng.normal(0, 1, (4, REDUCED + 2)).astype(np.float32),
        mean=np.zeros(REDUCED + REST, dtype=np.float32),
        std=np.ones(REDUCED + REST, dtype=np.float32),
        coefficients=rng.normal(0, 3, REDUCED + REST).astype(np.float32),
        level=55.0,
    )


def tiny(seed: int = 0) -> tuple[Pupil, TinyLessons]:
    """A pupil and twenty pictures, brighter ones rated better; views of two shapes."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    pupil = Pupil(TinyEncoder().eval(), start_of(rng))
    light = rng.uniform(-0.8, 0.8, len(ROWS))
    pictures = [
        np.clip(rng.normal(127 + 128 * light[n], 26, (16, 16 if n % 3 else 24, 3)), 0, 255).astype(np.uint8)
        for n in ROWS
    ]
    lessons = TinyLessons(
        vectors=np.zeros((len(ROWS), REDUCED + REST), dtype=np.float32),
        targets=(50 + 40 * light).astype(np.float32),
        histograms=np.full((len(ROWS), 5), 0.2, dtype=np.float32),
        pictures=pictures,
    )
    with torch.inference_mode():
        for n in ROWS:
            views = lessons.views(int(n))
            lessons.vectors[n, :REDUCED] = pupil(views[:1], views[1:]).numpy()[0]
    lessons.vectors[:, REDUCED:] = rng.normal(0, 1, (len(ROWS), REST))
    return pupil, lessons


RECIPE = Recipe(epochs=3, batch=6, encoder_rate=1e-2, head_rate=1e-2, seed=4)


def taught(pupil: Pupil, lessons: TinyLessons, recipe: Recipe, epochs: range, state: dict | None) -> dict:  # type: ignore[type-arg]
    """State after some epochs, taken up from ``state``."""
    optimizer = pupil_optimizer(pupil, recipe)
    if state is not None:
        state_load(pupil, optimizer, state)
    for epoch in epochs:
        teach_epoch(pupil, optimizer, lessons, ROWS, recipe, epoch)
    return state_of(pupil, optimizer)


def test_before_the_first_step_it_answers_like_the_model_it_starts_from() -> None:
    pupil, lessons = tiny()
    expected = lessons.vectors @ pupil.coefficients.detach().numpy() + 55.0
    assert answers_of(pupil, lessons, ROWS, batch=7) == pytest.approx(expected, abs=1e-3)


def test_batches_filled_up_as_on_a_card_answer_and_teach_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    pupil, lessons = tiny()
    views = [lessons.views(int(row)) for row in ROWS]
    plain = pupil(*zip(*views, strict=True))
    plain.square().sum().backward()
    grown = [value.grad.clone() for value in pupil.encoder.parameters()]
    pupil.zero_grad()
    counts: list[int] = []
    pupil.encoder.register_forward_pre_hook(lambda _module, given: counts.append(len(given[0])))
    monkeypatch.setattr(look, "parted", lambda *args, **more: parted(*args, **more | {"device": "cuda"}))
    filled = pupil(*zip(*views, strict=True))
    filled.square().sum().backward()
    assert set(counts) <= set(COUNTS_AT_ONCE)
    torch.testing.assert_close(filled, plain)
    for value, before in zip(pupil.encoder.parameters(), grown, strict=True):
        torch.testing.assert_close(value.grad, before, rtol=1e-4, atol=1e-5)


def test_views_on_squares_as_on_a_card_answer_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    rng, size = np.random.default_rng(1), feature_count()
    start = replace(
        start_of(rng), centre=np.zeros(2 * size, "f4"), components=rng.normal(0, 0.05, (REDUCED, 2 * size))
    )
    pupil = Pupil(imagenet_encoder(), start)
    wholes = [rng.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in ((64, 32), (32, 64), (64, 64))]
    crops = [rng.integers(0, 256, (32, 32, 3), dtype=np.uint8) for _ in wholes]
    met: list[torch.Size] = []
    pupil.encoder.register_forward_pre_hook(lambda _module, given: met.append(given[0].shape[2:]))
    with torch.inference_mode():
        plain = pupil(wholes, crops)
        assert len(set(met)) == 4
        met.clear()
        monkeypatch.setattr(
            fine_tune, "sheets", lambda views, **more: sheets(views, device="cuda", on_squares=True, most=6)
        )
        on_squares = pupil(wholes, crops)
    assert set(met) == {(64, 64), (32, 32)}
    torch.testing.assert_close(on_squares, plain, rtol=1e-3, atol=1e-3)


def test_a_run_resumed_after_any_epoch_ends_bit_by_bit_as_one_that_never_stopped() -> None:
    pupil, lessons = tiny()
    whole = taught(pupil, lessons, RECIPE, range(3), None)
    for stop in (1, 2):
        half = taught(tiny()[0], lessons, RECIPE, range(stop), None)
        stored = {name: np.ascontiguousarray(value).copy() for name, value in half.items()}
        resumed = taught(tiny()[0], lessons, RECIPE, range(stop, 3), stored)
        assert resumed.keys() == whole.keys()
        assert all(np.array_equal(resumed[name], whole[name]) for name in whole)


def test_another_seed_is_another_run() -> None:
    pupil, lessons = tiny()
    one = taught(pupil, lessons, RECIPE, range(1), None)
    other = taught(tiny()[0], lessons, Recipe(epochs=3, batch=6, encoder_rate=1e-2, seed=5), range(1), None)
    assert not np.array_equal(one["pupil.encoder.conv.weight"], other["pupil.encoder.conv.weight"])


def test_it_learns_and_its_defects_hardly_move() -> None:
    pupil, lessons = tiny()
    before = answers_of(pupil, lessons, ROWS, batch=8)
    recipe = Recipe(epochs=12, batch=10, encoder_rate=1e-2, head_rate=3e-2)
    optimizer = pupil_optimizer(pupil, recipe)
    losses = [teach_epoch(pupil, optimizer, lessons, ROWS, recipe, epoch) for epoch in range(12)]
    after = answers_of(pupil, lessons, ROWS, batch=8)
    assert losses[-1] < 0.7 * losses[0]
    order = np.corrcoef(after, lessons.targets)[0, 1]
    assert order > np.corrcoef(before, lessons.targets)[0, 1]
    assert order > 0.9


@pytest.mark.parametrize("name", [*OF_SCORES, *OF_HISTOGRAMS])
def test_each_loss_alone_teaches_the_order(name: str) -> None:
    pupil, lessons = tiny()
    with torch.no_grad():
        pupil.coefficients *= 0.1  # within the grades, as a model that serves answers
    away = np.abs(np.arange(5) - lessons.targets[:, None] / 25)
    lessons.histograms[:] = np.maximum(0, 1 - away)
    before = np.corrcoef(answers_of(pupil, lessons, ROWS, batch=8), lessons.targets)[0, 1]
    recipe = Recipe(epochs=8, batch=10, encoder_rate=1e-2, head_rate=0.1, losses=((name, 1.0),))
    taught(pupil, lessons, recipe, range(8), None)
    after = np.corrcoef(answers_of(pupil, lessons, ROWS, batch=8), lessons.targets)[0, 1]
    print(f"{name}: {before:.3f} -> {after:.3f}")
    assert after > max(0.8, before)


def test_statistics_of_batch_norm_stay() -> None:
    pupil, lessons = tiny()
    norm = pupil.encoder.norm
    assert isinstance(norm, nn.BatchNorm2d)
    taught(pupil, lessons, RECIPE, range(1), None)
    assert norm.running_mean is not None
    assert float(norm.running_mean.abs().max()) == 0.0


def test_a_picture_that_gives_no_number_stops_the_run_by_name() -> None:
    pupil, lessons = tiny()
    lessons.vectors[3] = np.nan
    with pytest.raises(FloatingPointError, match="epoch 1"):
        taught(pupil, lessons, RECIPE, range(1), None)


@pytest.mark.parametrize(("rows", "batch", "steps"), [(20, 6, 4), (19, 6, 3), (12, 6, 2), (1, 6, 1)])
def test_a_last_batch_too_small_to_rank_is_left_out(rows: int, batch: int, steps: int) -> None:
    assert steps_per_epoch(rows, Recipe(batch=batch)) == steps


def test_the_likeliest_grade_is_that_of_the_score() -> None:
    logits = grade_logits(torch.tensor([-2.0, 0.2, 1.1]))
    assert logits.argmax(dim=1).tolist() == [0, 2, 3]
