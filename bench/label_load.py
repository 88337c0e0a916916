"""Claim: eight people who vote without a pause get their next picture at once, and never the same one.

The web server runs as ``vitrine run`` starts it, on ten thousand images. Two loops, closed, without think
time: ``next`` then ``submit`` as separate requests, and one request a label as the Label page does it.

python -m bench.label_load [IMAGES, default 10000] [SECONDS, default 20]
"""

from __future__ import annotations

import http.client
import json
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import psutil

from bench.claims import report
from bench.fresh import fresh_site
from bench.fresh.web import CSRF_TOKEN, cookies_of, cpu_s, web

PEOPLE, PORT, WARM_S = 8, 8410, 2.0
RATE_BAR, P95_BAR_MS, CPU_BAR_MS = 100.0, 100.0, 10.0
PEER = "Label Studio 1.23.2 on SQLite, same loop: 4.8-6.8 requests/s, 45-61 ms CPU, doubled 8 of 56"


@dataclass
class Client:
    """One person at one connection that stays open; notes what every request took and what came."""

    cookie: str
    project: int
    times: list[float] = field(default_factory=list)
    labels: int = 0
    images: list[int] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.line = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)

    def post(self, name: str, said: dict[str, Any]) -> Any:
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Cookie": self.cookie,
            "X-CSRFToken": CSRF_TOKEN,
        }
        began = time.perf_counter()
        self.line.request("POST", f"/api/v1/label/{name}/", json.dumps(said), headers)
        answer = self.line.getresponse()
        body = answer.read()
        self.times.append(time.perf_counter() - began)
        if answer.status != 200:
            self.faults[f"{answer.status} {body[:200].decode()}"] += 1
            return None
        return json.loads(body)

    def vote(self, card: dict[str, Any], **more: Any) -> Any:
        said = {
            "assignment": card["assignment"],
            "key": str(uuid4()),
            "rating": 1 + card["image"] % 5,
            "score": card["prediction"]["id"] if card["prediction"] else None,
            "duration_ms": 1500,
        }
        self.images.append(card["image"])
        self.labels += 1
        return self.post("submit", {**said, **more})


def separately(client: Client, until: float) -> None:
    """Ask, vote, ask, vote: two requests a label."""
    while time.perf_counter() < until:
        told = client.post("next", {"count": 1, "project": client.project})
        if not told or not told["cards"]:
            return
        client.vote(told["cards"][0])


def together(client: Client, until: float) -> None:
    """Vote and get the next in one answer, a few pictures ahead, as the page does."""
    told = client.post("next", {"count": 5, "project": client.project})
    queue = list(told["cards"]) if told else []
    while queue and time.perf_counter() < until:
        card = queue.pop(0)
        held = [one["assignment"] for one in queue]
        told = client.vote(card, next={"count": 1, "holding": held, "project": client.project})
        queue += told["cards"] if told else []
    client.post("release", {"assignments": [card["assignment"] for card in queue]})


def fill(images: int) -> list[Client]:
    """A project of scored images with a slot each, and eight people logged in to it."""
    from django.contrib.auth.models import User

    from bench.fresh import images_with_scores
    from labeling.models import Membership, Project
    from labeling.queue import queue_fill

    images_with_scores(images)
    project = Project.objects.create(
        name="Catalogue", overlap=1, max_overlap=3, holdout_share=0, repeat_rate=0, gold_rate=0
    )
    queue_fill(project=project)
    clients = []
    for number in range(PEOPLE):
        user = User.objects.create_user(f"rater{number}")
        Membership.objects.create(project=project, user=user, role="annotator")
        cookies = "; ".join(f"{name}={value}" for name, value in cookies_of(user).items())
        clients.append(Client(cookies, project.pk))
    return clients


def run(
    clients: list[Client], server: psutil.Process, loop: Callable[[Client, float], None], seconds: float
) -> dict[str, float]:
    """All clients at once for so long; the first seconds warm up and do not count."""

    def spell(length: float) -> float:
        until = time.perf_counter() + length
        threads = [threading.Thread(target=loop, args=(client, until)) for client in clients]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - began

    spell(WARM_S)
    for client in clients:
        client.times.clear()
        client.labels = 0
    spent = cpu_s(server)
    took = spell(seconds)
    times = sorted(t for client in clients for t in client.times)
    return {
        "rate": len(times) / took,
        "labels": sum(client.labels for client in clients) / took,
        "p50_ms": statistics.median(times) * 1000,
        "p95_ms": times[int(len(times) * 0.95)] * 1000,
        "cpu_ms": (cpu_s(server) - spent) / len(times) * 1000,
    }


def doubled(clients: list[Client]) -> int:
    """Images that two people were handed, or one person twice."""
    handed_out = Counter(image for client in clients for image in client.images)
    return sum(times > 1 for times in handed_out.values())


def tell_apart(figures: dict[str, float]) -> None:
    rate, p95, cpu = figures["rate"], figures["p95_ms"], figures["cpu_ms"]
    report("next and submit requests", rate, "1/s", f">= {RATE_BAR:.0f}", rate >= RATE_BAR, PEER)
    report(
        "time of a next or submit request, p95",
        p95,
        "ms",
        f"<= {P95_BAR_MS:.0f}",
        p95 <= P95_BAR_MS,
        f"p50 {figures['p50_ms']:.1f} ms; {PEOPLE} people without a pause",
    )
    report("server CPU of a next or submit request", cpu, "ms", f"<= {CPU_BAR_MS:.0f}", cpu <= CPU_BAR_MS)


def tell_together(figures: dict[str, float]) -> None:
    """A label here is a vote and the next picture in one request: two of the above."""
    labels, cpu = figures["labels"], figures["cpu_ms"]
    way = "labels, vote and next picture in one request"
    report(way, labels, "1/s", f">= {RATE_BAR / 2:.0f}", labels >= RATE_BAR / 2, "the peer: 3.4-4.8")
    report("server CPU of a label", cpu, "ms", f"<= {2 * CPU_BAR_MS:.0f}", cpu <= 2 * CPU_BAR_MS)


def main(images: int, seconds: float) -> None:
    with fresh_site() as data:
        clients = fill(images)
        with web(data, PORT) as server:
            tell_apart(run(clients, server, separately, seconds))
            tell_together(run(clients, server, together, seconds))
        faults = sum((client.faults for client in clients), Counter[str]())
        twice, labels = doubled(clients), sum(len(client.images) for client in clients)
        report(
            f"images handed out twice, of {labels}",
            twice,
            "images",
            "0",
            twice == 0 and not faults,
            "; ".join(f"{count} x {what}" for what, count in faults.most_common(3)),
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000, float(sys.argv[2]) if len(sys.argv) > 2 else 20.0)
