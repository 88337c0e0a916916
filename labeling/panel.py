"""Station 5, consensus, its other half: what all votes of a project say of the people who gave them.

Run by the clock, not by the vote. Settling one item (consensus.py) reads the small tables this leaves
behind. The work grows with the votes since last time: a solve is due when they are a tenth more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from labeling.annotate import live_annotations
from labeling.core.agreement import Interval, alpha, alpha_interval, icc_interval
from labeling.core.consensus import Prior, Rater, Solution, interval_of, solve, unknown_rater
from labeling.core.pairwise import Scale
from labeling.core.raters import Eye, dawid_skene
from labeling.fusion import Fused, project_fuse
from labeling.locks import panel_lock
from labeling.models import Annotation, Comparison, Panel, Project, RaterProfile
from scoring.core.types import score_from_vote

MOST_VOTES = 200_000  # the newest; older ones have long been in everybody's profile
FEWEST_REPEATED = 30  # votes beyond the first of an item: fewer tell nothing of people
RESAMPLES = 200  # for intervals of agreement: two digits
AGAIN_SHARE, AGAIN_VOTES = 0.1, 20
AGAIN_AFTER = timedelta(hours=1)

# A label is brought up to date only where it still stands on the votes that were solved: same number, written
# before the solve began, nothing waiting to be settled, no reviewer's decision. ``kept``: compared too long
# ago to be in the fit.
RELABEL = """
UPDATE labeling_consensus AS c
SET mos = n.mos, mos_score = n.score, std_error = n.error, ci_low = n.low, ci_high = n.high,
    settled_at = now()
FROM unnest(%(items)s::bigint[], %(counts)s::int[], %(mos)s::float8[], %(scores)s::float8[],
            %(errors)s::float8[], %(lows)s::float8[], %(highs)s::float8[], %(kept)s::bool[])
  AS n (item_id, votes, mos, score, error, low, high, kept)
JOIN labeling_item t ON t.id = n.item_id
WHERE c.item_id = n.item_id AND c.vote_count = n.votes AND c.settled_at < %(began)s
  AND NOT n.kept AND NOT t.is_due AND t.state IN ('open', 'settled', 'flagged')
  AND (abs(c.mos - n.mos) > 0.01 OR abs(c.std_error - n.error) > 0.01)
