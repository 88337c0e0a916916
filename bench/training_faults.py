"""Claim: a deep training killed at random points resumes, loses less than an epoch, never runs twice at once.

python -m bench.training_faults [--kills 20] [--pauses 2] [--pictures 44] [--epochs 9] [--seed 0]

Two workers compete for one run on small synthetic pictures. Whoever holds it is killed by SIGKILL at a
random moment and replaced, or stopped for longer than its lease and then let go on: while the pictures are
prepared, while it loads, so many steps into its life and somewhere in the next one, and while features are
made. Then the same run is done once more in peace: its weights must be the same to the bit.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.claims import report
from bench.fresh import fresh_site

LEASE_S = 8
LIMIT_S = 3600
MOST_STEPS, LONGEST_STEP_S = 4, 0.5  # of a life, before it is killed
STAGES = ("waiting", "loading", "preparing", "training", "extracting", "evaluating", "judging", "registering")
WORKER = """
import os, sys, time, django
django.setup()
from scoring import deep, deep_candidate, deep_course, run_lease, train
from scoring.core import recipes
from scoring.core.fine_tune import steps_per_epoch
from scoring.models import TrainingRun

log = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
run_lease.BEAT_S = 0.5
teach, claim = deep_course.teach_epoch, train.run_claim

def note(word, place):
    os.write(log, f"{word} {os.getpid()} {place} {time.time()}\\n".encode())

def claimed(run_id):
    token = claim(run_id)
    if token:
        note("took", 0)
    return token

def noted(*args, stand, on_step, **more):
    rows, recipe, epoch = args[3:6]
    before = epoch * steps_per_epoch(len(rows), recipe)
    note("begin", before + stand.step)

    def heard(stand):
        note("step", before + stand.step)
        on_step(stand)

    return teach(*args, stand=stand, on_step=heard, **more)

deep_course.teach_epoch, train.run_claim = noted, claimed
recipes.USUAL["cpu"] = recipes.Recipe(batch=4)  # short steps: a beat between any two
deep_candidate.EXTRACT_AT_ONCE = 2
deep.FEWEST_TAUGHT = 12
while TrainingRun.objects.filter(state__in=["queued", "running"]).exists():
    train.training_sweep()
    for pk in TrainingRun.objects.filter(state="queued").values_list("pk", flat=True):
        train.training_execute(run_id=pk)
    time.sleep(0.3)
