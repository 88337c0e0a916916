"""How far long work is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """``done`` of ``total``, ``failed`` among the done."""

    done: int
    total: int
    failed: int = 0

    @property
    def share(self) -> float:
        """Done share 0-1; nothing to do is done."""
        return self.done / self.total if self.total else 1.0
