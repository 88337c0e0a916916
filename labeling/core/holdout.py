"""Which newcomers judge the model instead of teaching it: a draw over whole sellers and products.

Two photos of one product, or two products of one seller with the same studio behind them, must not face each
other across the line. So units are drawn, never pictures, and a unit once drawn keeps its side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FEWEST_SELLERS = 10  # with fewer, holding back whole sellers leaves too narrow a yardstick
LARGEST_SELLER = 0.25  # of the catalogue: a seller larger than that is split by product


@dataclass(frozen=True, slots=True)
class Unit:
    """A seller or a product that nobody has drawn yet, with its number of new pictures."""

    key: str
    pictures: int


def is_seller_whole(*, seller: str, sellers: int, share: float) -> bool:
    """Whether a new seller is drawn as one: it has a name, is one of many, and does not own the catalogue."""
    return bool(seller) and sellers >= FEWEST_SELLERS and share <= LARGEST_SELLER


def pictures_wanted(*, share: float, most: int, pictures: int, held: int) -> float:
    """How many more pictures the holdout should get, when ``pictures`` are in the project, ``held`` of them
    held back: ``share`` of all, ``most`` at the utmost; at least 0."""
    return max(0.0, min(share * pictures, float(most)) - held)


def draw_units(units: Sequence[Unit], *, wanted: float, rng: np.random.Generator) -> set[str]:
    """Keys of the units held back: in random order until ``wanted`` pictures are reached.

    The first unit larger than what is still wanted is taken with the chance that makes the expected size
    right, and ends the draw: so pictures that come one by one are drawn as fairly as a thousand at once.
    """
    taken: set[str] = set()
    for number in rng.permutation(len(units)):
        unit = units[number]
        if rng.random() * unit.pictures < wanted:
            taken.add(unit.key)
        if unit.pictures >= wanted:
            break
        wanted -= unit.pictures
    return taken