"""


@dataclass
class Workers:
    """Two worker processes; ``log`` is where they write what they begin and end."""

    log: Path
    alive: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def fill(self) -> None:
        """Start workers until there are two."""
        self.alive = [each for each in self.alive if each.poll() is None]
        while len(self.alive) < 2:
            command = (sys.executable, "-c", WORKER, str(self.log))
            self.alive.append(subprocess.Popen(command, start_new_session=True))

    def holder(self) -> subprocess.Popen[bytes] | None:
        """The worker that took the run last, while it lives."""
        pid = next((line[1] for line in reversed(self.lines()) if line[0] == "took"), "")
        return next((each for each in self.alive if str(each.pid) == pid and each.poll() is None), None)

    def steps(self) -> int:
        """Steps of the life that is under way."""
        words = [line[0] for line in self.lines()][::-1]
        return words[: words.index("took")].count("step")

    def lines(self) -> list[list[str]]:
        return [line.split() for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def end(self) -> None:
        for each in self.alive:
            if each.poll() is None:
                os.killpg(each.pid, signal.SIGKILL)
            each.wait()


def labelled(pictures: int) -> Any:
    """A dataset of small pictures with features by the shipped network, every second one to be judged by."""
    import numpy as np

    from bench.fresh import images_with_features, pictures_stored
    from scoring.dataset import FrozenRow, dataset_store
    from scoring.models import Image

    images_with_features(pictures)
    pictures_stored(pictures, side=96)
    rng = np.random.default_rng(3)
    rows = [
        FrozenRow(
            image_id=image_id,
            group=f"shop/{number}",
            category="mugs",
            target_score=float(rng.uniform(15, 85)),
            target_std=6.0,
            weight=0.03,
            vote_count=3,
            histogram=(0, 1, 1, 1, 0),
            is_holdout=number % 5 < 2,
        )
        for number, image_id in enumerate(Image.objects.order_by("pk").values_list("pk", flat=True))
    ]
    return dataset_store(name="faults", rows=rows, split_seed=0, note="", created_by=None)


def started(dataset: Any) -> int:
    from scoring import deep
    from scoring.train import training_start

    vars(deep).update(FEWEST_TAUGHT=12, FEWEST_HOLDOUT=12)  # the dying is tried, not the learning
    run = training_start(dataset=dataset, kind="deep", trigger="command", started_by=None, promote=False)
    return int(run.pk)


def harmed(workers: Workers, run: int, *, kills: int, pauses: int, rng: random.Random) -> dict[str, int]:
    """Kill and pause whoever holds the run; counts what must not be."""
    from scoring.models import TrainingRun

    told = {"kills": 0, "pauses": 0, "two at once": 0, "champion lost": 0, "curve shrank": 0}
    harms = ["kill"] * (kills - 2) + ["pause"] * pauses
    rng.shuffle(harms)
    plan = [("kill", "preparing"), *((harm, "training") for harm in harms), ("kill", "extracting")]
    longest = 0
    for harm, stage in plan:
        row = _awaited(workers, run, stage, rng)
        told["curve shrank"] += len(row.curve) < longest
        longest = max(longest, len(row.curve))
        told["two at once"] += TrainingRun.objects.filter(state="running").count() > 1
        told["champion lost"] += not champion_serves()
        holder = workers.holder()
        if holder is None or row.state != "running":
            break
        if harm == "kill":
            os.killpg(holder.pid, signal.SIGKILL)
            holder.wait()
            told["kills"] += 1
        else:
            os.killpg(holder.pid, signal.SIGSTOP)
            time.sleep(LEASE_S + 3)
            os.killpg(holder.pid, signal.SIGCONT)
            told["pauses"] += 1
    return told


def _awaited(workers: Workers, run: int, stage: str, rng: random.Random) -> Any:
    """The run at a random moment of a stage; of training: while it loads, or some steps into a life."""
    from scoring.models import TrainingRun

    steps, until = rng.randint(0, MOST_STEPS), time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        workers.fill()
        row = TrainingRun.objects.get(pk=run)
        if row.state not in ("queued", "running"):
            return row
        if row.state == "running" and workers.holder() and _is_there(row.step, stage, workers.steps(), steps):
            break
        time.sleep(0.05)
    time.sleep(rng.uniform(0, LONGEST_STEP_S))
    return TrainingRun.objects.get(pk=run)


def _is_there(step: str, stage: str, done: int, wanted: int) -> bool:
    """Whether a life stands where it is to be harmed, or has gone past it."""
    if stage == "training":
        return done >= wanted or STAGES.index(step) > STAGES.index(stage)
    return STAGES.index(step) >= STAGES.index(stage)


def champion_serves() -> bool:
    """Whether the champion is still the base model and can be read from disk."""
    from scoring.registry import encoder_of, head_of, serving

    row = serving()
    return (
        row.champion.kind == "base"
        and encoder_of(row.champion).exists()
        and len(head_of(row.champion).mean) > 0
    )


def waited(workers: Workers, run: int) -> Any:
    """The run once it has ended."""
    from scoring.models import TrainingRun

    until = time.monotonic() + LIMIT_S
    row = TrainingRun.objects.get(pk=run)
    while row.state in ("queued", "running") and time.monotonic() < until:
        workers.fill()
        time.sleep(0.5)
        row.refresh_from_db()
    return row


def lost(lines: list[list[str]]) -> tuple[int, float]:
    """The most steps begun that had to be begun again, and the most seconds of work, by one harm.

    The step that was cut off counts as one; seconds run from what was kept to the last word of a life.
    """
    at: dict[int, float] = {}  # when a place was reached last
    place, word_at, steps, seconds = 0, 0.0, 0, 0.0
    for word, _pid, where, when in lines:
        if word == "begin" and place > int(where):
            steps = max(steps, place - int(where) + 1)
            seconds = max(seconds, word_at - at.get(int(where), word_at))
        if word in ("begin", "step"):
            place, word_at = int(where), float(when)
            at[place] = word_at
    return steps, seconds


def beside_each_other(lines: list[list[str]]) -> int:
    """Steps ended by a worker after another had begun: more than the one under way when it was stopped."""
    owner, lives, late = "", Counter[str](), Counter[tuple[str, int]]()
    for word, pid, _where, _at in lines:
        owner = pid if word == "took" else owner
        lives[pid] += word == "took"
        late[pid, lives[pid]] += word == "step" and pid != owner
    return sum(max(0, count - 1) for count in late.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("kills", 20), ("pauses", 2), ("pictures", 44), ("epochs", 9), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    wanted = parser.parse_args()
    own = {"VITRINE_DEEP_EPOCHS": str(wanted.epochs), "VITRINE_TRAIN_LEASE_S": str(LEASE_S)}
    with fresh_site(**own) as data:
        dataset = labelled(wanted.pictures)
        workers = Workers(data / "faults.log")
        try:
            run = started(dataset)
            rng = random.Random(wanted.seed)
            told = harmed(workers, run, kills=wanted.kills, pauses=wanted.pauses, rng=rng)
            row = waited(workers, run)
            lines = workers.lines()
            twin = waited(workers, started(dataset))
        finally:
            workers.end()
        told_all(row, twin, told, lines, wanted)


def told_all(row: Any, twin: Any, told: dict[str, int], lines: list[list[str]], wanted: Any) -> None:
    whole = f"{told['kills']} SIGKILLs and {told['pauses']} pauses beyond the lease, {wanted.epochs} epochs"
    done = row.state == "evaluated" and told["kills"] == wanted.kills
    report("deep training killed at random points ends evaluated", row.state, "", "evaluated", done, whole)
    steps, seconds = lost(lines)
    each = max(int(line[2]) for line in lines if line[0] == "step") / max(1, len(row.curve))
    report("steps lost by a harm, at most", steps, "steps", f"<= {each:.0f}, an epoch", steps <= each, whole)
    report("work lost by a harm, at most", seconds, "s", "", None, "from what was kept to its last word")
    both = told["two at once"] + beside_each_other(lines)
    report("deep trainings at once beyond one", both, "runs", "0", both == 0, whole)
    report(
        "moments without a valid champion", told["champion lost"], "", "0", not told["champion lost"], whole
    )
    points = [point["epoch"] for point in row.curve]
    straight = points == list(range(1, wanted.epochs + 1)) and not told["curve shrank"]
    report("curve has every epoch once", len(points), "epochs", f"{wanted.epochs}", straight, whole)
    digests = [each.candidate.weights_digest if each.candidate else each.error for each in (row, twin)]
    same = digests[0] == digests[1] and bool(row.candidate)
    report("weights equal those of a run in peace, bit by bit", int(same), "", "1", same, digests[0][:16])


if __name__ == "__main__":
    main()
