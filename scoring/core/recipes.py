"""How long and how fast a deep retrain learns; known without torch."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Recipe:
    """How long and how fast. Rates are of AdamW, down to zero by a cosine over all epochs."""

    epochs: int = 4
    batch: int = 8
    encoder_rate: float = 3e-5
    head_rate: float = 1e-4
    weight_decay: float = 1e-3
    seed: int = 0


USUAL = {"cpu": Recipe(), "cuda": Recipe(epochs=16, batch=16, encoder_rate=1e-4)}  # by where it is learned


def usual_recipe(place: str, *, seed: int = 0, epochs: int = 0) -> Recipe:
    """The recipe of ``cpu`` or ``cuda``; so many epochs instead of its own, where given."""
    usual = USUAL[place]
    return replace(usual, seed=seed, epochs=epochs or usual.epochs)
