"""What a fine-tune minimises. Inputs (B,), scores standardised to about -1 to 1; means over a batch."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from scoring.core.recipes import Losses

Loss = Callable[[Tensor, Tensor], Tensor]
RANK_MARGIN = 0.05
TINY = 1e-6


def mse(guess: Tensor, truth: Tensor) -> Tensor:
    """Mean squared error."""
    return functional.mse_loss(guess, truth)


def plcc(guess: Tensor, truth: Tensor) -> Tensor:
    """(1 - Pearson correlation) / 2 over the batch, 0 to 1."""
    a, b = guess - guess.mean(), truth - truth.mean()
    loss: Tensor = (1 - (a * b).sum() / (a.norm() * b.norm() + TINY)) / 2
    return loss


def norm_in_norm(guess: Tensor, truth: Tensor) -> Tensor:
    """Distance of centred, unit-length predictions and labels (Li et al., arXiv 2008.03889, p=1, q=2)."""
    a, b = guess - guess.mean(), truth - truth.mean()
    scale = 2.0 * len(guess) ** 0.5  # the largest the sum can be for q=2, p=1
    loss: Tensor = (a / (a.norm() + TINY) - b / (b.norm() + TINY)).abs().sum() / scale
    return loss


def ranking(guess: Tensor, truth: Tensor) -> Tensor:
    """Hinge over all pairs whose labels differ: the better one must score higher by their gap's share."""
    gap = truth[:, None] - truth[None, :]
    told = guess[:, None] - guess[None, :]
    wanted = gap > RANK_MARGIN
    if not bool(wanted.any()):
        return guess.sum() * 0
    return functional.relu(0.5 * gap - told)[wanted].mean()


def emd(logits: Tensor, histogram: Tensor) -> Tensor:
    """Squared earth mover's distance of vote histograms (B, 5) (Talebi and Milanfar, arXiv 1709.05424)."""
    difference = functional.softmax(logits, dim=1).cumsum(1) - histogram.cumsum(1)
    return difference.square().mean(1).sqrt().mean()


def cross_entropy(logits: Tensor, histogram: Tensor) -> Tensor:
    """Cross-entropy of predicted grades against vote histograms (B, 5)."""
    return -(histogram * functional.log_softmax(logits, dim=1)).sum(1).mean()


SCORE_LOSSES: dict[str, Loss] = {"mse": mse, "plcc": plcc, "norm-in-norm": norm_in_norm, "ranking": ranking}
HISTOGRAM_LOSSES: dict[str, Loss] = {"emd": emd, "cross-entropy": cross_entropy}


def chosen_loss(
    chosen: Losses,
    guess: Tensor,
    truth: Tensor,
    histogram: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """Weighted sum of the chosen; ``histogram``: logits of the grades and shares of votes, both (B, 5).

    Without one, a loss that asks for it is a KeyError naming it.
    """
    parts = [
        weight
        * (
            HISTOGRAM_LOSSES[name](*histogram)
            if histogram and name in HISTOGRAM_LOSSES
            else SCORE_LOSSES[name](guess, truth)
        )
        for name, weight in chosen
    ]
    return functools.reduce(torch.add, parts)


def severity_order(guess: Tensor, worse: Tensor, gap: Tensor) -> Tensor:
    """Hinge for pairs of one picture: ``worse`` must score lower by a margin that grows with ``gap`` (B,)."""
    return functional.relu(worse - guess + gap).mean()


def seed_everything(seed: int) -> None:
    """The same draws every time, as far as the device allows."""
    torch.manual_seed(seed)