"""


@dataclass(frozen=True, slots=True)
class People:
    """What is known of some voters of a project, by user id; who is missing is a stranger."""

    prior: Prior = field(default_factory=Prior)
    raters: Mapping[int, Rater] = field(default_factory=dict)
    eyes: Mapping[int, Eye] = field(default_factory=dict)
    defect_rate: float = 0.5
    scale: Scale = field(default_factory=Scale)
    pair_gains: Mapping[int, float] = field(default_factory=dict)

    def rater(self, user_id: int) -> Rater:
        return self.raters.get(user_id) or unknown_rater(self.prior)

    def eye(self, user_id: int) -> Eye:
        return self.eyes.get(user_id) or Eye()


@dataclass(frozen=True, slots=True)
class _Votes:
    """Votes that count, as codes: ``items`` and ``raters`` (V,) point into the id lists."""

    item_ids: npt.NDArray[np.int64]
    rater_ids: npt.NDArray[np.int64]
    items: npt.NDArray[np.int64]
    raters: npt.NDArray[np.int64]
    ratings: npt.NDArray[np.float64]
    last_id: int

    @property
    def repeated(self) -> int:
        return len(self.ratings) - len(self.item_ids)


def counted_annotations() -> QuerySet[Annotation]:
    """Votes a label is made of: those that count, but for an accepted score that was planted wrong."""
    return live_annotations().exclude(is_planted=True, is_accepted=True)


def people_known(*, project_id: int, user_ids: Iterable[int]) -> People:
    """What the last solve says of these people, in two queries."""
    panel = Panel.objects.filter(project_id=project_id).first()
    if panel is None:
        return People()
    rows = list(RaterProfile.objects.filter(project_id=project_id, user_id__in=set(user_ids)))
    return People(
        prior=Prior(panel.prior_mos, panel.prior_std, panel.noise_std, panel.bias_std, panel.shift_std),
        raters={
            row.user_id: Rater(row.bias, row.gain, row.noise_std, row.bias_std, row.vote_count)
            for row in rows
        },
        eyes={row.user_id: Eye(row.hit_rate, row.false_alarm_rate) for row in rows},
        defect_rate=panel.defect_rate,
        scale=Scale(panel.pair_step, panel.pair_tie),
        pair_gains={row.user_id: row.pair_gain for row in rows},
    )


def consensus_solve_due() -> int:
    """Solve every live project with enough new votes; returns how many labels moved."""
    projects = Project.objects.filter(is_archived=False).select_related("panel").order_by("pk")
    return sum(consensus_solve(project=project) for project in projects if _is_due(project))


def _is_due(project: Project) -> bool:
    panel: Panel | None = getattr(project, "panel", None)
    known = panel.vote_count if panel else 0
    votes = Annotation.objects.filter(item__project=project, pk__gt=panel.last_vote_id if panel else 0)
    compared = Comparison.objects.filter(project=project, pk__gt=panel.last_comparison_id if panel else 0)
    enough = max(AGAIN_VOTES, int(AGAIN_SHARE * known))
    if panel and timezone.now() - panel.solved_at > AGAIN_AFTER:
        enough = 1
    new = (each.values_list("pk", flat=True)[:enough] for each in (votes, compared))
    return sum(len(each) for each in new) >= enough


@transaction.atomic
def consensus_solve(*, project: Project) -> int:
    """Fit people and labels to all votes of a project; returns how many labels moved.

    Safe beside itself: whoever comes second does nothing.
    """
    panel = panel_lock(project)
    if panel is None:
        return 0
    began = timezone.now()
    votes = _votes(project)
    if votes is None:
        return 0
    panel.vote_count, panel.last_vote_id = len(votes.ratings), votes.last_id
    panel.last_comparison_id = _last_comparison(project)
    _agreement_write(panel, votes)
    if votes.repeated < FEWEST_REPEATED or len(votes.rater_ids) < 2:
        panel.save()
        return 0
    solution = solve(votes.items, votes.raters, votes.ratings)
    eyes, panel.defect_rate = _eyes(project)
    fused = project_fuse(project, votes.item_ids, votes.rater_ids, solution)
    _panel_write(panel, solution.prior, fused)
    _profiles_write(project, votes, solution, eyes, fused)
    return _relabel(votes, solution, fused, began)


def _agreement_write(panel: Panel, votes: _Votes) -> None:
    """How far people agree, with intervals once enough pictures were seen by two."""
    agreement = alpha(votes.items, votes.ratings)
    panel.agreement = None if np.isnan(agreement) else agreement
    found: dict[str, Interval] = {}
    if panel.agreement is not None and votes.repeated >= FEWEST_REPEATED:
        rng = np.random.default_rng(votes.last_id)  # the same votes give the same intervals
        single, mean = icc_interval(votes.items, votes.ratings, rng=rng, resamples=RESAMPLES)
        told = alpha_interval(votes.items, votes.ratings, rng=rng, resamples=RESAMPLES)
        found = {"agreement": told, "icc": single, "icc_mean": mean}
    for name in ("agreement", "icc", "icc_mean"):
        interval = found.get(name)
        if name != "agreement":
            setattr(panel, name, _number(interval.value if interval else None))
        setattr(panel, f"{name}_low", _number(interval.low if interval else None))
        setattr(panel, f"{name}_high", _number(interval.high if interval else None))


def _number(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else value


def _last_comparison(project: Project) -> int:
    newest = Comparison.objects.filter(project=project).order_by("-id").values_list("pk", flat=True)
    return next(iter(newest[:1]), 0)


def _votes(project: Project) -> _Votes | None:
    rows = counted_annotations().filter(item__project=project).order_by("-id")
    table = np.array(list(rows.values_list("item_id", "rater_id", "rating")[:MOST_VOTES]), dtype=np.int64)
    if not len(table):
        return None
    item_ids, items = np.unique(table[:, 0], return_inverse=True)
    rater_ids, raters = np.unique(table[:, 1], return_inverse=True)
    ratings = table[:, 2].astype(np.float64)
    newest = Annotation.objects.filter(item__project=project).order_by("-id").values_list("pk", flat=True)
    return _Votes(item_ids, rater_ids, items, raters, ratings, last_id=newest[0])


def _eyes(project: Project) -> tuple[dict[int, Eye], float]:
    """How well each person sees defects, all kinds together, and how often one they speak of is there."""
    rows = counted_annotations().filter(item__project=project).exclude(defects={}).order_by("-id")
    said = [
        (f"{item_id}/{defect}", rater_id, bool(there))
        for item_id, rater_id, defects in rows.values_list("item_id", "rater_id", "defects")[:MOST_VOTES]
        for defect, there in defects.items()
    ]
    if not said:
        return {}, 0.5
    names, raters, answers = (np.array(column) for column in zip(*said, strict=True))
    _names, tasks = np.unique(names, return_inverse=True)
    rater_ids, codes = np.unique(raters, return_inverse=True)
    if len(tasks) - len(_names) < FEWEST_REPEATED:
        return {}, 0.5
    skills = dawid_skene(tasks, codes, answers.astype(np.int64), classes=2)
    eyes = {
        int(user_id): Eye(hit_rate=float(table[1, 1]), false_alarm_rate=float(table[0, 1]))
        for user_id, table in zip(rater_ids, skills.confusion, strict=True)
    }
    return eyes, float(skills.prevalence[1])


def _panel_write(panel: Panel, prior: Prior, fused: Fused | None) -> None:
    if fused is not None:
        panel.pair_step, panel.pair_tie = fused.scale.step, fused.scale.tie
    panel.prior_mos, panel.prior_std = prior.mos, prior.std
    panel.noise_std, panel.bias_std, panel.shift_std = prior.noise_std, prior.bias_std, prior.shift_std
    panel.save()


def _profiles_write(
    project: Project, votes: _Votes, solution: Solution, eyes: Mapping[int, Eye], fused: Fused | None
) -> None:
    """A profile for everybody who voted, and for who only compared."""
    stranger = unknown_rater(solution.prior)
    gains = fused.gains if fused else {}
    raters = dict(zip(votes.rater_ids.tolist(), solution.raters, strict=True))
    fields = ("bias", "bias_std", "gain", "noise_std", "vote_count")
    rows = []
    for user_id in sorted({*raters, *gains}):
        rater, eye = raters.get(user_id, stranger), eyes.get(user_id, Eye())
        known: dict[str, Any] = {name: getattr(rater, name) for name in fields}
        known |= {"hit_rate": eye.hit_rate, "false_alarm_rate": eye.false_alarm_rate}
        known["pair_gain"] = gains.get(user_id, 1.0)
        weight = rater.information / stranger.information
        rows.append(RaterProfile(project=project, user_id=user_id, weight=weight, **known))
    RaterProfile.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["project", "user"],
        update_fields=[*fields, "weight", "hit_rate", "false_alarm_rate", "pair_gain"],
    )


def _relabel(votes: _Votes, solution: Solution, fused: Fused | None, began: datetime) -> int:
    mos, error = solution.mos.copy(), solution.std_error.copy()
    if fused is not None:
        _there, voted, compared = np.intersect1d(votes.item_ids, fused.item_ids, return_indices=True)
        mos[voted] = fused.belief.mean[compared]
        error[voted] = np.sqrt(fused.belief.var[compared])
    labels = [interval_of(*pair) for pair in zip(mos.tolist(), error.tolist(), strict=True)]
    kept = np.isin(votes.item_ids, list(fused.left_out) if fused else [])
    with connection.cursor() as cursor:
        cursor.execute(
            RELABEL,
            {
                "items": votes.item_ids.tolist(),
                "counts": np.bincount(votes.items).tolist(),
                "mos": [label.mos for label in labels],
                "scores": [score_from_vote(label.mos) for label in labels],
                "errors": [label.std_error for label in labels],
                "lows": [label.ci_low for label in labels],
                "highs": [label.ci_high for label in labels],
                "kept": kept.tolist(),
                "began": began,
            },
        )
        return int(cursor.rowcount)
