"""Claims: few well chosen labels teach nearly all that many do, and choosing is never worse than chance.

python -m bench.active_learning --data LABELS.csv [--seeds 36] [--rivals] [--cache FOLDER] [--weights FILE]
python -m bench.active_learning --data LABELS.csv --keep FILE.npz --seeds 0    writes what the next reads
python -m bench.active_learning --features FILE.npz [--processes 16]           needs NumPy and SciPy alone

LABELS.csv has the columns path and score (0-100), as in LIVE in the Wild. For each seed a quarter of the
pictures, drawn at random, is held out and never asked about; every arm spends the same shares of the rest,
twice over with other cards: one deal of thirty labels moves a curve's start by several hundredths.
What people said of a picture is the oracle: their mean, or three noisy votes of it.

No head here has seen any of the scores. Arms start from nothing, but those that say "from ruin" start from a
head fitted on pictures of the pool before and after seeded faults. The encoder is the shipped one, which
learned faults alone; another that is named must not have seen the scores either (``fresh/unscored.py``).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.claims import report
from bench.fresh.label_curves import (
    ALL,
    FIFTH,
    HALF,
    SHARES,
    report_base,
    report_enough,
    report_never_worse,
    report_saved,
)
from bench.fresh.scored_photos import Photos, paths_of, photos_keep, photos_kept, photos_of
from bench.fresh.unscored import CACHE, add_weights_option, said_of, unscored_weights

DEALS = 2  # of every arm with every seed; their mean is its curve
FIRST_SEED = 100  # rules and constants were chosen with the seeds below
RANDOM_SHARE, HELD_OUT = 0.2, 1 / 4
NOISE_RATIO, VOTES = 1.61, 3  # one vote's deviation beside that of pictures, as in KonIQ-10k
MANY_VOTES = 175  # behind each score of LIVE in the Wild; whoever asks knows how sure a label will be

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Arm:
    """How pictures are chosen and what learns from them."""

    name: str
    chosen: str
    learner: str = "product"
    noisy: bool = False


PLAIN = Arm("plain ridge, random", "random", "plain")
RANDOM, QUEUE = Arm("random", "random"), Arm("queue", "herding")
RUIN, RUIN_QUEUE = Arm("from ruin, random", "random", "ruin"), Arm("from ruin, queue", "herding", "ruin")
RIVALS = (
    Arm("variance of the pool", "variance"),
    Arm("uncertainty", "uncertainty"),
    Arm("committee", "committee"),
    Arm("LCMD", "lcmd"),
    Arm("BADGE", "badge"),
    Arm("TypiClust", "typical"),
    Arm("ProbCover", "cover"),
)
NEEDS_HEAD = ("uncertainty", "committee")  # before there is one they ask at random
OURS = (PLAIN, RANDOM, QUEUE, RUIN, RUIN_QUEUE)
NOISY = {arm: replace(arm, name=f"{VOTES} votes: {arm.name}", noisy=True) for arm in OURS}
ARMS = (*OURS, *NOISY.values())


@dataclass(frozen=True)
class World:
    """One seed's split: rows held out, rows that may be asked, and what people say of each (N,)."""

    photos: Photos
    test: Any
    pool: Any
    said: Array
    ruin: Any


def world_of(photos: Photos, seed: int) -> World:
    from scoring.core.falls import head_from_falls

    rng = np.random.default_rng(seed)
    order = rng.permutation(len(photos.scores))
    test, pool = np.split(order, [round(HELD_OUT * len(order))])
    truth = 1 + photos.scores[:, None] / 25
    noise = rng.normal(0, NOISE_RATIO * truth.std(), (len(truth), VOTES))
    said = (np.clip(np.round(truth + noise), 1, 5).mean(axis=1) - 1) * 25
    known = np.isin(photos.source, pool)
    ruin = head_from_falls(
        untouched=photos.vectors[pool],
        falls=(photos.harmed - photos.vectors[photos.source])[known],
        severity=photos.severity[known],
        feature_version="bench",
    )
    return World(photos, test, pool, said, ruin)


def next_rows(arm: Arm, world: World, labelled: Any, count: int, head: Any, rng: Any) -> Any:
    """``count`` rows of the pool that an arm asks about next."""
    from scoring.core.acquire import BatchRules, Pool, Strategy, Taught, choose, posterior_features
    from scoring.core.baselines import opinions_of
    from scoring.core.design import kernel_features
    from scoring.core.nearness import near_rows

    left = np.setdiff1d(world.pool, labelled)
    vectors, embeddings = world.photos.vectors, world.photos.embeddings
    strategy = Strategy(arm.chosen)
    if strategy == Strategy.RANDOM or count >= len(left) or (head is None and arm.chosen in NEEDS_HEAD):
        return rng.choice(left, min(count, len(left)), replace=False)
    features, taught = embeddings[left], embeddings[labelled]
    if strategy == Strategy.HERDING:
        features, taught = near_rows(vectors[left]), near_rows(vectors[labelled])
    elif strategy == Strategy.VARIANCE:
        features, taught = kernel_features(vectors[left], vectors[labelled], rng)
    elif strategy in (Strategy.LCMD, Strategy.BADGE) and head is not None:
        features, taught = (posterior_features(head, vectors[rows]) for rows in (left, labelled))
    stds = np.ones(len(left)) if head is None else head.predict(vectors[left]).overall_std
    opinions = None
    if strategy == Strategy.COMMITTEE:
        said = world.said if arm.noisy else world.photos.scores
        opinions = opinions_of(vectors[left], vectors=vectors[labelled], overall=said[labelled], rng=rng)
    pool = Pool(features, embeddings[left], stds, np.array([""] * len(left)), opinions)
    drawn = round(count * RANDOM_SHARE) if strategy in (Strategy.HERDING, Strategy.VARIANCE) else 0
    chosen = left[
        choose(
            pool,
            count=count - drawn,
            strategy=strategy,
            rng=rng,
            taught=Taught(taught, embeddings[labelled]),
            rules=BatchRules(votes=VOTES if arm.noisy else MANY_VOTES),
        ).rows
    ]
    more = rng.choice(np.setdiff1d(left, chosen), count - len(chosen), replace=False)
    return np.concatenate([chosen, more])


