"""Station 5, consensus, its third part: what comparisons add to the ratings.

Settling one item reads its own newest comparisons and the votes on its opponents, a bounded number of rows.
The solve by the clock fits all comparisons of a project at once, and from them how sharply people see
differences. An opponent counts by its ratings alone, so that nothing comes back to where it started.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from django.db.models import Q

from labeling.compare import live_comparisons
from labeling.core.consensus import HIGHEST, LOWEST, Label, Prior, Solution, interval_of
from labeling.core.pairwise import (
    CANNOT_SAY,
    LEFT,
    RIGHT,
    Belief,
    Choices,
    Scale,
    fuse,
    scale_of,
    usual_gain_of,
)
from labeling.models import Comparison, Project

Codes = npt.NDArray[np.int64]
Array = npt.NDArray[np.float64]
Row = tuple[int, int, int, int]  # left, right, answer, rater

MOST_OF_AN_ITEM = 40
MOST_OF_A_PROJECT = 20_000
MOST_ITEMS = 1200  # compared in one fit: the work grows with the third power
FEWEST_FOR_A_SCALE = 30
ANSWERS = {
    Comparison.Answer.LEFT: LEFT,
    Comparison.Answer.RIGHT: RIGHT,
    Comparison.Answer.CANNOT_SAY: CANNOT_SAY,
}


@dataclass(frozen=True, slots=True)
class Fused:
    """What comparisons make of a project's labels.

    ``belief`` of ``item_ids`` in grades; ``gains`` by user id; ``left_out`` are items compared before those
    that were fitted: their labels stay as they are.
    """

    item_ids: list[int]
    belief: Belief
    scale: Scale
    gains: Mapping[int, float]
    left_out: frozenset[int]
    last_id: int


def comparisons_of(item_id: int) -> list[Row]:
    """The newest comparisons of an item that count."""
    rows = live_comparisons().filter(Q(left_id=item_id) | Q(right_id=item_id)).order_by("-id")
    return _rows(list(rows.values_list("left_id", "right_id", "answer", "rater_id")[:MOST_OF_AN_ITEM]))


def opponents_of(rows: Sequence[Row], item_id: int) -> set[int]:
    """Whom the item was compared with."""
    return {item for row in rows for item in row[:2]} - {item_id}


def label_fuse(
    item_id: int,
    labels: Mapping[int, Label],
    rows: Sequence[Row],
    *,
    prior: Prior,
    scale: Scale,
    gains: Mapping[int, float],
) -> Label:
    """The label of one item from its ratings and comparisons; ``labels`` are the ratings' alone, by item."""
    item_ids = sorted({item for row in rows for item in row[:2]})
    rated = _rated(item_ids, {pk: (label.mos, label.std_error) for pk, label in labels.items()}, prior)
    belief = fuse(rated, _choices(rows, item_ids, gains), scale=scale, prior=prior)
    place = item_ids.index(item_id)
    return interval_of(float(belief.mean[place]), float(np.sqrt(belief.var[place] + prior.shift_std**2)))


def project_fuse(
    project: Project, item_ids: npt.NDArray[np.int64], rater_ids: npt.NDArray[np.int64], solution: Solution
) -> Fused | None:
    """All comparisons of a project on top of its solved ratings; None where nobody has compared."""
    rows = live_comparisons().filter(project=project).order_by("-id")
    table = list(rows.values_list("left_id", "right_id", "answer", "rater_id", "pk")[:MOST_OF_A_PROJECT])
    if not table:
        return None
    kept, compared, left_out = _newest(_rows([row[:4] for row in table]))
    prior = solution.prior
    known = dict(
        zip(
            item_ids.tolist(),
            zip(solution.mos.tolist(), solution.std_error.tolist(), strict=True),
            strict=True,
        )
    )
    rated = _rated(compared, known, prior)
    people = sorted({row[3] for row in kept})
    usual = dict(zip(rater_ids.tolist(), _usual_gains(solution).tolist(), strict=True))
    gains = {person: usual.get(person, 1.0) for person in people}
    scale = Scale()
    if len(kept) >= FEWEST_FOR_A_SCALE:
        raters = np.searchsorted(people, [row[3] for row in kept])
        told = np.array([gains[person] for person in people])
        scale, fitted = scale_of(rated, _choices(kept, compared, gains), raters, told, prior=prior)
        gains = dict(zip(people, fitted.tolist(), strict=True))
    choices = _choices(kept, compared, gains)
    belief = fuse(rated, choices, scale=scale, prior=prior)
    mean = np.clip(belief.mean, LOWEST, HIGHEST)
    return Fused(
        item_ids=compared,
        belief=Belief(mean, belief.var + prior.shift_std**2),
        scale=scale,
        gains=gains,
        left_out=left_out,
        last_id=table[0][4],
    )


def _newest(rows: Sequence[Row]) -> tuple[list[Row], list[int], frozenset[int]]:
    """Comparisons of the items compared last, as many as one fit takes; those items; the other items."""
    chosen: set[int] = set()
    others: set[int] = set()
    kept = []
    for row in rows:
        new = set(row[:2]) - chosen
        if len(chosen) + len(new) > MOST_ITEMS:
            others |= new
            continue
        chosen |= new
        kept.append(row)
    return kept, sorted(chosen), frozenset(others - chosen)


def _rows(found: Sequence[tuple[int, int, str, int]]) -> list[Row]:
    return [(left, right, ANSWERS[Comparison.Answer(answer)], rater) for left, right, answer, rater in found]


def _choices(rows: Sequence[Row], item_ids: Sequence[int], gains: Mapping[int, float]) -> Choices:
    table = np.array(rows, dtype=np.int64)
    return Choices(
        left=np.searchsorted(item_ids, table[:, 0]),
        right=np.searchsorted(item_ids, table[:, 1]),
        answer=table[:, 2],
        gain=np.array([gains.get(row[3], 1.0) for row in rows]),
    )


def _rated(item_ids: Sequence[int], known: Mapping[int, tuple[float, float]], prior: Prior) -> Belief:
    """What the ratings say, without what all raters together may be off: that moves both of a pair alike."""
    nothing = (prior.mos, float("inf"))
    pairs = np.array([known.get(item, nothing) for item in item_ids], dtype=np.float64)
    return Belief(pairs[:, 0], np.maximum(pairs[:, 1] ** 2 - prior.shift_std**2, 1e-4))


def _usual_gains(solution: Solution) -> Array:
    return usual_gain_of(
        np.array([rater.gain for rater in solution.raters]),
        np.array([rater.noise_std for rater in solution.raters]),
        solution.prior.noise_std,
    )
