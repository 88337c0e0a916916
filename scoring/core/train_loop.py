"""The loop that tunes an encoder: short enough to hold in mind.

Batches are dictionaries of tensors: ``whole`` and ``crop`` (B, 3, h, w), and what is known of them.
Batch-norm statistics stay as they were where batches are few, so that a small dataset cannot spoil them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from scoring.core.network import Encoder

Batch = Mapping[str, Tensor]
Step = Callable[["Tuned", Batch], Tensor]
ASK_EVERY = 50  # steps: reading a loss makes a GPU wait


class Tuned(nn.Module):
    """An encoder with the small heads that teach it: score, severity, kind of fault.

    ``forward``: whole and crop (B, 3, h, w) to features (B, 2F); ``score`` (B,) about -1 to 1, higher is
    better; ``fault`` (B, K) logits.
    """

    def __init__(self, encoder: Encoder, features: int, faults: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.norm = nn.BatchNorm1d(2 * features, affine=False)
        self.drop = nn.Dropout(0.25)
        self.score_head = nn.Linear(2 * features, 1)
        self.fault_head = nn.Linear(2 * features, faults)
        nn.init.zeros_(self.score_head.weight)

    def forward(self, whole: Tensor, crop: Tensor) -> Tensor:
        pooled = torch.cat(self.encoder(torch.cat([whole, crop])).chunk(2), dim=1)  # both are squares
        normal: Tensor = self.norm(pooled.float()).clamp(-6, 6)
        return normal

    def score(self, features: Tensor) -> Tensor:
        out: Tensor = self.score_head(self.drop(features))[:, 0]
        return out

    def fault(self, features: Tensor) -> Tensor:
        out: Tensor = self.fault_head(self.drop(features))
        return out


@dataclass(frozen=True, slots=True)
class Schedule:
    """How to step: learning rates of encoder and heads, cosine to zero over ``steps``.

    ``memory``: what remains, after each step, of the running mean of the weights that is kept at the end
    (0: the last weights are kept); a mean over the last 1 / (1 - memory) steps varies less from seed to seed.
    """

    steps: int
    encoder_rate: float = 1e-4
    head_rate: float = 1e-3
    weight_decay: float = 1e-4
    warm_steps: int = 50
    freeze_statistics: bool = False
    memory: float = 0.0


def run(
    model: Tuned,
    batches: Iterable[Batch],
    step: Step,
    schedule: Schedule,
    *,
    device: str,
    on_step: Callable[[int, float], None] | None = None,
) -> None:
    """Train in place for ``schedule.steps`` batches; ``on_step`` hears step number and loss now and then."""
    optimizer = torch.optim.AdamW(
        [
            {"params": model.encoder.parameters(), "lr": schedule.encoder_rate},
            {
                "params": [*model.score_head.parameters(), *model.fault_head.parameters()],
                "lr": schedule.head_rate,
            },
        ],
        weight_decay=schedule.weight_decay,
        fused=device == "cuda",
    )
    pace = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: _pace(n, schedule))
    weights: list[Tensor] = list(model.parameters())
    mean = [weight.detach().clone() for weight in weights]
    model.train()
    if schedule.freeze_statistics:
        model.encoder.eval()
        model.norm.eval()
    for number, batch in zip(range(schedule.steps), batches, strict=False):
        with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
            loss = step(model, batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it so
        nn.utils.clip_grad_norm_(weights, 5.0)
        optimizer.step()
        pace.step()
        if schedule.memory:
            fresh = max(1 - schedule.memory, 1 / (number + 1))
            torch._foreach_lerp_(mean, [weight.detach() for weight in weights], fresh)
        if number % ASK_EVERY == 0 or number == schedule.steps - 1:
            _ask(loss, number, on_step)
    if schedule.memory:
        with torch.no_grad():
            torch._foreach_copy_(weights, mean)
    model.eval()


def _ask(loss: Tensor, number: int, on_step: Callable[[int, float], None] | None) -> None:
    value = float(loss.detach())
    if not abs(value) < float("inf"):
        raise FloatingPointError(f"the loss is {value} at step {number}")
    if on_step is not None:
        on_step(number, value)


def _pace(number: int, schedule: Schedule) -> float:
    if number < schedule.warm_steps:
        return (number + 1) / schedule.warm_steps
    share = (number - schedule.warm_steps) / max(1, schedule.steps - schedule.warm_steps)
    return 0.5 * (1 + float(torch.cos(torch.tensor(share * torch.pi))))