def curve_of(arm: Arm, cards: list[int], world: World) -> list[float]:
    """SRCC with people's mean on the held-out pictures after each share of the pool. ``cards``: its seed."""
    from scoring.core.metrics import srcc

    rng = np.random.default_rng([*cards, *arm.chosen.encode()])  # arms that choose alike are dealt alike
    labelled = np.zeros(0, dtype=np.int64)
    said = world.said if arm.noisy else world.photos.scores
    head, curve = None, []
    for share in SHARES:
        wanted = round(share * len(world.pool)) - len(labelled)
        labelled = np.concatenate([labelled, next_rows(arm, world, labelled, wanted, head, rng)])
        guess, head = _taught(arm, world, labelled, said)
        curve.append(srcc(guess, world.photos.scores[world.test]))
    return curve


def _taught(arm: Arm, world: World, labelled: Any, said: Array) -> tuple[Array, Any]:
    """Guesses for the held-out pictures and the head that made them, if it is one."""
    from scoring.core.fits import fit_level
    from scoring.core.head import fit_head

    vectors = world.photos.vectors
    if arm.learner == "plain":
        mean, level = vectors[labelled].mean(axis=0), said[labelled].mean()
        fit = fit_level(
            (vectors[labelled] - mean).astype(float), said[labelled] - level, np.ones(len(labelled))
        )
        return (vectors[world.test] - mean) @ fit.coefficients, None
    prior = world.ruin if arm.learner == "ruin" else None
    head = fit_head(vectors=vectors[labelled], overall=said[labelled], feature_version="bench", prior=prior)
    return head.predict(vectors[world.test]).overall, head


def curves_of_seed(photos: Photos, arms: tuple[Arm, ...], seed: int) -> Array:
    """The curve of every arm with one seed, the mean of its deals."""
    world = world_of(photos, seed)
    dealt = [[curve_of(arm, [seed, deal], world) for deal in range(DEALS)] for arm in arms]
    return np.asarray(np.mean(dealt, axis=1))


def main(
    photos: Photos, encoder: str, *, first: int, seeds: int, processes: int, rivals: tuple[Arm, ...]
) -> None:
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    arms = (*ARMS, *rivals)
    asked = [(photos, arms, seed) for seed in range(first, first + seeds)]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        found = np.array(pool.starmap(curves_of_seed, asked, chunksize=1))
    curves = {arm: found[:, k] for k, arm in enumerate(arms)}
    for arm in arms:
        means = zip(curves[arm].mean(axis=0), SHARES, strict=True)
        shown = ", ".join(f"{value:.3f} at {share:.0%}" for value, share in means)
        report(
            f"SRCC by labels, {arm.name}",
            shown,
            "",
            "",
            None,
            f"mean of {seeds} seeds, {DEALS} deals each from {first}; {encoder}",
        )
    for world in (dict(zip(OURS, OURS, strict=True)), NOISY):
        plain, random, queue, ruin, ruin_queue = (world[arm] for arm in OURS)
        for arm in (plain, random, queue, ruin_queue):
            report_enough(arm, curves, plain, ours=arm in (queue, ruin_queue))
        for mine, theirs, at in (
            (queue, random, FIFTH),
            (queue, random, HALF),
            (queue, plain, HALF),
            (ruin_queue, plain, ALL),
        ):
            report_saved(mine, theirs, curves, at)
        report_never_worse(queue, random, curves, bar=True)
        report_never_worse(ruin_queue, ruin, curves, bar=True)
        report_base(curves, ((ruin, random), (ruin_queue, queue)))
    for mine in rivals:
        report_never_worse(mine, RANDOM, curves, bar=False)


def photos_wanted(wanted: argparse.Namespace) -> tuple[Photos, str] | None:
    """The pictures to ask about and words about their encoder: kept in one file, or read from a table."""
    if wanted.features is not None:
        return photos_kept(wanted.features)
    if wanted.data is None:
        return None
    weights = unscored_weights(wanted.weights, paths_of(wanted.data), wanted.cache)
    photos, encoder = photos_of(wanted.data, wanted.cache, weights), said_of(weights)
    if wanted.keep is not None:
        photos_keep(photos, encoder, wanted.keep)
    return photos, encoder


def options(words: str | None) -> argparse.ArgumentParser:
    """Where pictures and their scores come from, and how many seeds to try on how many processes."""
    parser = argparse.ArgumentParser(description=words, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("SCORES") or None)
    parser.add_argument("--features", type=Path, help="a file written with --keep: no pictures, NumPy alone")
    parser.add_argument("--keep", type=Path, help="write what --features reads, then measure")
    parser.add_argument("--seeds", type=int, default=36)
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="first seed; below 100 to try rules")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--cache", type=Path, default=CACHE)
    add_weights_option(parser)
    return parser


if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument("--rivals", action="store_true", help="also other ways to choose")
    chosen = parser.parse_args()
    known = photos_wanted(chosen)
    if known is None:
        print("# no scored pictures given (SCORES=labels.csv): nothing was measured")
    elif chosen.seeds:
        main(
            *known,
            first=chosen.first,
            seeds=chosen.seeds,
            processes=chosen.processes,
            rivals=RIVALS if chosen.rivals else (),
        )
