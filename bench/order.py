"""Claim: a queue of a hundred thousand images is put in order in seconds, while people go on leasing.

python -m bench.order [IMAGES, default 100000]
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

from bench.claims import report
from bench.fresh import fresh_site, images_with_features

BAR_S, LEASE_BAR_MS = 10.0, 250.0


class Annotator(threading.Thread):
    """Leases and gives back all the while; remembers the slowest lease and how often there was none."""

    def __init__(self, project: Any, user: Any) -> None:
        super().__init__(daemon=True)
        self.project, self.user = project, user
        self.leases, self.empty, self.slowest_ms = 0, 0, 0.0
        self.ended = threading.Event()

    def run(self) -> None:
        from django.db import connection

        from labeling.queue import lease_next, lease_release

        while not self.ended.is_set():
            began = time.monotonic()
            leased = lease_next(user=self.user, project=self.project, count=3)
            self.slowest_ms = max(self.slowest_ms, (time.monotonic() - began) * 1000)
            self.leases += 1
            self.empty += not leased
            lease_release(user=self.user, assignment_ids=[each.pk for each in leased])
            self.ended.wait(0.05)
        connection.close()


def main(images: int) -> None:
    from django.contrib.auth.models import User

    from labeling.models import Membership, Project
    from labeling.ordering import queue_fill, queue_reorder
    from scoring.registry import base_model_ensure
    from scoring.rescore import rescore_fill

    began = time.monotonic()
    images_with_features(images)
    report(
        f"site of {images} images made", time.monotonic() - began, "s", "", None, "drawn, nothing computed"
    )
    began = time.monotonic()
    rescore_fill(model=base_model_ensure(), limit=images)
    report(f"{images} images scored from cached features", time.monotonic() - began, "s", "", None)
    project = Project.objects.create(name="Catalogue", overlap=2, holdout_votes=2)
    person = User.objects.create_user("ann", password="ann")
    Membership.objects.create(project=project, user=person, role="annotator")
    began = time.monotonic()
    assert queue_fill(project=project) == images
    report(f"queue filled with {images} images", time.monotonic() - began, "s", "", None, "two slots each")
    annotator = Annotator(project, person)
    annotator.start()
    began = time.monotonic()
    moved = queue_reorder(project=project)
    seconds = time.monotonic() - began
    report(
        f"order of {images} open images", seconds, "s", f"<= {BAR_S:.0f}", seconds <= BAR_S, f"{moved} moved"
    )
    Project.objects.update(order="random")
    project.refresh_from_db()
    began = time.monotonic()
    moved = queue_reorder(project=project)
    seconds = time.monotonic() - began
    annotator.ended.set()
    annotator.join()
    report(f"the same where each of {images} moves", seconds, "s", "", None, f"{moved} moved")
    report(
        "leases meanwhile that found nothing",
        annotator.empty,
        f"of {annotator.leases}",
        "0",
        annotator.empty == 0,
    )
    report(
        "slowest lease meanwhile",
        annotator.slowest_ms,
        "ms",
        f"<= {LEASE_BAR_MS:.0f}",
        annotator.slowest_ms <= LEASE_BAR_MS,
    )


if __name__ == "__main__":
    with fresh_site():
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
