"""Claim: a key on the Label page brings the next picture at once.

Measured in Chromium: from the time of the key's event to the frame in which the next picture, whole and
decoded, has been painted. Pictures of 1,000 x 1,000 pixels; a key every 350 ms, faster than people vote.

python -m bench.key_latency [KEYS, default 60]
"""

from __future__ import annotations

import statistics
import sys

from bench.claims import report
from bench.fresh import fresh_site, images_with_scores, pictures_stored
from bench.fresh.web import chromium, label_page, web

PORT, BAR_MS, PAUSE_MS = 8412, 100.0, 350
PEER = "Label Studio 1.23.2, submit to next image: p50 960 ms, p95 1,140 ms"
WATCH = """
window.times = [];
let pressed = 0;
addEventListener("keydown", (event) => { pressed = event.timeStamp; }, true);
new MutationObserver((changes) => {
  const came = changes.some((one) => [...one.addedNodes].some((node) => node.tagName === "IMG"));
  if (!came || !pressed) return;
  const from = pressed;
  pressed = 0;
  requestAnimationFrame(() => setTimeout(() => window.times.push(performance.now() - from)));
}).observe(document, { childList: true, subtree: true });
"""


def main(keys: int) -> None:
    with fresh_site() as data:
        from django.contrib.auth.models import User

        from labeling.annotate import live_annotations
        from labeling.models import Membership, Project
        from labeling.queue import queue_fill

        images_with_scores(keys + 10)
        pictures_stored(keys + 10)
        project = Project.objects.create(
            name="Catalogue", blind_rate=0, repeat_rate=0, gold_rate=0, holdout_share=0
        )
        queue_fill(project=project)
        user = User.objects.create_user("ann")
        Membership.objects.create(project=project, user=user, role="annotator")
        with web(data, PORT, with_static=True), chromium() as browser:
            page = label_page(browser, user, PORT)
            page.add_init_script(WATCH)
            page.goto("/label/")
            page.locator(".is-live [data-picture] img").wait_for()
            page.wait_for_load_state("networkidle")
            for number in range(keys):
                page.keyboard.press("Enter" if number % 3 == 0 else str(1 + number % 5))
                page.wait_for_timeout(PAUSE_MS)
            page.locator('[data-state][data-waiting="0"]').wait_for()
            times = sorted(page.evaluate("window.times"))
        votes = live_annotations().count()
    p95 = times[int(len(times) * 0.95)] if times else float("inf")
    report(
        "key to next picture on screen, p95",
        p95,
        "ms",
        f"<= {BAR_MS:.0f}",
        p95 <= BAR_MS and len(times) >= keys * 0.9,
        f"p50 {statistics.median(times):.1f} ms over {len(times)} keys; {PEER}",
    )
    report(
        "keys that became a vote", votes, f"of {keys}", f"{keys}", votes == keys, "1 key a label; the peer: 2"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
