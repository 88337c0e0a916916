"""From what is worth asking to one number per item: higher is handed out first.

Layers that never overlap: items somebody has begun (a label half made is worth little), finished ones worth
another vote, the batch that active learning chose with random pictures among it, and the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

BEGUN = 3.0
AGAIN = 2.5  # a finished label that is worth another vote more than any new picture is
BATCH_TOP, BATCH_FLOOR = 2.0, 1.0
DIGITS = 2  # of the rest: a priority that hardly moved is not written again


@dataclass(frozen=True, slots=True)
class Waiting:
    """N open items. ``stds`` of the model's prediction in score points; ``draws`` 0-1, each item's own and
    always the same; ``is_begun``: somebody voted already; ``at_random``: pictures the model is judged and
    calibrated on, which must not come in an order the model likes; ``is_held``: those it is judged on, which
    go on collecting after others would be done, ``votes`` so far."""

    stds: Array
    draws: Array
    is_begun: Mask
    at_random: Mask
    is_held: Mask
    votes: Indices

    def __len__(self) -> int:
        return len(self.stds)


def draws_of(item_ids: Sequence[int]) -> Array:
    """A number 0-1 for each id, evenly spread and the same for ever (the splitmix64 mixer, Steele 2014)."""
    with np.errstate(over="ignore"):
        z = np.asarray(item_ids, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return np.asarray((z >> np.uint64(11)).astype(np.float64) / 2.0**53, dtype=np.float64)


def by_uncertainty(stds: npt.ArrayLike) -> Array:
    """Priorities of the rest, and of what has just joined: one step a score point of uncertainty."""
    shares = np.asarray(stds, dtype=np.float64) / 100.0
    return np.asarray(np.round(np.clip(shares, 0.0, BATCH_FLOOR - 10.0**-DIGITS), DIGITS), dtype=np.float64)


def priorities_by_draw(waiting: Waiting, *, draws: Array | None = None) -> Array:
    """Everything in random order (of ``draws``, where given), what is begun first."""
    return np.where(waiting.is_begun, BEGUN, np.round(waiting.draws if draws is None else draws, 6))


def draws_by_quota(draws: Array, categories: npt.NDArray[np.str_], quotas: Mapping[str, float]) -> Array:
    """Draws 0-1 in whose order each category has its share of any stretch while it lasts.

    Within a category nothing changes places. What has no quota shares the rest; where the quotas are the
    whole it comes last.
    """
    place = np.empty(len(draws))
    named = np.isin(categories, list(quotas))
    groups = [(categories == name, share) for name, share in quotas.items()]
    for rows, share in (*groups, (~named, 1.0 - sum(quotas.values()))):
        order = np.argsort(-draws[rows], kind="stable")
        turns = np.empty(len(order))
        turns[order] = (np.arange(len(order)) + 0.5) / max(share, 1e-9)
        place[rows] = turns
    out = np.empty(len(draws))
    out[np.argsort(place, kind="stable")] = 1.0 - (np.arange(len(draws)) + 0.5) / max(1, len(draws))
    return out


def priorities(waiting: Waiting, *, chosen: Indices, drawn: Indices, random_share: float) -> Array:
    """Begun items, then ``chosen`` rows with ``random_share`` of ``drawn`` ones among them, then the rest.

    The rest goes by uncertainty; pictures that must come at random lie evenly among it.
    """
    out = _rest(waiting)
    order = interleave(chosen, drawn, share=random_share)
    step = (BATCH_TOP - BATCH_FLOOR) / (len(order) + 1)
    out[order] = BATCH_TOP - step * np.arange(len(order))
    out[waiting.is_begun] = BEGUN
    return out


def set_apart_rows(waiting: Waiting) -> Indices:
    """Rows the model is judged and calibrated on, not begun, by their draws."""
    return _by_turns(waiting, waiting.at_random & ~waiting.is_begun)


def random_rows(waiting: Waiting, *, chosen: Indices) -> Indices:
    """Rows that are neither begun nor chosen by their draws, those set apart before any other."""
    left = ~waiting.is_begun
    left[chosen] = False
    return _by_turns(waiting, left)


def _by_turns(waiting: Waiting, rows: Mask) -> Indices:
    """Rows held back and other ones by turns: the set pace at which the yardstick is made.

    Held back, the one with the fewest votes is next, so that all of them can soon be used; of the others
    those set apart come first.
    """
    held = np.lexsort((waiting.draws, waiting.votes))
    others = np.lexsort((waiting.draws, ~waiting.at_random))
    held, others = held[(rows & waiting.is_held)[held]], others[(rows & ~waiting.is_held)[others]]
    order = np.argsort(np.concatenate([2 * np.arange(len(held)), 2 * np.arange(len(others)) + 1]))
    return np.asarray(np.concatenate([held, others])[order], dtype=np.int64)


def interleave(chosen: Indices, drawn: Indices, *, share: float) -> Indices:
    """Both in their own order, ``share`` of any stretch from ``drawn`` while it lasts."""
    among = drawn_among(chosen, drawn, share=share)
    turns = (np.arange(len(among)) + 0.5) * (1.0 - share) / share
    order = np.argsort(np.concatenate([np.arange(len(chosen)) + 0.5, turns]), kind="stable")
    return np.asarray(np.concatenate([chosen, among])[order], dtype=np.int64)


def drawn_among(chosen: Indices, drawn: Indices, *, share: float) -> Indices:
    """The ``drawn`` rows that come among the ``chosen``."""
    return drawn[: round(len(chosen) * share / (1.0 - share))]


def _rest(waiting: Waiting) -> Array:
    """Below the batch: by uncertainty; each random one at the place its draw has in that order."""
    out = by_uncertainty(waiting.stds)
    model_likes = out[~waiting.at_random]
    if len(model_likes) and waiting.at_random.any():
        out[waiting.at_random] = np.round(np.quantile(model_likes, waiting.draws[waiting.at_random]), DIGITS)
    return np.asarray(out, dtype=np.float64)
