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
        pooled = torch.cat([self.encoder(whole), self.encoder(crop)], dim=1)
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
    """How to step: learning rates of encoder and heads, cosine to zero over ``steps``."""

    steps: int
    encoder_rate: float = 1e-4
    head_rate: float = 1e-3
    weight_decay: float = 1e-4
    warm_steps: int = 50
    freeze_statistics: bool = False


def run(
    model: Tuned,
    batches: Iterable[Batch],
    step: Step,
    schedule: Schedule,
    *,
    device: str,
    on_step: Callable[[int, float], None] | None = None,
) -> None:
    """Train in place for ``schedule.steps`` batches; ``on_step`` hears step number and loss."""
    optimizer = torch.optim.AdamW(
        [
            {"params": model.encoder.parameters(), "lr": schedule.encoder_rate},
            {
                "params": [*model.score_head.parameters(), *model.fault_head.parameters()],
                "lr": schedule.head_rate,
            },
        ],
        weight_decay=schedule.weight_decay,
    )
    pace = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: _pace(n, schedule))
    model.train()
    if schedule.freeze_statistics:
        model.encoder.eval()
    for number, batch in enumerate(batches):
        if number >= schedule.steps:
            break
        moved = {name: value.to(device, non_blocking=True) for name, value in batch.items()}
        with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
            loss = step(model, moved)
        if not bool(torch.isfinite(loss)):
            raise FloatingPointError(f"the loss is {float(loss)} at step {number}")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it so
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        pace.step()
        if on_step is not None:
            on_step(number, float(loss.detach()))
    model.eval()


def _pace(number: int, schedule: Schedule) -> float:
    if number < schedule.warm_steps:
        return (number + 1) / schedule.warm_steps
    share = (number - schedule.warm_steps) / max(1, schedule.steps - schedule.warm_steps)
    return 0.5 * (1 + float(torch.cos(torch.tensor(share * torch.pi))))
