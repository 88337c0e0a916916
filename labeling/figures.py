"""What votes and probes say of each person, every figure with its interval: for the People page.

Four queries for the whole project. A figure that rests on too little is None, never a guess.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from django.db import connection
from django.db.models import Count, F, Q

from labeling.core.rates import Figure, mean_from, noise_of, wilson
from labeling.models import Panel, Probe, Project, RaterProfile
from labeling.people import FEWEST_SHARED, LONGEST_VOTE_MS
from labeling.probes import live_answers
from scoring.core.intervals import Z

HOUR_MS = 3_600_000.0

COUNTS = """
WITH live AS (
  SELECT v.item_id, v.rater_id, v.rating, v.is_accepted, v.is_planted, LEAST(v.duration_ms, %(longest)s) AS ms
  FROM labeling_annotation v JOIN labeling_item t ON t.id = v.item_id
  WHERE t.project_id = %(project)s AND NOT v.is_withdrawn
    AND NOT EXISTS (SELECT 1 FROM labeling_annotation later WHERE later.supersedes_id = v.id)
), beside AS (
  SELECT *, count(*) OVER same - 1 AS others, sum(rating) OVER same - rating AS sum_of_others
  FROM live WINDOW same AS (PARTITION BY item_id)
), against AS (
  SELECT *, rating - sum_of_others::float8 / nullif(others, 0) AS gap FROM beside
)
SELECT rater_id, count(*),
       count(*) FILTER (WHERE ms > 0), avg(ms) FILTER (WHERE ms > 0), stddev_samp(ms) FILTER (WHERE ms > 0),
       count(gap), count(*) FILTER (WHERE abs(gap) <= 1), avg(gap), stddev_samp(gap),
       count(*) FILTER (WHERE is_planted), count(*) FILTER (WHERE is_planted AND is_accepted)
FROM against GROUP BY rater_id
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """One person's figures.

    ``pace`` votes an hour; ``bias`` in grades, above 0 is generous; ``noise`` in grades, how far one answer
    scatters when the same picture comes again; shares 0-1: ``gold`` right, ``planted`` wrong scores accepted,
    ``agreement`` within one grade of the others.
    """

    votes: int = 0
    pace: Figure | None = None
    bias: Figure | None = None
    noise: Figure | None = None
    gold: Figure | None = None
    planted: Figure | None = None
    agreement: Figure | None = None


@dataclass(frozen=True, slots=True)
class PanelFigures:
    """Figures by user id, and what the last solve says of all together, None before the first."""

    of: dict[int, Figures] = field(default_factory=dict)
    panel: Panel | None = None


def figures_of(*, project: Project) -> PanelFigures:
    """Everybody who ever answered something in the project."""
    counts = {int(row[0]): row[1:] for row in _counts(project)}
    noise, gold = _noise(project), _gold(project)
    profiles = {row.user_id: row for row in RaterProfile.objects.filter(project=project)}
    panel = Panel.objects.filter(project=project).first()
    people = counts.keys() | noise.keys() | gold.keys()
    return PanelFigures(
        of={pk: _figures(counts.get(pk), profiles.get(pk), noise.get(pk), gold.get(pk)) for pk in people},
        panel=panel,
    )


def _counts(project: Project) -> list[tuple[float, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(COUNTS, {"project": project.pk, "longest": LONGEST_VOTE_MS})
        return list(cursor.fetchall())


def _figures(
    counts: tuple[float, ...] | None,
    profile: RaterProfile | None,
    noise: Figure | None,
    gold: Figure | None,
) -> Figures:
    if counts is None:
        return Figures(noise=noise, gold=gold)
    votes, timed, mean_ms, std_ms, shared, near, gap, gap_std, planted, accepted = counts
    return Figures(
        votes=int(votes),
        pace=_pace(mean_ms, std_ms, int(timed)),
        bias=_bias(profile, gap, gap_std, int(shared)),
        noise=noise,
        gold=gold,
        planted=wilson(int(accepted), int(planted)),
        agreement=wilson(int(near), int(shared)) if shared >= FEWEST_SHARED else None,
    )


def _pace(mean_ms: float, std_ms: float, count: int) -> Figure | None:
    """Votes an hour from the time a vote takes; a slow end that is not above nought is cut at a tenth."""
    took = mean_from(float(mean_ms), float(std_ms), count) if count >= 2 else None
    if took is None:
        return None
    fastest = max(took.low, took.value / 10.0)
    return Figure(HOUR_MS / took.value, HOUR_MS / took.high, HOUR_MS / fastest, count)


def _bias(profile: RaterProfile | None, gap: float, gap_std: float, shared: int) -> Figure | None:
    """What the last solve says, else the plain gap to the others on the same pictures."""
    if profile is not None:
        half = Z * profile.bias_std
        return Figure(profile.bias, profile.bias - half, profile.bias + half, profile.vote_count)
    return mean_from(float(gap), float(gap_std), shared) if shared >= FEWEST_SHARED else None


def _noise(project: Project) -> dict[int, Figure | None]:
    """From the same person's two answers to the same picture."""
    again = live_answers().filter(probe__project=project, probe__kind=Probe.Kind.REPEAT)
    gaps: dict[int, list[float]] = defaultdict(list)
    for user_id, gap in again.values_list("rater_id", F("rating") - F("probe__repeats__rating")):
        if gap is not None:
            gaps[user_id].append(float(gap))
    return {user_id: noise_of(mine) for user_id, mine in gaps.items()}


def _gold(project: Project) -> dict[int, Figure | None]:
    """Right answers to questions that are still asked: a bad question is held against nobody."""
    asked = live_answers().filter(
        probe__project=project, probe__kind=Probe.Kind.GOLD, probe__gold__retired_at=None
    )
    counted = (
        asked.order_by()
        .values_list("rater_id")
        .annotate(count=Count("id"), right=Count("id", filter=Q(is_right=True)))
    )
    return {user_id: wilson(right, count) for user_id, count, right in counted}
