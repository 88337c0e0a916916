"""A deep retrain at the product's own rates: seconds an epoch on the card and on this machine's processor."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.claims import report
from bench.graphics.course import course_of
from scoring.core.recipes import USUAL, Recipe
from scoring.deep_course import course_run

EPOCHS_TIMED = 3
JUDGED_EVERY = 5  # as splits do it, about: every fifth lesson is judged, not learned from
ON_PROCESSOR, EPOCHS_THERE = 48, 2  # the processor's own course is a short one


def told_teaching(blobs: Sequence[bytes], *, name: str, card: str = "cuda") -> None:
    """Print what an epoch over these pictures costs by the card and by the processor."""
    on_card, first, gb = _timed(blobs, card, USUAL["cuda"].batch)
    few = blobs[:ON_PROCESSOR]
    on_processor, _, _ = _timed(few, "cpu", USUAL["cpu"].batch)
    whose = f"{len(blobs)} pictures, {name}; the first epoch {first:.1f} s, {gb:.1f} GB at most"
    report("deep training on CUDA: an epoch", len(blobs) / on_card, "s", "", None, whose)
    report("deep training on CUDA", on_card, "pictures/s", "", None, f"batches of {USUAL['cuda'].batch}")
    cores = f"{os.cpu_count()} cores, {len(few)} pictures at batches of {USUAL['cpu'].batch}"
    report("deep training on this machine's processor", on_processor, "pictures/s", "", None, cores)
    times = on_card / on_processor
    report("deep training, CUDA against the processor", times, "times", ">= 5", times >= 5, name)


def _timed(blobs: Sequence[bytes], place: str, batch: int) -> tuple[float, float, float]:
    """Pictures a second after the first epoch, seconds of the first, and GB of the card's memory at most."""
    import torch

    scores = np.random.default_rng(0).uniform(10, 90, len(blobs))
    judged = np.arange(len(blobs)) % JUDGED_EVERY == 0
    ends: list[float] = []
    with tempfile.TemporaryDirectory(prefix="vitrine-course-") as name:
        folder, epochs = Path(name), EPOCHS_TIMED if place == "cuda" else EPOCHS_THERE
        recipe = Recipe(epochs=epochs, batch=batch)
        course_of(folder, blobs=blobs, targets=scores, is_judged=judged, recipe=recipe)
        began = time.monotonic()

        def told(line: Mapping[str, Any]) -> None:
            if "curve" in line:
                ends.append(time.monotonic())

        threads = torch.get_num_threads()
        torch.set_num_threads(os.cpu_count() or 1)
        course_run(folder, told=told, device=place)
        torch.set_num_threads(threads)
    first = ends[0] - began
    later = (ends[-1] - ends[0]) / (len(ends) - 1) if len(ends) > 1 else first
    gb = torch.cuda.max_memory_allocated() / 1e9 if place == "cuda" else 0.0
    return len(blobs) / later, first, gb
