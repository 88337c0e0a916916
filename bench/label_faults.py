"""Claim: sixty-four people go on labelling while web workers are killed: no vote lost, none doubled, no wait.

Everybody votes once a second as the Label page does: some pictures ahead, each answer with a key of its own,
sent in order until it is answered. A connection that breaks is opened again at once, as browsers do, then
after one second, two, four. Time is from the key press to the answer, retries and queueing included.

python -m bench.label_faults [SECONDS, default 300] [KILLS, default 20]
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import statistics
import sys
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import psutil

from bench.claims import report
from bench.fresh import fresh_site, images_with_scores
from bench.fresh.web import CSRF_TOKEN, cookies_of, web, worker

PEOPLE, PORT, AHEAD, P95_BAR_MS, PATIENCE_S = 64, 8414, 4, 150.0, 120.0
PAUSES_S = (0.0, 1.0, 2.0, 4.0, 8.0)


@dataclass
class Person:
    """One person at one browser."""

    number: int
    cookie: str
    project: int
    cards: deque[dict[str, Any]] = field(default_factory=deque)
    said: list[str] = field(default_factory=list)
    stored: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    trouble: Counter[str] = field(default_factory=Counter)
    idle: int = 0

    def __post_init__(self) -> None:
        self.line = http.client.HTTPConnection("127.0.0.1", PORT, timeout=15)

    def work(self, until: float) -> None:
        """One vote a second by the clock; a late answer does not slow the person, it makes them wait."""
        due = time.perf_counter() + random.Random(self.number).random()
        while due < until:
            time.sleep(max(0.0, due - time.perf_counter()))
            if self.cards:
                self.vote(pressed=due)
            else:
                self.idle += 1
                self.fetch()
            due += 1.0
        self.post("release", {"assignments": [card["assignment"] for card in self.cards]})

    def fetch(self) -> None:
        told = self.post("next", {"count": AHEAD, "holding": self.held, "project": self.project})
        self.cards.extend(told["cards"] if told else [])

    @property
    def held(self) -> list[int]:
        return [card["assignment"] for card in self.cards]

    def vote(self, pressed: float) -> None:
        card, key = self.cards.popleft(), str(uuid4())
        said = {
            "assignment": card["assignment"],
            "key": key,
            "rating": 1 + card["image"] % 5,
            "score": card["prediction"]["id"] if card["prediction"] else None,
            "duration_ms": 900,
            "next": {"count": 1, "holding": self.held, "project": self.project},
        }
        self.said.append(key)
        told = self.post("submit", said)
        self.times.append(time.perf_counter() - pressed)
        if told is not None:
            self.stored.append(key)
            self.cards.extend(told["cards"])

    def post(self, name: str, said: dict[str, Any]) -> Any:
        """Ask until there is an answer; None where it is a refusal."""
        until, tries = time.perf_counter() + PATIENCE_S, 0
        while time.perf_counter() < until:
            try:
                status, body = self._once(name, said)
            except (OSError, http.client.HTTPException) as error:
                self.line.close()
                self.trouble[type(error).__name__] += 1
            else:
                if status == 200:
                    return json.loads(body)
                self.trouble[str(status)] += 1
                if status < 500:
                    return None
            time.sleep(PAUSES_S[min(tries, len(PAUSES_S) - 1)])
            tries += 1
        return None

    def _once(self, name: str, said: dict[str, Any]) -> tuple[int, bytes]:
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Cookie": self.cookie,
            "X-CSRFToken": CSRF_TOKEN,
        }
        self.line.request("POST", f"/api/v1/label/{name}/", json.dumps(said), headers)
        answer = self.line.getresponse()
        return answer.status, answer.read()


def fill(images: int) -> list[Person]:
    """A project with two votes wanted on each picture, and its people logged in."""
    from django.contrib.auth.models import User

    from labeling.models import Membership, Project
    from labeling.queue import queue_fill

    images_with_scores(images)
    project = Project.objects.create(name="Catalogue", overlap=2, max_overlap=3, repeat_rate=0, gold_rate=0)
    queue_fill(project=project)
    people = []
    for number in range(PEOPLE):
        user = User.objects.create_user(f"rater{number}")
        Membership.objects.create(project=project, user=user, role="annotator")
        cookies = "; ".join(f"{name}={value}" for name, value in cookies_of(user).items())
        people.append(Person(number, cookies, project.pk))
    return people


def kill_some(server: psutil.Process, kills: int, seconds: float) -> int:
    """SIGKILL a web worker now and then; returns how many."""
    rng, killed = random.Random(0), 0
    for _ in range(kills):
        time.sleep(seconds / (kills + 1))
        workers = server.children()
        if workers:
            os.kill(rng.choice(workers).pid, signal.SIGKILL)
            killed += 1
    return killed


def tell(people: list[Person], killed: int, seconds: float) -> None:
    from django.db.models import Count

    from labeling.annotate import live_annotations
    from labeling.models import Annotation

    said = {key for person in people for key in person.said}
    stored = {key for person in people for key in person.stored}
    kept = Counter(str(key) for key in Annotation.objects.values_list("key", flat=True))
    pairs = live_annotations().values("item_id", "rater_id").annotate(n=Count("id"))
    lost, doubled = len(said - kept.keys()), pairs.filter(n__gt=1).count() + len(kept.keys() - said)
    trouble = sum((person.trouble for person in people), Counter[str]())
    whole = f"{len(stored)} votes answered, {killed} web workers killed with SIGKILL; " + (
        ", ".join(f"{count} x {what}" for what, count in trouble.most_common(4)) or "no request failed"
    )
    report("votes lost while web workers are killed", lost, "votes", "0", lost == 0 and killed > 0, whole)
    report("votes doubled while web workers are killed", doubled, "votes", "0", doubled == 0, whole)
    times = sorted(each for person in people for each in person.times)
    p95 = times[int(len(times) * 0.95)] * 1000
    rate, idle = len(times) / seconds, sum(person.idle for person in people)
    report(
        "key press to answer, p95, retries included",
        p95,
        "ms",
        f"< {P95_BAR_MS:.0f}",
        p95 < P95_BAR_MS,
        f"{PEOPLE} people, {rate:.1f} votes/s of {PEOPLE} asked for, {idle} times no picture at hand;"
        f" p50 {statistics.median(times) * 1000:.1f} ms, p99 {times[int(len(times) * 0.99)] * 1000:.0f} ms",
    )


def main(seconds: float, kills: int) -> None:
    with fresh_site() as data:
        people = fill(int(PEOPLE * seconds / 2) + PEOPLE * AHEAD)
        with web(data, PORT) as server, worker(data):
            for person in people:  # they came one after the other, before anybody is killed
                person.fetch()
            until = time.perf_counter() + seconds
            threads = [threading.Thread(target=person.work, args=(until,)) for person in people]
            for thread in threads:
                thread.start()
            killed = kill_some(server, kills, seconds)
            for thread in threads:
                thread.join()
        tell(people, killed, seconds)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 300.0, int(sys.argv[2]) if len(sys.argv) > 2 else 20)
