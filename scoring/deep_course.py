"""A deep retrain on disk: its lessons, and the loop that resumes at the last checkpoint (deep_keep.py).

Knows nothing of Django, so that ``torchrun`` can start it on every GPU:

    torchrun --standalone --nproc_per_node 2 -m scoring.deep_course FOLDER

The folder holds ``course.json``, ``lessons.safetensors``, ``views/`` and the checkpoints.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import torch

from scoring.core.backbone import encoder_module
from scoring.core.checkpoint import WeightsError, read_tensor_file, write_tensors, write_whole
from scoring.core.fine_tune import (
    ALONE,
    FRESH,
    Pupil,
    Rank,
    Stand,
    Start,
    Views,
    answers_of,
    pupil_optimizer,
    state_load,
    state_of,
    steps_per_epoch,
    teach_epoch,
)
from scoring.core.metrics import srcc
from scoring.core.recipes import Recipe, recipe_read
from scoring.core.types import ByteArray, FloatArray
from scoring.deep_keep import Checkpoint, Pace, checkpoint_read, checkpoint_write

FEWEST_JUDGED = 8
ENCODER = "encoder."

Told = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Course:
    """What is learned: the recipe, and of each of the N lessons whether it is judged instead of learned."""

    folder: Path
    recipe: Recipe
    vectors: FloatArray
    targets: FloatArray
    histograms: FloatArray
    is_judged: npt.NDArray[np.bool_]

    @property
    def taught(self) -> npt.NDArray[np.int64]:
        return np.flatnonzero(~self.is_judged)

    @property
    def judged(self) -> npt.NDArray[np.int64]:
        return np.flatnonzero(self.is_judged)

    def views(self, row: int) -> Views:
        """Both views of a lesson as serving sees them."""
        with np.load(self.folder / "views" / f"{row}.npz") as kept:
            return kept["whole"], kept["crop"]


def course_write(
    folder: Path, *, recipe: Recipe, lessons: Mapping[str, npt.NDArray[Any]], facts: Mapping[str, Any]
) -> None:
    """Keep a course: ``lessons`` are arrays of ``Course`` and of ``Start``. The last file makes it whole."""
    digest = write_tensors(folder, dict(lessons), facts)
    (folder / f"{digest}.safetensors").replace(folder / "lessons.safetensors")
    (folder / f"{digest}.json").unlink(missing_ok=True)
    told = {"recipe": asdict(recipe), "lessons": digest, **facts}
    write_whole(folder / "course.json", json.dumps(told, indent=1).encode())


def views_write(folder: Path, row: int, *, whole: ByteArray, crop: ByteArray, image: int = 0) -> None:
    """Keep both views of a lesson, uint8 (h, w, 3), whole or not at all, and whose they are."""
    path = folder / "views" / f"{row}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{row}.{os.getpid()}.part.npz")
    np.savez(draft, whole=whole, crop=crop, image=image)
    draft.replace(path)


def views_are_of(folder: Path, row: int, *, image: int) -> bool:
    """Whether a worker before has kept the views of this picture as those of this lesson."""
    try:
        with np.load(folder / "views" / f"{row}.npz") as kept:
            return int(kept["image"]) == image
    except (OSError, ValueError, KeyError, BadZipFile):
        return False


def course_read(folder: Path) -> tuple[Course, Start, dict[str, Any]]:
    """The course, where it starts from, and its facts; WeightsError where it is not whole."""
    try:
        told = json.loads((folder / "course.json").read_text())
    except (OSError, ValueError) as error:
        raise WeightsError(f"There is no course in {folder.name}") from error
    arrays = read_tensor_file(folder / "lessons.safetensors", told["lessons"])
    start = Start(**{name: arrays[name] for name in Start.__slots__ if name != "level"}, level=told["level"])
    course = Course(
        folder,
        recipe_read(told["recipe"]),
        arrays["vectors"],
        arrays["targets"],
        arrays["histograms"],
        arrays["is_judged"].astype(bool),
    )
    return course, start, told


def course_run(folder: Path, *, told: Told, device: str = "cpu", rank: Rank = ALONE) -> Pupil:
    """Learn what is left of a course, keeping checkpoints on the way.

    ``told`` hears ``{"epoch", "step", "steps"}`` after each step, ``{"kept": True}`` when work is safe within
    an epoch, and ``{"curve": [...]}`` after each epoch; what it raises stops the run where it stands.
    """
    course, start, facts = course_read(folder)
    encoder: Any = encoder_read(Path(facts["weights"]))
    pupil = Pupil(encoder.to(memory_format=torch.channels_last), start).to(device)  # a fifth quicker on a CPU
    school = School(course, pupil, pupil_optimizer(pupil, course.recipe), told, device, rank)
    found = checkpoint_read(folder)
    if found is not None:
        state_load(pupil, school.optimizer, found.state)
        school.curve, school.spent = list(found.curve), found.seconds
    for epoch in range(found.epoch if found else 0, course.recipe.epochs):
        school.epoch(epoch, found.stand if found and found.epoch == epoch else FRESH)
        if rank.world > 1:
            torch.distributed.barrier()
    return pupil


@dataclass(slots=True)
class School:
    """A course under way in one process; the first of several keeps the checkpoints and tells."""

    course: Course
    pupil: Pupil
    optimizer: torch.optim.AdamW
    told: Told
    device: str
    rank: Rank
    curve: list[dict[str, float]] = field(default_factory=list)
    spent: float = 0.0  # seconds on the epoch under way before this life
    pace: Pace = field(default_factory=Pace)

    def epoch(self, epoch: int, stand: Stand) -> None:
        """One epoch, or what is left of it."""
        course, began = self.course, time.monotonic() - self.spent
        steps = steps_per_epoch(len(course.taught), course.recipe, self.rank.world)

        def on_step(stand: Stand) -> None:
            self.told({"epoch": epoch + 1, "step": stand.step, "steps": steps})
            if self.rank.number == 0 and stand.step < steps and self.pace.is_due():
                self._keep(epoch, stand, time.monotonic() - began)
                self.told({"kept": True})

        loss = teach_epoch(
            self.pupil,
            self.optimizer,
            course,
            course.taught,
            course.recipe,
            epoch,
            device=self.device,
            rank=self.rank,
            stand=stand,
            on_step=on_step,
        )
        self.spent = 0.0
        if self.rank.number == 0:
            self.curve.append(_point(course, self.pupil, epoch, loss, began, self.device))
            self.told({"epoch": epoch + 1, "step": steps, "steps": steps})  # still ours? then it may be kept
            self._keep(epoch + 1, FRESH, 0.0)
            self.told({"curve": list(self.curve)})

    def _keep(self, epoch: int, stand: Stand, seconds: float) -> None:
        began, state = self.pace.clock(), state_of(self.pupil, self.optimizer)
        checkpoint_write(self.course.folder, Checkpoint(epoch, self.curve, state, stand, seconds))
        self.pace.written(began=began)


def _point(
    course: Course, pupil: Pupil, epoch: int, loss: float, began: float, device: str
) -> dict[str, float]:
    """A point of the live curve, tried on lessons not learned from; the holdout is not among them."""
    point = {"epoch": epoch + 1, "loss": round(loss, 5), "seconds": round(time.monotonic() - began, 2)}
    if len(course.judged) >= FEWEST_JUDGED:
        guess = answers_of(pupil, course, course.judged, batch=course.recipe.batch, device=device)
        point["srcc"] = round(float(srcc(guess, course.targets[course.judged])), 4)
    return point


def encoder_read(weights: Path) -> torch.nn.Module:
    """The encoder of a weights file, to be tuned."""
    tensors = read_tensor_file(weights).items()
    return encoder_module({n.removeprefix(ENCODER): v for n, v in tensors if n.startswith(ENCODER)})


def best_device() -> str:
    """``cuda`` where there is one, unless VITRINE_DEVICE says cpu."""
    if os.environ.get("VITRINE_DEVICE", "") == "cpu" or not torch.cuda.is_available():
        return "cpu"
    return "cuda"


def card_release() -> None:
    """Give a card's memory back to the processes that score: torch keeps what a run has freed for the next
    run of this process. Where no card was used nothing is asked of one."""
    gc.collect()
    torch.cuda.empty_cache()


def ranks_run(folder: Path, *, ranks: int, told: Told) -> int:
    """Learn a course by so many processes under torchrun; returns how many lines they told.

    What ``told`` raises ends them all; they end by themselves when this process is gone.
    """
    command = (sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={ranks}")
    child = subprocess.Popen(
        [*command, "-m", "scoring.deep_course", str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "VITRINE_DEEP_PARENT": str(os.getpid())},
        start_new_session=True,
    )
    lines = 0
    try:
        for line in child.stdout or ():
            if line.startswith("{"):
                told(json.loads(line))
                lines += 1
    except BaseException:
        os.killpg(child.pid, signal.SIGKILL)
        raise
    finally:
        status = child.wait()
    if status != 0:
        raise RuntimeError(f"the processes of this training ended with status {status}")
    return lines


def main(argv: list[str]) -> int:
    """One process of several under torchrun: lines of JSON on stdout tell the parent how far it is."""
    rank = Rank(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))
    device, parent = best_device(), int(os.environ.get("VITRINE_DEEP_PARENT", "0"))
    if device == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    if rank.world > 1:
        torch.distributed.init_process_group("nccl" if device == "cuda" else "gloo")

    def told(line: Mapping[str, Any]) -> None:
        if parent and not Path(f"/proc/{parent}").exists():
            raise SystemExit("whoever started this is gone")
        if rank.number == 0:
            print(json.dumps(line), flush=True)

    course_run(Path(argv[0]), told=told, device=device, rank=rank)
    if rank.world > 1:
        torch.distributed.destroy_process_group()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
