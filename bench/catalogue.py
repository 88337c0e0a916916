"""Claim: a catalogue of ten thousand pictures opens, filters and turns its pages without a wait.

python -m bench.catalogue [IMAGES, default 10000]
"""

from __future__ import annotations

import sys
import time

from bench.claims import report
from bench.fresh import fresh_site, images_with_scores

BAR_MS = 200.0
ROUNDS = 15
ADDRESSES = {
    "everything, newest first": "/images/",
    "best first": "/images/?sort=best",
    "least certain first": "/images/?sort=unsure",
    "the hundredth page": "/images/?sort=best&after=50.0~1",
    "one defect": "/images/?defect=noise&sort=worst",
    "a word": "/images/?text=product+99",
    "grade and state": "/images/?grade=fair&state=open",
    "one image": "/images/77/",
}


def pages(images: int) -> dict[str, list[float]]:
    """Milliseconds of each address, as a reader waits for them, without the network."""
    from django.contrib.auth.models import User
    from django.test import Client

    from labeling.models import Project
    from labeling.ordering import queue_fill

    project = Project.objects.create(name="Bench")
    queue_fill(project=project)
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.create_superuser("ada", password="ada"))
    waited: dict[str, list[float]] = {}
    for name, address in ADDRESSES.items():
        assert client.get(address).status_code == 200, address
        for _ in range(ROUNDS):
            began = time.perf_counter()
            client.get(address)
            waited.setdefault(name, []).append((time.perf_counter() - began) * 1000)
    return waited


def main(images: int) -> None:
    from django.core.management import call_command
    from django.db import connection

    call_command("collectstatic", interactive=False, verbosity=0)
    images_with_scores(images)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    for name, times in pages(images).items():
        middle = sorted(times)[len(times) // 2]
        report(f"catalogue of {images}: {name}", middle, "ms", f"<= {BAR_MS:.0f}", middle <= BAR_MS, "median")


if __name__ == "__main__":
    with fresh_site():
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
