"""Claim: no vote is lost or doubled, however often annotators, settlers and the database are killed.

python -m bench.vote_faults [KILLS, default 200] [DATABASE KILLS, default 10]

Each annotator does what the Label page does: write the answer into a journal, send it with its key until it
is acknowledged, and after a crash send again what was not. A tenth of the votes is taken back. Everybody is
killed with SIGKILL at random moments; a killed database process makes PostgreSQL recover from its log.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from bench.claims import report
from bench.fresh import fresh_site

ANNOTATORS, IMAGES = 6, 4000
LINES_BETWEEN_KILLS = (5, 60)  # of all journals together, so that a slow machine does as much between kills
UNDO_SHARE = 0.1
END_S = 900


class Journal:
    """What one annotator meant to say and what was answered, in a file that survives the process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        whole = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
        self.said: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, dict[str, Any]] = {}
        for line in whole:
            entry = json.loads(line)
            (self.answers if "answer" in entry else self.said)[entry["key"]] = entry
        path.write_text("".join(whole))  # a line cut off by a kill was never sent
        self.file = path.open("a")

    def open_entries(self) -> Iterator[dict[str, Any]]:
        yield from (entry for key, entry in self.said.items() if key not in self.answers)

    def write(self, entry: dict[str, Any]) -> None:
        self.file.write(json.dumps(entry) + "\n")
        self.file.flush()
        os.fsync(self.file.fileno())
        (self.answers if "answer" in entry else self.said)[entry["key"]] = entry


def annotator(user_id: int, project_id: int, path: Path) -> None:
    """Vote until nothing is left or a file says stop."""
    from django.contrib.auth.models import User
    from django.db import close_old_connections

    from labeling.models import Project
    from labeling.queue import lease_next

    journal, rng = Journal(path), random.Random()
    user, project = patiently(User.objects.get, pk=user_id), patiently(Project.objects.get, pk=project_id)
    for entry in list(journal.open_entries()):
        send(user, journal, entry)
    stop = path.with_name("stop")
    while slots := [] if stop.exists() else patiently(lease_next, user=user, project=project, count=3):
        for slot in slots:
            entry = {"key": str(uuid4()), "slot": slot.pk, "rating": rng.randint(1, 5)}
            journal.write(entry)
            made = send(user, journal, entry)
            if made is not None and rng.random() < UNDO_SHARE:
                undo = {"key": str(uuid4()), "vote": made}
                journal.write(undo)
                send(user, journal, undo)
        close_old_connections()


def send(user: Any, journal: Journal, entry: dict[str, Any]) -> int | None:
    """Send one journal entry until it is answered; the row's id, or None where it was refused."""
    from labeling.annotate import annotation_submit, annotation_withdraw
    from scoring.errors import ConflictError

    key = UUID(entry["key"])
    try:
        if "vote" in entry:
            made = patiently(annotation_withdraw, user=user, annotation_id=entry["vote"], key=key)
        else:
            slot, rating = entry["slot"], entry["rating"]
            made = patiently(annotation_submit, user=user, assignment_id=slot, key=key, rating=rating)
    except ConflictError as refused:
        journal.write({"key": entry["key"], "answer": refused.code})
        return None
    journal.write({"key": entry["key"], "answer": "stored"})
    return int(made.pk)


def patiently(act: Any, **said: Any) -> Any:
    """Call until the database answers: it may be recovering."""
    from django.db import DatabaseError, InterfaceError, connection

    until = time.monotonic() + 60
    while True:
        try:
            return act(**said)
        except (DatabaseError, InterfaceError):
            if time.monotonic() > until:
                raise
            connection.close()
            time.sleep(0.1)


def settler() -> None:
    """What the workers do, for ever."""
    from labeling.consensus import consensus_settle_due

    while True:
        if not patiently(consensus_settle_due, limit=50):
            time.sleep(0.1)


class House:
    """The processes that get killed, and who starts them again."""

    def __init__(self, folder: Path, project_id: int, user_ids: list[int]) -> None:
        self.fork, self.stop = multiprocessing.get_context("fork"), folder / "stop"
        self.jobs: list[tuple[Any, tuple[Any, ...]]] = [(settler, ())]
        for user_id in user_ids:
            journal = folder / f"journal-{user_id}"
            journal.touch()
            self.jobs.append((annotator, (user_id, project_id, journal)))
        self.processes = [self.start(place) for place in range(len(self.jobs))]

    def start(self, place: int) -> Any:
        target, args = self.jobs[place]
        process = self.fork.Process(target=target, args=args)
        process.start()
        return process

    def kill(self, place: int) -> bool:
        """SIGKILL one; False where it had ended by itself."""
        process = self.processes[place]
        if not process.is_alive():
            return False
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        self.processes[place] = self.start(place)
        return True

    def wait_for_lines(self, more: int) -> None:
        """Until so many lines were added to the journals, or everybody has ended."""
        before = self.written()
        while self.written() < before + more and self.is_busy:
            time.sleep(0.01)

    def written(self) -> int:
        return sum(path.read_bytes().count(b"\n") for path in self.stop.parent.glob("journal-*"))

    def finish(self) -> None:
        """Let every annotator send what is in the journal, then stop the settler."""
        self.stop.touch()
        for process in self.processes[1:]:
            process.join(timeout=END_S)
        os.kill(self.processes[0].pid, signal.SIGKILL)
        self.processes[0].join()

    @property
    def is_busy(self) -> bool:
        return any(process.is_alive() for process in self.processes[1:])


