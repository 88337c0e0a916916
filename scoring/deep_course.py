"""A deep retrain on disk: its lessons, a checkpoint an epoch, and the loop that resumes at the last one.

Knows nothing of Django, so that ``torchrun`` can start it on every GPU:

    torchrun --standalone --nproc_per_node 2 -m scoring.deep_course FOLDER

The folder holds ``course.json``, ``lessons.safetensors``, ``views/`` and the checkpoints.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from scoring.core.backbone import encoder_module
from scoring.core.checkpoint import (
    WeightsError,
    read_tensor_file,
    read_tensors,
    write_tensors,
    write_whole,
)
from scoring.core.decode import as_input
from scoring.core.fine_tune import (
    ALONE,
    Pupil,
    Rank,
    Recipe,
    Start,
    Tensors,
    Views,
    answers_of,
    pupil_optimizer,
    state_load,
    state_of,
    steps_per_epoch,
    teach_epoch,
)
from scoring.core.metrics import srcc
from scoring.core.types import ByteArray, FloatArray

KEPT = 2  # checkpoints: the newest, and one to fall back on
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
        kept = np.load(self.folder / "views" / f"{row}.npz")
        return as_input(kept["whole"]), as_input(kept["crop"])


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """State after ``epoch`` epochs, and the curve so far."""

    epoch: int
    curve: list[dict[str, float]]
    state: Tensors


def course_write(
    folder: Path, *, recipe: Recipe, lessons: Mapping[str, npt.NDArray[Any]], facts: Mapping[str, Any]
) -> None:
    """Keep a course: ``lessons`` are arrays of ``Course`` and of ``Start``. The last file makes it whole."""
    digest = write_tensors(folder, dict(lessons), facts)
    (folder / f"{digest}.safetensors").replace(folder / "lessons.safetensors")
    (folder / f"{digest}.json").unlink(missing_ok=True)
    told = {"recipe": asdict(recipe), "lessons": digest, **facts}
    write_whole(folder / "course.json", json.dumps(told, indent=1).encode())


def views_write(folder: Path, row: int, *, whole: ByteArray, crop: ByteArray) -> None:
    """Keep both views of a lesson, uint8 (h, w, 3), whole or not at all."""
    path = folder / "views" / f"{row}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{row}.{os.getpid()}.part.npz")
    np.savez(draft, whole=whole, crop=crop)
    draft.replace(path)


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
        Recipe(**told["recipe"]),
        arrays["vectors"],
        arrays["targets"],
        arrays["histograms"],
        arrays["is_judged"].astype(bool),
    )
    return course, start, told


def checkpoint_write(folder: Path, checkpoint: Checkpoint) -> None:
    """Keep a checkpoint: the state by digest, then the list that names it; a kill leaves the one before."""
    known = _listed(folder)
    digest = write_tensors(folder / "checkpoints", checkpoint.state, {"epoch": checkpoint.epoch})
    entry = {"epoch": checkpoint.epoch, "digest": digest, "curve": checkpoint.curve}
    kept = [entry, *(each for each in known if each["epoch"] < checkpoint.epoch)][:KEPT]
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
        return Checkpoint(int(entry["epoch"]), list(entry["curve"]), state)
    return None


def _listed(folder: Path) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = json.loads((folder / "checkpoints.json").read_text())
    except (OSError, ValueError):
        return []
    return found


def course_run(folder: Path, *, told: Told, device: str = "cpu", rank: Rank = ALONE) -> Pupil:
    """Learn what is left of a course, a checkpoint an epoch.

    ``told`` hears ``{"epoch", "step", "steps"}`` after each step and ``{"curve": [...]}`` after each epoch;
    what it raises stops the run where it stands.
    """
    course, start, facts = course_read(folder)
    pupil = Pupil(encoder_read(Path(facts["weights"])), start).to(device)
    optimizer = pupil_optimizer(pupil, course.recipe)
    found = checkpoint_read(folder)
    if found is not None:
        state_load(pupil, optimizer, found.state)
    curve = list(found.curve) if found else []
    steps = steps_per_epoch(len(course.taught), course.recipe, rank.world)
    for epoch in range(found.epoch if found else 0, course.recipe.epochs):
        began = time.monotonic()

        def step_told(step: int, epoch: int = epoch) -> None:
            told({"epoch": epoch + 1, "step": step, "steps": steps})

        loss = teach_epoch(
            pupil,
            optimizer,
            course,
            course.taught,
            course.recipe,
            epoch,
            device=device,
            rank=rank,
            on_step=step_told,
        )
        if rank.number == 0:
            curve.append(_point(course, pupil, epoch, loss, began, device))
            told({"epoch": epoch + 1, "step": steps, "steps": steps})  # still ours? then it may be kept
            checkpoint_write(folder, Checkpoint(epoch + 1, curve, state_of(pupil, optimizer)))
            told({"curve": list(curve)})
        if rank.world > 1:
            torch.distributed.barrier()
    return pupil


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
