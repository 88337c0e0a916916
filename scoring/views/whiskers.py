"""Champion and challenger drawn on one axis: a point with its interval for each, per metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from scoring.duel import Duel
from scoring.templatetags.charts import Tick, nice_ticks
from scoring.templatetags.vitrine import number

LEFT, RIGHT = 12.0, 308.0
FIRST_ROW, ROW_STEP = 18.0, 30.0

# metric: (name, what it says, which way is better, decimals)
METRICS: Mapping[str, tuple[str, Promise, Promise, int]] = {
    "srcc": ("SRCC", gettext_lazy("agreement with people's order"), gettext_lazy("higher is better"), 3),
    "plcc": ("PLCC", gettext_lazy("agreement with people's scores"), gettext_lazy("higher is better"), 3),
    "rmse": ("RMSE", gettext_lazy("typical error in points of 100"), gettext_lazy("lower is better"), 2),
}


@dataclass(frozen=True, slots=True)
class Whisker:
    """One model's figure: where its point and the ends of its interval stand, and what they say."""

    name: str
    x: float
    low_x: float
    high_x: float
    y: float
    value: str
    interval: str
    number: int


@dataclass(frozen=True, slots=True)
class Panel:
    """One metric with a whisker per model on a common axis."""

    name: str
    meaning: Promise
    better: Promise
    whiskers: list[Whisker]
    ticks: list[Tick]
    text: str


def panels_of(duel: Duel) -> list[Panel]:
    """A panel for each metric that the trial measured."""
    against = duel.against.name if duel.against else _("the champion then")
    named = [(duel.tested.name, "candidate"), (against, "champion")]
    measured = [(name, duel.metrics[who]) for name, who in named if who in duel.metrics]
    found = []
    for metric in METRICS:
        figures = [(name, figures_of[metric]) for name, figures_of in measured if metric in figures_of]
        if figures:
            found.append(_panel(metric, figures))
    return found


def _panel(metric: str, figures: Sequence[tuple[str, Mapping[str, float]]]) -> Panel:
    name, meaning, better, decimals = METRICS[metric]
    values = [figure[key] for _name, figure in figures for key in ("value", "low", "high")]
    marks = nice_ticks(min(values), max(values))

    def at(value: float) -> float:
        return LEFT + (value - marks[0]) / (marks[-1] - marks[0]) * (RIGHT - LEFT)

    whiskers = [
        Whisker(
            name=who,
            x=at(figure["value"]),
            low_x=at(figure["low"]),
            high_x=at(figure["high"]),
            y=FIRST_ROW + row * ROW_STEP,
            value=number(figure["value"], decimals),
            interval=_("{low} to {high}").format(
                low=number(figure["low"], decimals), high=number(figure["high"], decimals)
            ),
            number=row + 1,
        )
        for row, (who, figure) in enumerate(figures)
    ]
    text = "; ".join(f"{one.name} {one.value} ({one.interval})" for one in whiskers)
    ticks = [Tick(at(mark), f"{mark:g}") for mark in marks]
    return Panel(name, meaning, better, whiskers, ticks, f"{name}: {text}")
