"""Claim: the gate refuses a retrain on labels of which three in ten were shuffled, and lets an honest one in.

python -m bench.gate [SEEDS, default 20]

The shuffled labels spoil the holdout too, as a careless annotator would: the gate cannot know them. Two ways
to be poisoned are tried: the labels the champion learned from are shuffled and nothing else changes; or the
shuffled labels come with new pictures, where the candidate may be the better one all the same. For the second
what counts is whether a candidate that was let in is worse on the truth, which only this bench knows.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.claims import report

PICTURES, FIRST, SHUFFLED_SHARE = 900, 500, 0.3
FIRST_SEED = 100  # the rules of the gate were looked at with the seeds below
REFUSED_BAR, PASSED_BAR, HARMED_BAR = 0.95, 0.9, 0.05


@dataclass(frozen=True)
class World:
    """Honest labels, and the truth they stand for before people's noise."""

    labels: Any
    truth: npt.NDArray[np.float64]


def world_of(rng: np.random.Generator, head: Any) -> World:
    """People with a taste of their own (12 points) and 12 points of noise.

    Features fall off as those of real photographs do: 0.65 in the first direction, 0.06 in the last.
    """
    from scoring.core.splits import split_of
    from scoring.trial import Labels

    width = len(head.mean)
    scale = 0.65 * np.arange(1, width + 1) ** -0.37
    features = rng.normal(0, 1, (PICTURES, width)) * scale
    vectors = (head.mean + head.std * features).astype(np.float32)
    taste = features[:, :12] @ (rng.normal(0, 1, 12) / scale[:12])
    truth = np.clip(head.predict(vectors).overall - 5 + 12 * taste / taste.std(), 0, 100)
    groups = [f"shop/{n}" for n in range(PICTURES)]
    labels = Labels(
        vectors=vectors,
        targets=np.clip(truth + rng.normal(0, 12, PICTURES), 0, 100),
        weights=np.full(PICTURES, 1 / 144),
        dimensions=np.full((PICTURES, 5), np.nan),
        groups=groups,
        categories=[f"category {n % 8}" for n in range(PICTURES)],
        splits=np.array([split_of(group, seed=0) for group in groups]),
    )
    return World(labels, truth)


def shuffled(labels: Any, rng: np.random.Generator) -> Any:
    """The same labels, three in ten of them handed to the wrong pictures."""
    rows = rng.permutation(PICTURES)[: int(SHUFFLED_SHARE * PICTURES)]
    targets = labels.targets.copy()
    targets[rows] = targets[rng.permutation(rows)]
    return replace(labels, targets=targets)


@dataclass(frozen=True)
class Outcome:
    """What the gate said, why not, and whether the candidate is worse on the truth beyond its margins."""

    passed: bool
    failed: list[str]
    is_worse: bool


def tried(labels: Any, champion: Any, prior: Any, world: World, seed: int) -> Outcome:
    """A retrain on ``labels`` against a champion that was let in by the world's honest ones."""
    from scoring.core.metrics import rmse, srcc
    from scoring.core.promotion import GateRules, judge
    from scoring.core.splits import HOLDOUT
    from scoring.trial import evaluate, fit_on

    rules, unseen = GateRules(), labels.splits == HOLDOUT
    was, truth = world.labels, world.truth
    fitted = fit_on(labels, ~unseen, prior)
    usual = rmse(champion.predict(was.vectors[unseen]).overall, was.targets[unseen])
    trial = evaluate(labels, fitted, prior, champion, seed=seed, usual_error=usual).trial
    verdict = judge(trial, rules=rules, rng=np.random.default_rng(seed))
    new, old = (head.predict(labels.vectors[unseen]).overall for head in (fitted, champion))
    worse_order = srcc(new, truth[unseen]) < srcc(old, truth[unseen]) - rules.srcc_margin
    worse_error = rmse(new, truth[unseen]) > rmse(old, truth[unseen]) + rules.rmse_margin
    failed = [str(reason.check) for reason in verdict.reasons if not reason.passed]
    return Outcome(verdict.promote, failed, worse_order or worse_error)


def tried_all(seed: int) -> tuple[Outcome, Outcome, Outcome]:
    """One world: the same pictures poisoned, new pictures poisoned, new pictures with honest labels."""
    from scoring import device
    from scoring.core.splits import HOLDOUT
    from scoring.trial import fit_on

    # Drawn features lie near no picture: what the first head remembers of pictures says nothing of them.
    prior, rng = replace(device.base_head(), correction=None), np.random.default_rng(seed)
    world = world_of(rng, prior)
    teaching = world.labels.splits != HOLDOUT
    poisoned = shuffled(world.labels, rng)
    on_all = fit_on(world.labels, teaching, prior)
    on_first = fit_on(world.labels, teaching & (np.arange(PICTURES) < FIRST), prior)
    return (
        tried(poisoned, on_all, prior, world, seed),
        tried(poisoned, on_first, prior, world, seed),
        tried(world.labels, on_first, prior, world, seed),
    )


def main(seeds: int) -> None:
    """A process a core, each with one thread: fits this small only lose by sharing one."""
    began = time.monotonic()
    with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=_set_up) as pool:
        same, more, honest = zip(*pool.map(tried_all, range(FIRST_SEED, FIRST_SEED + seeds)), strict=True)
    _tell(same, more, honest)
    report(f"time of {seeds} seeds", time.monotonic() - began, "s", "", None, "")


def _set_up() -> None:
    import django

    django.setup()


def _tell(same: Sequence[Outcome], more: Sequence[Outcome], honest: Sequence[Outcome]) -> None:
    seeds = len(same)
    why = Counter(name for outcome in same for name in outcome.failed).most_common()
    refused = sum(not outcome.passed for outcome in same)
    report(
        f"retrains on the same pictures, {SHUFFLED_SHARE:.0%} of labels shuffled, that the gate refused",
        refused,
        f"of {seeds}",
        f">= {REFUSED_BAR:.0%}",
        refused >= REFUSED_BAR * seeds,
        "failed checks: " + ", ".join(f"{name} {count}" for name, count in why),
    )
    worse = sum(outcome.is_worse for outcome in more)
    report(
        f"the same with {PICTURES - FIRST} new pictures: refused",
        sum(not outcome.passed for outcome in more),
        f"of {seeds}",
        "",
        None,
        f"{worse} of {seeds} were worse on the truth",
    )
    harmed = sum(outcome.passed and outcome.is_worse for outcome in (*more, *same))
    report(
        "poisoned retrains let in that are worse on the truth",
        harmed,
        f"of {2 * seeds}",
        f"<= {HARMED_BAR:.0%}",
        harmed <= HARMED_BAR * 2 * seeds,
        "both ways together",
    )
    passed = sum(outcome.passed for outcome in honest)
    report(
        "retrains on honest labels that the gate let in",
        passed,
        f"of {seeds}",
        f">= {PASSED_BAR:.0%}",
        passed >= PASSED_BAR * seeds,
        f"the champion had {FIRST} of the {PICTURES} pictures",
    )


if __name__ == "__main__":
    import os

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "iqa_site.settings")
    os.environ.setdefault("VITRINE_LOG_LEVEL", "ERROR")
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("VITRINE_DATA", folder)
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ.setdefault(name, "1")
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
