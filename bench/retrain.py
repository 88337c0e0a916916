"""Claim: a fast retrain ends within seconds, gate and all, on two cores.

python -m bench.retrain [LABELS ..., default 1000 20000]
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

from bench.claims import report
from bench.fresh import fresh_site, images_with_features

BARS_S = {1000: 10.0, 20_000: 60.0}


def frozen(count: int) -> Any:
    """A dataset of so many labels that people gave with a taste of their own and with noise."""
    from scoring.dataset import FrozenRow, dataset_store
    from scoring.models import StoredFeatures
    from scoring.registry import base_model_ensure, head_of

    head = head_of(base_model_ensure())
    rng = np.random.default_rng(1)
    known = list(StoredFeatures.objects.order_by("image_id").values_list("image_id", "vector")[:count])
    vectors = np.stack([np.frombuffer(vector, dtype="<f4") for _, vector in known])
    taste = vectors[:, :20] @ rng.normal(0, 2, 20)
    targets = np.clip(head.predict(vectors).overall - 10 + taste + rng.normal(0, 10, count), 0, 100)
    rows = [
        FrozenRow(
            image_id=image_id,
            group=f"shop/{image_id}",
            category=f"category {image_id % 12}",
            target_score=float(target),
            target_std=10.0,
            weight=0.01,
            vote_count=2,
        )
        for (image_id, _), target in zip(known, targets, strict=True)
    ]
    return dataset_store(name=f"first {count}", rows=rows, split_seed=0, note="", created_by=None)


def main(sizes: list[int]) -> None:
    from scoring.train import training_execute, training_start

    images_with_features(max(sizes))
    for size in sizes:
        dataset = frozen(size)
        run = training_start(dataset=dataset, kind="fast", trigger="command", started_by=None, promote=False)
        began = time.monotonic()
        state = training_execute(run_id=run.pk)
        seconds = time.monotonic() - began
        run.refresh_from_db()
        assert state == "evaluated", run.error
        assert run.candidate is not None
        bar = BARS_S.get(size)
        report(
            f"fast retrain on {size} labels: fit, holdout, gate, registry",
            seconds,
            "s",
            f"<= {bar:.0f}" if bar else "",
            seconds <= bar if bar else None,
            "one worker, no GPU",
        )


if __name__ == "__main__":
    with fresh_site():
        main([int(word) for word in sys.argv[1:]] or [1000, 20_000])
