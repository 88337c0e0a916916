"""Claim: a deep training killed at random points resumes, loses at most an epoch, never runs twice at once.

python -m bench.training_faults [--kills 20] [--pauses 2] [--pictures 44] [--epochs 30] [--seed 0]

Two workers compete for one run on small synthetic pictures. Whoever holds it is killed by SIGKILL at a
random moment and replaced, or stopped for longer than its lease and then let go on. Then the same run is done
once more in peace: its weights must be the same to the bit.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.claims import report
from bench.fresh import fresh_site

LEASE_S = 6
LIMIT_S = 3600
SOONEST_S, LATEST_S = 1.0, 10.0  # after a worker took the run
WORKER = """
import os, sys, time, django
django.setup()
from django.conf import settings
from scoring import deep, deep_course, run_lease
from scoring.models import TrainingRun
from scoring.train import training_execute, training_sweep

log = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
run_lease.BEAT_S = 0.5
real = deep_course.teach_epoch

def noted(*args, **more):
    os.write(log, f"begin {os.getpid()} {args[5]} {time.time()}\\n".encode())
    loss = real(*args, **more)
    os.write(log, f"end {os.getpid()} {args[5]} {time.time()}\\n".encode())
    return loss

deep_course.teach_epoch = noted
deep.BATCH["cpu"] = 4  # short steps: a beat between any two
deep.FEWEST_TAUGHT = 12
while TrainingRun.objects.filter(state__in=["queued", "running"]).exists():
    training_sweep()
    for pk in TrainingRun.objects.filter(state="queued").values_list("pk", flat=True):
        state = training_execute(run_id=pk)
        os.write(log, f"told {os.getpid()} {state.replace(chr(32), chr(45))} {time.time()}\\n".encode())
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
        """The worker that wrote last."""
        lines = self.lines()
        pid = lines[-1][1] if lines else ""
        return next((each for each in self.alive if str(each.pid) == pid and each.poll() is None), None)

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

    deep.FEWEST_TAUGHT = deep.FEWEST_HOLDOUT = 12  # what is tried here is the dying, not the learning
    run = training_start(dataset=dataset, kind="deep", trigger="command", started_by=None, promote=False)
    return int(run.pk)


def harmed(workers: Workers, run: int, *, kills: int, pauses: int, rng: random.Random) -> dict[str, int]:
    """Kill and pause whoever holds the run; counts what must not be."""
    from scoring.models import TrainingRun

    told = {"kills": 0, "pauses": 0, "two at once": 0, "champion lost": 0, "curve shrank": 0}
    harms = ["kill"] * kills + ["pause"] * pauses
    rng.shuffle(harms)
    until, longest = time.monotonic() + LIMIT_S, 0
    while harms and time.monotonic() < until:
        workers.fill()
        row = TrainingRun.objects.get(pk=run)
        epoch_s = row.curve[-1]["seconds"] if row.curve else 0.0  # on a busy machine an epoch takes longer
        time.sleep(rng.uniform(SOONEST_S, max(LATEST_S, 2 * epoch_s)))
        row.refresh_from_db()
        told["curve shrank"] += len(row.curve) < longest
        longest = max(longest, len(row.curve))
        told["two at once"] += TrainingRun.objects.filter(state="running").count() > 1
        told["champion lost"] += not champion_serves()
        if row.state not in ("queued", "running"):
            break
        holder = workers.holder()
        if holder is None or row.state != "running":
            continue
        if harms.pop() == "kill":
            os.killpg(holder.pid, signal.SIGKILL)
            holder.wait()
            told["kills"] += 1
        else:
            os.killpg(holder.pid, signal.SIGSTOP)
            time.sleep(LEASE_S + 3)
            os.killpg(holder.pid, signal.SIGCONT)
            told["pauses"] += 1
    return told


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


def epochs_lost(lines: list[list[str]]) -> int:
    """The most epochs that were begun and had to be begun again; the one that was cut off counts."""
    begun = [int(what) for word, _pid, what, _at in lines if word == "begin"]
    return max((before - after + 1 for before, after in pairwise(begun)), default=0)


def beside_each_other(lines: list[list[str]]) -> int:
    """Epochs ended by a worker after another had begun one: it did not know that it had lost the run."""
    owner, found = "", 0
    for word, pid, _what, _at in lines:
        owner = pid if word == "begin" else owner
        found += word == "end" and pid != owner
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("kills", 20), ("pauses", 2), ("pictures", 44), ("epochs", 30), ("seed", 0)):
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
    lost = epochs_lost(lines)
    report("epochs lost by a kill, at most", lost, "epochs", "<= 1", lost <= 1, whole)
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
