"""Claim: the network is gone for a minute in the middle of a session, and no vote is lost.

A person labels in Chromium; the network is cut, they go on for as long as pictures are at hand, the page says
that answers are kept; then the network is back and everything is sent in the order in which it was given.

python -m bench.offline [SECONDS WITHOUT NETWORK, default 60]
"""

from __future__ import annotations

import sys
import time
from typing import Any

from bench.claims import report
from bench.fresh import fresh_site, images_with_scores, pictures_stored
from bench.fresh.web import chromium, label_page, web

PORT, PICTURES, BEFORE, AFTER, PAUSE_MS = 8415, 40, 6, 6, 500
PEER = "Label Studio: work lost with the network is its issue 6674"
STATE = "[data-state]"
RATE = "[data-does=rate3]"  # pressed by its key; out of use while no picture is at hand
DONE = "[data-progress-words]"  # what the page says that it took, none while a picture is still to appear


def annotator() -> Any:
    """Somebody with pictures to label and nothing hidden."""
    from django.contrib.auth.models import User

    from labeling.models import Membership, Project
    from labeling.queue import queue_fill

    images_with_scores(PICTURES)
    pictures_stored(PICTURES, side=400)
    project = Project.objects.create(name="Catalogue", overlap=1, blind_rate=0, repeat_rate=0, gold_rate=0)
    queue_fill(project=project)
    user = User.objects.create_user("ann")
    Membership.objects.create(project=project, user=user, role="annotator")
    return user


class Sitting:
    """What the person answered, in order, and how often the page asked them to wait for the picture."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.answered: list[int] = []
        self.early = 0

    def rate(self, times: int) -> int:
        """Rate so many pictures, or as many as are at hand; returns how many."""
        before = len(self.answered)
        while len(self.answered) < before + times and not self.page.locator(RATE).is_disabled():
            rating, done = 1 + (3 * len(self.answered)) % 5, self.done()
            self.page.keyboard.press(str(rating))
            if self.done() > done:
                self.answered.append(rating)
            else:
                self.early += 1
            self.page.wait_for_timeout(PAUSE_MS)
        return len(self.answered) - before

    def done(self) -> int:
        return int(self.page.locator(DONE).get_attribute("data-done"))

    def state(self) -> str:
        shown = self.page.locator(STATE)
        return (shown.text_content() or "").strip() if shown.is_visible() else ""


def main(seconds: float) -> None:
    with fresh_site() as data:
        user = annotator()
        with web(data, PORT, with_static=True), chromium() as browser:
            page = label_page(browser, user, PORT)
            page.goto("/label/")
            page.locator(".is-live [data-picture] img").wait_for()
            page.wait_for_load_state("networkidle")
            sitting = Sitting(page)
            sitting.rate(BEFORE)
            page.locator(f'{STATE}[data-waiting="0"]').wait_for(state="attached")
            page.context.set_offline(True)
            cut = time.monotonic()
            kept = sitting.rate(PICTURES)
            said = sitting.state()
            page.wait_for_timeout(max(0.0, seconds - (time.monotonic() - cut)) * 1000)
            still = sitting.state()
            page.context.set_offline(False)
            back = time.monotonic()
            page.locator(f'{STATE}[data-waiting="0"]').wait_for(state="attached", timeout=60_000)
            sent = time.monotonic() - back
            page.locator(".is-live [data-picture] img").wait_for(timeout=60_000)
            sitting.rate(AFTER)
            page.locator(f'{STATE}[data-waiting="0"]').wait_for(state="attached", timeout=60_000)
        tell(sitting, kept, (said, still), sent, seconds)


def tell(sitting: Sitting, kept: int, said: tuple[str, str], sent: float, seconds: float) -> None:
    from labeling.annotate import live_annotations
    from labeling.models import Annotation

    stored = list(Annotation.objects.order_by("pk").values_list("rating", flat=True))
    lost = len(sitting.answered) - live_annotations().count()
    early = (
        f"{sitting.early} keys before a picture had appeared, which the page says; " if sitting.early else ""
    )
    whole = (
        f"{len(sitting.answered)} votes, {kept} of them during {seconds:.0f} s without network; {early}{PEER}"
    )
    report("votes lost without network", lost, "votes", "0", lost == 0 and kept > 0, whole)
    is_same = stored == sitting.answered
    report("votes replayed in the order given", "yes" if is_same else "no", "", "yes", is_same)
    visible = all(str(kept) in words for words in said)
    report("what waits is on the page", f"“{said[1]}”", "", f"names {kept}", visible)
    report("network back to everything sent", sent, "s", "", None)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0)
