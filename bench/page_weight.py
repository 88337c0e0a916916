"""Claim: the Label page is light: scripts and styles, requests until the first picture is on the stage.

Counted in Chromium with an empty cache, then with a full one. Bytes of scripts and styles are those the
browser has to read, before compression.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bench.claims import report
from bench.fresh import fresh_site, images_with_scores, pictures_stored
from bench.fresh.web import chromium, label_page, web

PORT, PICTURES, AHEAD = 8411, 12, 4
WEIGHT_BAR_KB, REQUESTS_BAR, WARM_BAR = 300.0, 15, 3
PEER = "Label Studio 1.23.2: 7,790 KB of scripts and styles, 35 requests cold and warm"


def annotator() -> Any:
    """Somebody with pictures to label."""
    from django.contrib.auth.models import User

    from labeling.models import Membership, Project
    from labeling.queue import queue_fill

    images_with_scores(PICTURES)
    pictures_stored(PICTURES)
    project = Project.objects.create(name="Catalogue")
    queue_fill(project=project)
    user = User.objects.create_user("ann")
    Membership.objects.create(project=project, user=user, role="annotator")
    return user


@dataclass
class Visit:
    """What one visit asked the server for; what the browser had kept does not count."""

    sent: dict[str, str] = field(default_factory=dict)  # address by the browser's number of the request
    weight: int = 0

    @property
    def ahead(self) -> int:
        """Pictures behind the one on the stage."""
        return max(0, sum(address.endswith("/picture") for address in self.sent.values()) - 1)


def visit(page: Any) -> Visit:
    """Open the page and wait until the pictures ahead are there too."""
    seen = Visit()
    wire = page.context.new_cdp_session(page)

    def answered(said: dict[str, Any]) -> None:
        answer = said["response"]
        if said["requestId"] not in kept and not answer.get("fromDiskCache"):
            seen.sent[said["requestId"]] = answer["url"]

    kept: set[str] = set()
    wire.on("Network.requestServedFromCache", lambda said: kept.add(said["requestId"]))
    wire.on("Network.responseReceived", answered)
    wire.send("Network.enable")
    answers: list[Any] = []
    page.on("response", lambda answer: answers.append(answer))
    page.goto("/label/")
    page.locator(".is-live [data-picture] img").wait_for()
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(500)
    wire.detach()
    arrived = list(answers)
    kinds = {"script", "stylesheet"}
    seen.weight = sum(len(one.body()) for one in arrived if one.request.resource_type in kinds)
    return seen


def main() -> None:
    with fresh_site() as data:
        user = annotator()
        with web(data, PORT, with_static=True), chromium() as browser:
            page = label_page(browser, user, PORT)
            cold, warm = visit(page), visit(page)
    kilobytes = cold.weight / 1000
    requests = len(cold.sent) - cold.ahead
    report(
        "scripts and styles of the Label page",
        kilobytes,
        "KB",
        f"<= {WEIGHT_BAR_KB:.0f}",
        kilobytes <= WEIGHT_BAR_KB,
        PEER,
    )
    report(
        "requests of the Label page, nothing cached",
        requests,
        "requests",
        f"<= {REQUESTS_BAR}",
        requests <= REQUESTS_BAR,
        f"and {cold.ahead} pictures ahead",
    )
    report(
        "requests of the Label page, loaded again",
        len(warm.sent),
        "requests",
        f"<= {WARM_BAR}",
        len(warm.sent) <= WARM_BAR,
        "the page, the next pictures and the leases given back",
    )


if __name__ == "__main__":
    main()
