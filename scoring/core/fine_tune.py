"""The deep retrain: the encoder learns through the very path that serves.

Views, projection and head are those of the model it starts from, so the first epoch begins at that model's
own answers and what it knows of defects is held in place while the score moves. Batch-norm statistics stay.
Nothing is drawn but from (seed, epoch): a run resumed after any step goes on bit by bit as if never stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from scoring.core import losses
from scoring.core.ahead import read_ahead
from scoring.core.decode import MEAN, SCALE
from scoring.core.head import CLIP
from scoring.core.look import sheets
from scoring.core.recipes import USUAL_LOSSES, Losses, Recipe
from scoring.core.types import ByteArray, FloatArray

POINTS, MIDDLE = 25.0, 50.0  # losses see scores as (score - 50) / 25: one is one grade
GRADE_SPREAD = 0.6  # grades: how far people differ over one picture, for the vote histogram
KEEP_DEFECTS = 0.25  # of the squared shift of a defect's logit
WARM_SHARE = 0.1
LONGEST_GRADIENT = 5.0

Views = tuple[ByteArray, ByteArray]
Rows = npt.NDArray[np.int64]
Flips = npt.NDArray[np.bool_]
Tensors = dict[str, npt.NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Stand:
    """How far an epoch is: ``step`` steps done, the sum of their losses in this process's share."""

    step: int = 0
    loss_sum: float = 0.0


FRESH = Stand()
OnStep = Callable[[Stand], None]


@dataclass(frozen=True, slots=True)
class Start:
    """The serving path to start from: ``centre`` (R,), ``components`` (P, R), ``defect_weights`` (16, P + M),
    the head's ``mean``, ``std`` and ``coefficients`` (F,) of the overall score, and its ``level``."""

    centre: FloatArray
    components: FloatArray
    defect_weights: FloatArray
    mean: FloatArray
    std: FloatArray
    coefficients: FloatArray
    level: float


class Lessons(Protocol):
    """N labelled pictures: cached ``vectors`` (N, F), ``targets`` (N,) 0-100, vote ``histograms`` (N, 5)."""

    @property
    def vectors(self) -> FloatArray: ...
    @property
    def targets(self) -> FloatArray: ...
    @property
    def histograms(self) -> FloatArray: ...
    def views(self, row: int) -> Views:
        """The whole picture and the native crop, uint8 (h, w, 3), as serving sees them."""


class Pupil(nn.Module):
    """An encoder with the projection and the head it serves with; the projection is fixed."""

    centre: Tensor
    components: Tensor
    defect_weights: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, encoder: nn.Module, start: Start) -> None:
        super().__init__()
        self.encoder = encoder
        for name in ("centre", "components", "defect_weights", "mean", "std"):
            value = torch.from_numpy(np.asarray(getattr(start, name), dtype=np.float32).copy())
            self.register_buffer(name, value, persistent=False)
        self.coefficients = nn.Parameter(torch.from_numpy(start.coefficients.astype(np.float32)))
        self.level = nn.Parameter(torch.tensor(start.level, dtype=torch.float32))

    def forward(self, wholes: Sequence[ByteArray], crops: Sequence[ByteArray]) -> Tensor:
        """The reduced vector (B, P) of pictures; views may differ in shape."""
        told = self._encoded([*wholes, *crops])
        raw = torch.cat([told[: len(wholes)], told[len(wholes) :]], dim=1)
        return (raw.float() - self.centre) @ self.components.T

    def score(self, reduced: Tensor, vectors: Tensor) -> Tensor:
        """Scores (B,) in grades about the middle; what the network does not make comes from ``vectors``."""
        whole = torch.cat([reduced, vectors[:, reduced.shape[1] :]], dim=1)
        features = ((whole - self.mean) / self.std).clamp(-CLIP, CLIP)
        return (features @ self.coefficients + self.level - MIDDLE) / POINTS

    def defects(self, reduced: Tensor) -> Tensor:
        """What moves of the defects' logits (B, 16) when the reduced vector moves."""
        return reduced @ self.defect_weights[:, : reduced.shape[1]].T

    def _encoded(self, views: Sequence[ByteArray]) -> Tensor:
        """What the encoder says of each view (V, R): a batch of each shape, bytes on the way to the card,
        there on squares (``look.sheets``)."""
        places: list[int] = []
        told: list[Tensor] = []
        device = self.centre.device
        on_squares = device.type == "cuda" and hasattr(self.encoder, "look")
        for part, pixels, sizes in sheets(views, device=device.type, on_squares=on_squares, most=len(views)):
            levels = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2)
            given = () if sizes is None else (torch.from_numpy(sizes).to(device),)
            own = list(dict.fromkeys(part))  # what fills a part up is not asked for
            told.append(self.encoder((levels.float() - MEAN) / SCALE, *given)[: len(own)])
            places += own
        order = torch.from_numpy(np.argsort(places)).to(device)
        return torch.cat(told)[order]


