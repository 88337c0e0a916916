"""How long, how fast and by which losses a network learns; known without torch."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

Losses = tuple[tuple[str, float], ...]  # names of scoring.core.losses, and how much each counts

OF_SCORES = ("norm-in-norm", "ranking", "mse", "plcc")
OF_HISTOGRAMS = ("emd", "cross-entropy")  # of votes 1-5
USUAL_LOSSES: Losses = (
    ("norm-in-norm", 1.0),
    ("ranking", 0.5),
    ("mse", 0.3),
    ("plcc", 0.5),
    ("emd", 0.3),
)
USUAL_OF_SCORES = tuple(each for each in USUAL_LOSSES if each[0] in OF_SCORES)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How long, how fast and by what. Rates are of AdamW, down to zero by a cosine over all epochs."""

    epochs: int = 4
    batch: int = 8
    encoder_rate: float = 3e-5
    head_rate: float = 1e-4
    weight_decay: float = 1e-3
    seed: int = 0
    losses: Losses = USUAL_LOSSES


USUAL = {"cpu": Recipe(), "cuda": Recipe(epochs=16, batch=16, encoder_rate=1e-4)}  # by where it is learned


def usual_recipe(place: str, *, seed: int = 0, epochs: int = 0, losses: Losses = ()) -> Recipe:
    """The recipe of ``cpu`` or ``cuda``; so many epochs and these losses instead of its own, where given."""
    usual = USUAL[place]
    return replace(usual, seed=seed, epochs=epochs or usual.epochs, losses=losses or usual.losses)


def recipe_read(told: Mapping[str, Any]) -> Recipe:
    """The recipe that was kept as JSON; older releases knew the usual losses only."""
    chosen = tuple((str(name), float(weight)) for name, weight in told.get("losses", USUAL_LOSSES))
    return Recipe(**{**told, "losses": chosen})


def losses_of(words: str, known: Collection[str] = (*OF_SCORES, *OF_HISTOGRAMS)) -> Losses:
    """Losses and weights from ``mse:0.3,ranking``, a weight of one left out; none from no words.

    Raises ValueError that names what is not known.
    """
    chosen: dict[str, float] = {}
    for word in (part.strip() for part in words.split(",")):
        name, _, weight = word.partition(":")
        if not word:
            continue
        if name not in known:
            raise ValueError(f"there is no loss {name!r}; there are {', '.join(known)}")
        chosen[name] = _weight(weight or "1")
    return tuple(chosen.items())


def losses_told(losses: Losses) -> str:
    """The words of ``losses_of``."""
    return ",".join(f"{name}:{weight:g}" for name, weight in losses)


def _weight(word: str) -> float:
    try:
        weight = float(word)
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and weight > 0):
        raise ValueError(f"a weight of {word!r} is not a number above zero")
    return weight
