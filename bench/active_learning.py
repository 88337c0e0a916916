"""Claim: asking what the queue asks is worth more than asking at random, and never significantly less.

python -m bench.active_learning --data LABELS.csv [--seeds 10] [--cache FOLDER]

LABELS.csv has the columns path and score (0-100), as in LIVE in the Wild. For each seed a third of the
pictures is held out and never asked about; every arm starts from nothing and spends the same budgets. The
head is fitted without the shipped prior, which may have seen these very scores; so may the encoder, which
lifts all arms alike: read the differences, not the levels.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.claims import report

BUDGETS = (25, 50, 100, 200, 400)
COLD_LABELS, RANDOM_SHARE, HELD_OUT = 50, 0.2, 1 / 3
ARMS = ("random", "queue", "uncertainty", "k_centre")
SAVED_BAR = 0.25

Array = npt.NDArray[np.float64]


def features_of(table: Path, cache: Path) -> tuple[Any, Any, Array]:
    """Vectors, embeddings and scores of the pictures, extracted once per encoder and table."""
    from scoring import device

    name = hashlib.sha256(device.feature_version().encode() + table.read_bytes()).hexdigest()[:16]
    kept = cache / f"features-{name}.npz"
    if not kept.exists():
        rows = list(csv.DictReader(table.open(encoding="utf-8", newline="")))
        found: list[Any] = []
        for start in range(0, len(rows), 32):
            blobs = [(table.parent / row["path"]).read_bytes() for row in rows[start : start + 32]]
            found += device.extract_features(blobs)
        cache.mkdir(parents=True, exist_ok=True)
        np.savez(
            kept,
            vectors=np.stack([each.vector for each in found]),
            embeddings=np.stack([each.embedding for each in found]),
            scores=np.array([float(row["score"]) for row in rows]),
        )
    with np.load(kept) as known:
        return known["vectors"], known["embeddings"], known["scores"]


def next_rows(
    arm: str, left: Any, labelled: Any, count: int, head: Any, data: tuple[Any, Any], rng: Any
) -> Any:
    """``count`` rows of ``left`` that an arm asks about next."""
    from scoring.core.acquire import Pool, Strategy, Taught, choose, posterior_features

    vectors, embeddings = data
    if arm == "random" or (head is None and arm != "queue"):
        return rng.choice(left, count, replace=False)
    strategy = Strategy.LCMD if arm == "queue" else Strategy(arm)
    if arm == "queue" and len(labelled) < COLD_LABELS:
        strategy = Strategy.TYPICAL
    scaled = embeddings if head is None else posterior_features(head, vectors)
    stds = np.ones(len(left)) if head is None else head.predict(vectors[left]).overall_std
    pool = Pool(scaled[left], embeddings[left], stds, np.array([""] * len(left)))
    drawn = round(count * RANDOM_SHARE) if arm == "queue" else 0
    taught = Taught(scaled[labelled], embeddings[labelled])
    chosen = left[choose(pool, count=count - drawn, strategy=strategy, rng=rng, taught=taught)]
    rest = np.setdiff1d(left, chosen)
    return np.concatenate([chosen, rng.choice(rest, count - len(chosen), replace=False)])


def curve_of(arm: str, seed: int, data: tuple[Any, Any, Array]) -> list[float]:
    """SRCC on the held-out pictures after each budget."""
    from scoring.core.head import fit_head
    from scoring.core.metrics import srcc

    vectors, embeddings, scores = data
    order = np.random.default_rng(seed).permutation(len(scores))
    test, left = np.split(order, [round(HELD_OUT * len(scores))])
    rng = np.random.default_rng([seed, ARMS.index(arm)])
    labelled = np.zeros(0, dtype=np.int64)
    head, curve = None, []
    for budget in BUDGETS:
        asked = next_rows(arm, left, labelled, budget - len(labelled), head, (vectors, embeddings), rng)
        labelled, left = np.concatenate([labelled, asked]), np.setdiff1d(left, asked)
        head = fit_head(vectors=vectors[labelled], overall=scores[labelled], feature_version="bench")
        curve.append(srcc(head.predict(vectors[test]).overall, scores[test]))
    return curve


def interval(values: Array) -> tuple[float, float]:
    """95 % bootstrap interval of the mean over seeds."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (4000, len(values)))].mean(axis=1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def labels_saved(mine: Array, theirs: Array) -> float:
    """Share of the last budget that reaches what the other reached with all of it; negative never counts."""
    goal = theirs[-1]
    if mine[-1] < goal:
        return 0.0
    grid = np.geomspace(BUDGETS[0], BUDGETS[-1], 500)
    reached = np.interp(np.log(grid), np.log(BUDGETS), mine) >= goal
    return 1.0 - float(grid[int(np.argmax(reached))]) / BUDGETS[-1]


def main(table: Path, seeds: int, cache: Path) -> None:
    data = features_of(table, cache)
    curves = {arm: np.array([curve_of(arm, seed, data) for seed in range(seeds)]) for arm in ARMS}
    for arm in ARMS:
        means = zip(curves[arm].mean(axis=0), BUDGETS, strict=True)
        shown = ", ".join(f"{value:.3f} at {budget}" for value, budget in means)
        report(f"SRCC by labels, {arm}", shown, "", "", None, f"mean of {seeds} seeds, {table.parent.name}")
    for arm in ARMS[1:]:
        _against_random(arm, curves[arm], curves["random"], seeds)
    saved = np.array(
        [labels_saved(mine, theirs) for mine, theirs in zip(curves["queue"], curves["random"], strict=True)]
    )
    low, high = interval(saved)
    report(
        f"labels the queue's order saves to reach what random reaches with {BUDGETS[-1]}",
        float(np.median(saved)),
        "share, median",
        f">= {SAVED_BAR}",
        float(np.median(saved)) >= SAVED_BAR,
        f"{seeds} seeds, interval of the mean {low:.2f} to {high:.2f}",
    )


def _against_random(arm: str, mine: Array, theirs: Array, seeds: int) -> None:
    """The difference of the areas under the curves, seed by seed."""
    gains = (mine - theirs).mean(axis=1)
    low, high = interval(gains)
    is_ours = arm == "queue"
    report(
        f"SRCC gained over random, mean of the budgets, {arm}",
        float(gains.mean()),
        "",
        "not significantly below 0" if is_ours else "",
        high >= 0 if is_ours else None,
        f"95 % interval {low:.4f} to {high:.4f}, {seeds} seeds",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=os.environ.get("SCORES") or None)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "vitrine-bench-features")
    wanted = parser.parse_args()
    if wanted.data is None:
        print("# no scored pictures given (SCORES=labels.csv): nothing was measured")
    else:
        main(wanted.data, wanted.seeds, wanted.cache)