@dataclass(frozen=True, slots=True)
class Rank:
    """Which of ``world`` processes this is. Each takes its share of every batch; gradients are averaged."""

    number: int = 0
    world: int = 1


ALONE = Rank()


def pupil_optimizer(pupil: Pupil, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW over encoder and head; the rates are set anew at every step."""
    return torch.optim.AdamW(
        [
            {"params": list(pupil.encoder.parameters()), "lr": recipe.encoder_rate},
            {"params": [pupil.coefficients, pupil.level], "lr": recipe.head_rate, "weight_decay": 0.0},
        ],
        weight_decay=recipe.weight_decay,
    )


def steps_per_epoch(rows: int, recipe: Recipe, world: int = 1) -> int:
    """Batches in an epoch; a last one too small to rank is left out unless it is the only one."""
    whole, rest = divmod(rows, recipe.batch)
    return max(1, whole + int(rest >= 2 * world))


def teach_epoch(
    pupil: Pupil,
    optimizer: torch.optim.AdamW,
    lessons: Lessons,
    rows: Rows,
    recipe: Recipe,
    epoch: int,
    *,
    device: str = "cpu",
    rank: Rank = ALONE,
    stand: Stand = FRESH,
    on_step: OnStep = lambda stand: None,
) -> float:
    """What is left after ``stand`` of one epoch (from 0) over ``rows``, in place; returns the mean loss of
    this process's share of the whole epoch."""
    pupil.eval()  # statistics of batch norm stay; there is no dropout
    steps = steps_per_epoch(len(rows), recipe, rank.world)
    total = stand.loss_sum
    mine = slice(rank.number, None, rank.world)
    batches = _batches(rows, recipe, epoch, range(stand.step, steps))
    shares = ((step, chosen[mine], flipped[mine]) for step, chosen, flipped in batches)
    for (step, chosen, _), views in read_ahead(lambda share: _views(lessons, *share[1:]), shares):
        _pace(optimizer, recipe, step=epoch * steps + step, steps=recipe.epochs * steps)
        with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
            loss = lesson_loss(pupil, lessons, chosen, views, recipe.losses, device=device)
        if not bool(torch.isfinite(loss)):
            raise FloatingPointError(f"the loss is {loss.item()} in epoch {epoch + 1}, step {step + 1}")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it so
        _average(pupil, rank)
        nn.utils.clip_grad_norm_(pupil.parameters(), LONGEST_GRADIENT)
        optimizer.step()
        total += float(loss.detach())
        on_step(Stand(step + 1, total))
    return total / steps


def lesson_loss(
    pupil: Pupil,
    lessons: Lessons,
    rows: Rows,
    views: Sequence[Views],
    chosen: Losses = USUAL_LOSSES,
    *,
    device: str,
) -> Tensor:
    """The chosen losses move the score, and defects stay where they were. By the usual ones Norm-in-Norm,
    ranking and correlation shape the order, MSE and the vote histogram keep the scale."""
    wholes, crops = zip(*views, strict=True)
    vectors = torch.from_numpy(lessons.vectors[rows]).to(device)
    truth = torch.from_numpy((lessons.targets[rows] - MIDDLE) / POINTS).float().to(device)
    histogram = torch.from_numpy(lessons.histograms[rows]).float().to(device)
    reduced = pupil(wholes, crops)
    guess = pupil.score(reduced, vectors)
    moved = pupil.defects(reduced) - pupil.defects(vectors[:, : reduced.shape[1]])
    kept = KEEP_DEFECTS * functional.smooth_l1_loss(moved, torch.zeros_like(moved))
    return losses.chosen_loss(chosen, guess, truth, (grade_logits(guess), histogram)) + kept


def grade_logits(guess: Tensor) -> Tensor:
    """Logits (B, 5) of the grades people give a picture of this score: a bell about it."""
    grades = torch.arange(-2.0, 3.0, device=guess.device)
    return -((grades[None, :] - guess[:, None]) ** 2) / (2 * GRADE_SPREAD**2)


def answers_of(pupil: Pupil, lessons: Lessons, rows: Rows, *, batch: int, device: str = "cpu") -> FloatArray:
    """The pupil's scores (len(rows),) 0-100, unclipped."""
    pupil.eval()
    told = []
    parts = (rows[start : start + batch] for start in range(0, len(rows), batch))
    as_they_are = ((part, np.zeros(len(part), dtype=bool)) for part in parts)
    with torch.inference_mode():
        for (some, _), views in read_ahead(lambda part: _views(lessons, *part), as_they_are):
            wholes, crops = zip(*views, strict=True)
            vectors = torch.from_numpy(lessons.vectors[some]).to(device)
            told.append(pupil.score(pupil(wholes, crops), vectors).float().cpu().numpy())
    return np.asarray(np.concatenate(told) * POINTS + MIDDLE, dtype=np.float32)


def state_of(pupil: Pupil, optimizer: torch.optim.AdamW) -> Tensors:
    """All a resumed run needs besides its data: what is learned, and the optimiser's moments."""
    names = {id(value): name for name, value in pupil.named_parameters()}
    state = {f"pupil.{name}": value.detach().cpu().numpy() for name, value in pupil.named_parameters()}
    for value, moments in optimizer.state.items():
        for kind, moment in moments.items():
            state[f"adam.{kind}.{names[id(value)]}"] = moment.detach().float().cpu().numpy()
    return state


def state_load(pupil: Pupil, optimizer: torch.optim.AdamW, state: Tensors) -> None:
    """Take up a state; a parameter that is missing is a KeyError naming it."""
    with torch.no_grad():
        for name, value in pupil.named_parameters():
            value.copy_(torch.from_numpy(state[f"pupil.{name}"].reshape(value.shape)))
            kinds = ("step", "exp_avg", "exp_avg_sq")
            if all(f"adam.{kind}.{name}" in state for kind in kinds):
                optimizer.state[value] = {
                    kind: _moment(state[f"adam.{kind}.{name}"], value, is_step=kind == "step")
                    for kind in kinds
                }


def _moment(value: npt.NDArray[np.float32], like: Tensor, *, is_step: bool) -> Tensor:
    found = torch.from_numpy(value.copy())
    return found.reshape(()) if is_step else found.reshape(like.shape).to(like.device)


def _batches(rows: Rows, recipe: Recipe, epoch: int, steps: range) -> Iterator[tuple[int, Rows, Flips]]:
    """Shuffled batches and which of their pictures are mirrored: flips only, all else changes quality."""
    rng = np.random.default_rng([recipe.seed, epoch])
    order, flips = rng.permutation(rows), rng.random(len(rows)) < 0.5
    for step in steps:
        part = slice(step * recipe.batch, (step + 1) * recipe.batch)
        yield step, order[part], flips[part]


def _views(lessons: Lessons, rows: Rows, flipped: Flips) -> list[Views]:
    pairs = [(lessons.views(row), is_flipped) for row, is_flipped in zip(rows.tolist(), flipped, strict=True)]
    return [(whole[:, ::-1], crop[:, ::-1]) if turned else (whole, crop) for (whole, crop), turned in pairs]


def _pace(optimizer: torch.optim.AdamW, recipe: Recipe, *, step: int, steps: int) -> None:
    """Set the rates of this step: a short rise, then a cosine to zero. From the step alone, so a resumed run
    needs no schedule of its own."""
    warm = max(1, round(WARM_SHARE * steps))
    rest = (step - warm) / max(1, steps - warm)
    share = (step + 1) / warm if step < warm else 0.5 * (1 + float(np.cos(np.pi * rest)))
    for group, rate in zip(optimizer.param_groups, (recipe.encoder_rate, recipe.head_rate), strict=True):
        group["lr"] = rate * share


def _average(pupil: Pupil, rank: Rank) -> None:
    if rank.world == 1:
        return
    for value in pupil.parameters():
        if value.grad is not None:
            torch.distributed.all_reduce(value.grad)
            value.grad /= rank.world
