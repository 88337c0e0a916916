"""Figure: what asking again about labelled pictures gains at the same number of votes, and how often it is.

python -m bench.asked_again --data LABELS.csv [--seeds 12] [--processes 2]
python -m bench.asked_again --features FILE.npz     a file of bench.active_learning --keep

Votes are people's mean with the noise of one vote (field: KonIQ-10k). One way spends all of them on new
pictures, as many to each as a project wants; the other lets ``design.worth_again``, as a project that asks
again does, take those votes that are worth more on a picture which has its label. Both draw new pictures
alike, learn alike, and weigh a label by its votes. SRCC is with people's mean on pictures held out.

Twice: with the pictures as they are, and in a catalogue of look-alikes, where each picture of a third stands
for three shots of the same thing that people judge alike.
"""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import replace
from typing import Any

import numpy as np

from bench.active_learning import NOISE_RATIO, Array, World, options, photos_wanted, world_of
from bench.claims import report
from bench.fresh.label_curves import interval
from bench.fresh.scored_photos import Photos

OVERLAPS, VOTES, AT_ONCE = (1, 3), (300, 600), 20
MOST_VOTES = 8
SHOTS, APART = 3, 0.1  # of the same thing, and their distance beside the usual one
POOLS = ("pictures as they are", "look-alikes")


def look_alikes(world: World, seed: int) -> World:
    """The same, but for the pool: shots of a third of it, each a little off the others."""
    from scoring.core.landmarks import usual_distance

    rng, photos = np.random.default_rng(seed), world.photos
    first = world.pool[: len(world.pool) // SHOTS]
    off = rng.normal(size=(len(world.pool), photos.vectors.shape[1])) * photos.vectors.std(axis=0)
    off *= APART * usual_distance(photos.vectors, rng) / np.linalg.norm(off, axis=1).mean()
    vectors, scores = photos.vectors.copy(), photos.scores.copy()
    of = np.resize(first, len(world.pool))
    vectors[world.pool], scores[world.pool] = photos.vectors[of] + off, photos.scores[of]
    return replace(world, photos=replace(photos, vectors=vectors, scores=scores))


def order_after(world: World, *, overlap: int, asks_again: bool, cards: list[int]) -> list[tuple[float, ...]]:
    """SRCC on the held-out pictures once each of ``VOTES`` was spent, and the share of them asked again."""
    rng = np.random.default_rng(cards)
    order, votes = rng.permutation(world.pool), np.zeros(len(world.photos.scores), dtype=np.int64)
    found: list[tuple[float, ...]] = []
    spent = taken = more = 0
    while spent < max(VOTES):
        again = _again(world, order, votes, taken, overlap, rng) if asks_again and taken else []
        votes[again] += 1
        more += len(again)
        new = order[taken : taken + max(0, AT_ONCE - len(again)) // overlap]
        votes[new] += overlap
        taken += len(new)
        if not len(new) and not len(again):
            known = order[:taken]  # every picture has its label: both ways ask the least sure once more
            again = known[np.argsort(votes[known], kind="stable")[:AT_ONCE]]
            votes[again] += 1
        before, spent = spent, int(votes.sum())
        found += [(_srcc(world, votes, cards), more / spent) for goal in VOTES if before < goal <= spent]
    return found


def _again(world: World, order: Any, votes: Any, taken: int, overlap: int, rng: Any) -> Any:
    """Labelled pictures that are worth a vote more than new ones are, as ``labeling.again`` finds them."""
    from scoring.core.design import kernel_features, worth_again

    known, left = order[:taken], order[taken:]
    known = known[votes[known] < MOST_VOTES]
    if not len(left) or not len(known):
        return []
    vectors = world.photos.vectors
    rows, others = kernel_features(vectors[left], vectors[known], rng)
    told = worth_again(rows, others, votes[known], overlap=overlap, most=AT_ONCE)
    return known[[each.row for each in told]]


def _srcc(world: World, votes: Any, cards: list[int]) -> float:
    from scoring.core.design import precision_of
    from scoring.core.head import fit_head
    from scoring.core.metrics import srcc

    rows, people = np.flatnonzero(votes), world.photos.scores
    said = np.array([_said(people, row, int(votes[row]), cards) for row in rows.tolist()])
    head = fit_head(
        vectors=world.photos.vectors[rows],
        overall=said,
        weights=precision_of(votes[rows]),
        feature_version="bench",
        prior=world.ruin,
    )
    return srcc(head.predict(world.photos.vectors[world.test]).overall, people[world.test])


def _said(people: Array, row: int, votes: int, cards: list[int]) -> float:
    """Mean of the first votes on a picture: the same ones whoever asks for them."""
    noise = np.random.default_rng([*cards, row]).normal(0, NOISE_RATIO * people.std() / 25, votes)
    return float((np.clip(np.round(1 + people[row] / 25 + noise), 1, 5).mean() - 1) * 25)


def gains_of_seed(photos: Photos, seed: int) -> Array:
    """SRCC and share asked again (pools, overlaps, [new, again], votes spent, 2) with one seed."""
    world = world_of(photos, seed)
    return np.array(
        [
            [
                [
                    order_after(pool, overlap=overlap, asks_again=asks, cards=[seed, overlap])
                    for asks in (False, True)
                ]
                for overlap in OVERLAPS
            ]
            for pool in (world, look_alikes(world, seed))
        ]
    )


def main(photos: Photos, *, first: int, seeds: int, processes: int) -> None:
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    asked = [(photos, seed) for seed in range(first, first + seeds)]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        found = np.array(pool.starmap(gains_of_seed, asked, chunksize=1))
    for p, k, n in np.ndindex(len(POOLS), len(OVERLAPS), len(VOTES)):
        new, again = found[:, p, k, 0, n, 0], found[:, p, k, 1, n, 0]
        low, high = interval(again - new)
        shown = f"{new.mean():.3f} by new pictures alone, 95 % interval {low:+.4f} to {high:+.4f}"
        shown += f", {found[:, p, k, 1, n, 1].mean():.0%} of the votes asked again, {seeds} seeds"
        report(
            f"SRCC gained by asking again, {POOLS[p]}, {VOTES[n]} votes, {OVERLAPS[k]} to a new picture",
            float((again - new).mean()),
            "SRCC",
            "",
            None,
            shown,
        )


if __name__ == "__main__":
    chosen = options(__doc__).parse_args()
    known = photos_wanted(chosen)
    if known is None:
        print("# no scored pictures given (SCORES=labels.csv): nothing was measured")
    else:
        main(known[0], first=chosen.first, seeds=chosen.seeds, processes=chosen.processes)
