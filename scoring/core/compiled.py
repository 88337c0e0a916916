"""Loops over pixels as machine code: many numbers of one picture in a single pass through it.

numpy goes through a picture once for each operation; what these functions measure would take it hundreds of
passes. Numba compiles them at their first call, a fifth of a second each, and keeps the result beside the
source or, where that cannot be written, in the user's cache folder (``NUMBA_CACHE_DIR`` names another).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, ParamSpec, TypeVar

Given = ParamSpec("Given")
Told = TypeVar("Told")

# Sums may be taken in any order, so that they can be taken side by side; what is not finite stays so.
LIBERTIES = {"reassoc", "contract", "arcp", "nsz"}


def compiled(function: Callable[Given, Told]) -> Callable[Given, Told]:
    """``function`` of arrays and numbers as machine code: without bounds checks; other threads run meanwhile.

    It cannot call another one. Arrays in one piece are worth having: of others it must ask where each value
    is.
    """

    @lru_cache(maxsize=1)
    def ready() -> Callable[..., Told]:
        import numba  # who measures nothing starts without

        options: dict[str, Any] = {"nogil": True, "fastmath": LIBERTIES, "error_model": "numpy"}
        try:
            made: Callable[..., Told] = numba.njit(cache=True, **options)(function)
        except RuntimeError:  # no folder in which it could be kept
            made = numba.njit(**options)(function)
        return made

    @wraps(function)
    def run(*args: Given.args, **kwargs: Given.kwargs) -> Told:
        return ready()(*args, **kwargs)

    return run