def kill_database() -> None:
    """SIGKILL one process that serves a client; PostgreSQL then stops all and recovers."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
            " AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1"
        )
        row = cursor.fetchone()
    connection.close()
    if row:
        os.kill(row[0], signal.SIGKILL)


def project_make() -> tuple[int, list[int]]:
    from django.contrib.auth.models import User

    from bench.fresh import images_with_features
    from labeling.models import Assignment, Item, Membership, Project
    from scoring.models import Image

    images_with_features(IMAGES)
    project = Project.objects.create(
        name="Faults", overlap=2, max_overlap=3, holdout_share=0, repeat_rate=0, gold_rate=0
    )
    users = [User.objects.create_user(f"annotator{n}") for n in range(ANNOTATORS)]
    Membership.objects.bulk_create(Membership(project=project, user=user, role="annotator") for user in users)
    items = Item.objects.bulk_create(Item(project=project, image=image) for image in Image.objects.all())
    Assignment.objects.bulk_create(
        Assignment(item=item, project=project, slot=slot) for item in items for slot in (1, 2)
    )
    return project.pk, [user.pk for user in users]


def wrongs(folder: Path) -> dict[str, int]:
    """Everything that must not be, counted."""
    from django.db.models import Count, F

    from labeling.annotate import live_annotations
    from labeling.models import Annotation, Consensus, Item

    stored = {str(key) for key in Annotation.objects.values_list("key", flat=True)}
    journals = [Journal(path) for path in folder.glob("journal-*")]
    acknowledged = {key for j in journals for key, entry in j.answers.items() if entry["answer"] == "stored"}
    unanswered = {entry["key"] for j in journals for entry in j.open_entries()}
    live = live_annotations()
    twice = live.values("item_id", "rater_id").annotate(n=Count("id")).filter(n__gt=1).count()
    per_item = dict(live.values_list("item_id").annotate(n=Count("id")).order_by())
    labels = dict(Consensus.objects.values_list("item_id", "vote_count"))
    beyond = Item.objects.annotate(n=Count("assignments")).filter(n__gt=F("project__max_overlap")).count()
    return {
        "acknowledged": len(acknowledged),
        "lost": len(acknowledged - stored) + len(unanswered),
        "doubled": twice + len(stored - acknowledged),
        "beyond": beyond,
        "mislabelled": sum(labels.get(item) != count for item, count in per_item.items()),
    }


def main(kills: int, database_kills: int) -> None:
    rng = random.Random(0)
    with fresh_site() as folder:
        from django.db import connections

        import labeling.queue  # noqa: F401  read before the forks, not by each of them
        from labeling.consensus import consensus_settle_due

        project_id, user_ids = project_make()
        connections.close_all()
        house, killed, recovered = House(folder, project_id, user_ids), 0, 0
        at = {round((n + 1) * kills / (database_kills + 1)) for n in range(database_kills)}
        while killed < kills and house.is_busy:
            house.wait_for_lines(rng.randint(*LINES_BETWEEN_KILLS))
            killed += house.kill(rng.randrange(len(house.processes)))
            if killed in at:
                at.discard(killed)
                patiently(kill_database)
                recovered += 1
        house.finish()
        while patiently(consensus_settle_due):
            pass
        found = wrongs(folder)
        whole = (
            f"{killed} processes and {recovered} times the database killed with SIGKILL; "
            f"{found['acknowledged']} acknowledged votes and undos"
        )
        report("votes lost under kills", found["lost"], "votes", "0", found["lost"] == 0, whole)
        report("votes doubled under kills", found["doubled"], "votes", "0", found["doubled"] == 0, whole)
        report("pictures beyond their overlap", found["beyond"], "pictures", "0", found["beyond"] == 0, whole)
        wrong = found["mislabelled"]
        report("labels that miss a vote", wrong, "labels", "0", wrong == 0, whole)


if __name__ == "__main__":
    main(*[int(word) for word in sys.argv[1:3]] or [200, 10])
