"""Claim: a promotion is seen by everybody within seconds, by nobody in part, and can be taken back at once.

python -m bench.promote [IMAGES, default 10000]
"""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import replace
from typing import Any

from bench.claims import report
from bench.fresh import fresh_site, images_with_features

RESCORE_BAR_S, ROLL_BACK_BAR_S = 15.0, 1.0


class Reader(threading.Thread):
    """Reads what people see all the while; counts answers that hold too few pictures or two models."""

    def __init__(self, images: int) -> None:
        super().__init__(daemon=True)
        self.images, self.reads, self.mixed = images, 0, 0
        self.ended = threading.Event()

    def run(self) -> None:
        from django.db import connection
        from django.db.models import Count

        from scoring.score import displayed_scores

        while not self.ended.is_set():
            told = displayed_scores().aggregate(images=Count("id"), models=Count("model", distinct=True))
            self.reads += 1
            self.mixed += told != {"images": self.images, "models": 1}
        connection.close()


def candidate_of(base: Any) -> Any:
    """A model a retrain might have made: the base head, moved."""
    from scoring.core.checkpoint import write_tensors
    from scoring.core.head import head_to_tensors
    from scoring.models import ModelVersion
    from scoring.registry import head_of, models_folder

    head = head_of(base)
    moved = replace(head, intercepts=head.intercepts - 5.0)
    return ModelVersion.objects.create(
        name="moved",
        kind="fast",
        feature_version=base.feature_version,
        weights_digest=write_tensors(models_folder(), head_to_tensors(moved), {}),
    )


def main(images: int) -> None:
    from scoring.promote import model_promote, model_roll_back
    from scoring.registry import base_model_ensure, serving
    from scoring.rescore import rescore_chunks, rescore_fill

    images_with_features(images)
    base = base_model_ensure()
    rescore_fill(model=base, limit=images)
    candidate = candidate_of(base)
    reader = Reader(images)
    reader.start()
    began = time.monotonic()
    model_promote(model=candidate, by=None)
    promote_s = time.monotonic() - began
    rescore_chunks(seconds=600)
    rescore_s = time.monotonic() - began
    assert serving().displayed == candidate
    began = time.monotonic()
    model_roll_back(by=None)
    roll_back_s = time.monotonic() - began
    assert serving().displayed == base
    reader.ended.set()
    reader.join()
    report("promotion answered", promote_s, "s", "", None, f"{images} images")
    report(
        f"promotion to everybody seeing the new scores, {images} images",
        rescore_s,
        "s",
        f"<= {RESCORE_BAR_S:.0f}",
        rescore_s <= RESCORE_BAR_S,
        "one worker; a reader asking all the while",
    )
    report("roll back", roll_back_s, "s", f"<= {ROLL_BACK_BAR_S:.0f}", roll_back_s <= ROLL_BACK_BAR_S)
    report("answers that mixed two models", reader.mixed, f"of {reader.reads}", "0", reader.mixed == 0)


if __name__ == "__main__":
    with fresh_site():
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
