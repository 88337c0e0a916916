"""What a deep retrain keeps to be resumed from: checkpoints, and when the next one is due.

A checkpoint stands after a step, not only after an epoch, so that a machine whose workers die every few
seconds still gets on: each life keeps its first step.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scoring.core.checkpoint import WeightsError, read_tensors, write_tensors, write_whole
from scoring.core.fine_tune import FRESH, Stand, Tensors

KEPT = 2  # checkpoints: the newest, and one to fall back on
KEEP_S = 30.0  # at most so much work is lost where the disk keeps up
DEAREST = 20.0  # between two checkpoints lies at least so many times what one takes to write


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """State after ``epoch`` whole epochs and what ``stand`` says of the one begun; the curve so far.

    ``seconds`` were spent on the epoch that is begun.
    """

    epoch: int
    curve: list[dict[str, float]]
    state: Tensors
    stand: Stand = FRESH
    seconds: float = 0.0


@dataclass(slots=True)
class Pace:
    """When to keep: after the first step of a life, then when half of that life's work would be lost, in a
    long life every KEEP_S seconds; a state that is slow to write is written more seldom."""

    clock: Callable[[], float] = time.monotonic
    began: float = field(init=False)
    kept: float = field(init=False)
    took: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.began = self.kept = self.clock()

    def is_due(self) -> bool:
        """Whether a checkpoint should be written now."""
        now = self.clock()
        return now - self.kept >= max(DEAREST * self.took, min(KEEP_S, (now - self.began) / 2))

    def written(self, *, began: float) -> None:
        """A checkpoint whose writing began then is on disk."""
        self.kept = self.clock()
        self.took = self.kept - began


def checkpoint_write(folder: Path, checkpoint: Checkpoint) -> None:
    """Keep a checkpoint: the state by digest, then the list that names it; a kill leaves the one before."""
    place = (checkpoint.epoch, checkpoint.stand.step)
    known = [each for each in _listed(folder) if _place(each) < place]
    digest = write_tensors(folder / "checkpoints", checkpoint.state, {"epoch": place[0], "step": place[1]})
    entry = {
        "epoch": checkpoint.epoch,
        "digest": digest,
        "curve": checkpoint.curve,
        "stand": asdict(checkpoint.stand),
        "seconds": checkpoint.seconds,
    }
    kept = [entry, *known][:KEPT]
    write_whole(folder / "checkpoints.json", json.dumps(kept).encode())
    names = {each["digest"] for each in kept}
    for path in (folder / "checkpoints").glob("*"):
        if path.name.split(".")[0] not in names:
            path.unlink(missing_ok=True)


def checkpoint_read(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that is whole: its digest is checked, a damaged one is passed over."""
    for entry in _listed(folder):
        try:
            state = read_tensors(folder / "checkpoints", entry["digest"])
        except WeightsError:
            continue
        stand = Stand(**entry.get("stand", {}))  # older releases kept whole epochs only
        curve, seconds = list(entry["curve"]), float(entry.get("seconds", 0.0))
        return Checkpoint(int(entry["epoch"]), curve, state, stand, seconds)
    return None


def _place(entry: dict[str, Any]) -> tuple[int, int]:
    return int(entry["epoch"]), int(entry.get("stand", {}).get("step", 0))


def _listed(folder: Path) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = json.loads((folder / "checkpoints.json").read_text())
    except (OSError, ValueError):
        return []
    return found
