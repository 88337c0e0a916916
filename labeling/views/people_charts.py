"""The People page's charts: for each figure one axis, for each person a point with its interval.

Positions are shares 0-100 of the axis; the template draws a line and a dot, and writes the numbers beside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labeling.core.rates import Figure
from labeling.figures import Figures, PanelFigures
from labeling.models import Project
from labeling.people import Person
from scoring.templatetags.vitrine import number


@dataclass(frozen=True, slots=True)
class Kind:
    """How a figure is told: its name, what it says, the number's form and the axis it needs at least."""

    name: str
    words: Promise
    meaning: Promise
    low: float
    high: float
    decimals: int = 0
    factor: float = 1.0
    unit: str = ""
    is_signed: bool = False
    grows: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One person on the axis; positions as SVG writes them."""

    who: str
    said: str
    interval: str
    count: int
    x: str
    low: str
    high: str


@dataclass(frozen=True, slots=True)
class Chart:
    """One figure of everybody, and who is ``unknown`` in it. ``mark``: a line to hold the points against."""

    words: Promise
    meaning: Promise
    rows: list[Row]
    unknown: list[str]
    low: str
    high: str
    mark: str | None
    mark_words: str


KINDS = (
    Kind(
        "gold",
        gettext_lazy("Gold questions"),
        gettext_lazy("Share of right answers to pictures whose answer is known."),
        low=0.0,
        high=1.0,
        factor=100.0,
        unit=" %",
    ),
    Kind(
        "planted",
        gettext_lazy("Wrong scores taken"),
        gettext_lazy("Share of planted wrong predictions accepted as they were. The nearer to 0 the better."),
        low=0.0,
        high=1.0,
        factor=100.0,
        unit=" %",
    ),
    Kind(
        "noise",
        gettext_lazy("Consistency"),
        gettext_lazy("How far an answer scatters, in grades, when the same picture comes again much later."),
        low=0.0,
        high=1.5,
        decimals=2,
        grows=True,
    ),
    Kind(
        "bias",
        gettext_lazy("Bias"),
        gettext_lazy("Grades above (+) or below (−) the others. Steady bias does no harm."),
        low=-1.5,
        high=1.5,
        decimals=1,
        is_signed=True,
    ),
    Kind(
        "agreement",
        gettext_lazy("Agreement"),
        gettext_lazy("Share of votes within one grade of the others on the same picture."),
        low=0.0,
        high=1.0,
        factor=100.0,
        unit=" %",
    ),
    Kind(
        "pace",
        gettext_lazy("Pace"),
        gettext_lazy("Votes an hour while looking. Far above the others can mean too little looking."),
        low=0.0,
        high=400.0,
        grows=True,
    ),
)


def charts_of(*, people: Sequence[Person], told: PanelFigures, project: Project) -> list[Chart]:
    """A chart for each figure that is known of somebody."""
    charts = (_chart(kind, people, told, project) for kind in KINDS)
    return [chart for chart in charts if chart.rows]


def _chart(kind: Kind, people: Sequence[Person], told: PanelFigures, project: Project) -> Chart:
    found = [(person, _figure(kind, told.of.get(person.user.pk))) for person in people]
    high = kind.high
    if kind.grows:
        high = max([high, *(min(figure.high, 2 * figure.value) for _who, figure in found if figure)])

    def at(value: float) -> str:
        share = (value - kind.low) / (high - kind.low)
        return f"{100 * min(1.0, max(0.0, share)):.1f}"

    mark, mark_words = _mark(kind, project)
    return Chart(
        words=kind.words,
        meaning=kind.meaning,
        rows=[_row(kind, person.user.get_username(), figure, at) for person, figure in found if figure],
        unknown=[person.user.get_username() for person, figure in found if figure is None],
        low=_number(kind, kind.low) + kind.unit,
        high=_number(kind, high) + kind.unit,
        mark=None if mark is None else at(mark),
        mark_words=mark_words,
    )


def _figure(kind: Kind, figures: Figures | None) -> Figure | None:
    return getattr(figures, kind.name) if figures is not None else None


def _row(kind: Kind, who: str, figure: Figure, at: Callable[[float], str]) -> Row:
    interval = _("{low} to {high}").format(low=_number(kind, figure.low), high=_number(kind, figure.high))
    said = _number(kind, figure.value) + kind.unit
    return Row(who, said, interval, figure.count, at(figure.value), at(figure.low), at(figure.high))


def _mark(kind: Kind, project: Project) -> tuple[float | None, str]:
    if kind.name == "gold" and project.least_gold_accuracy > 0:
        share = f"{100 * project.least_gold_accuracy:.0f} %"
        return project.least_gold_accuracy, _("line: {share}, the project pauses below").format(share=share)
    return (0.0, _("line: like the others")) if kind.is_signed else (None, "")


def _number(kind: Kind, value: float) -> str:
    shown = round(value * kind.factor, kind.decimals) + 0.0  # no minus nought
    sign = "+" if kind.is_signed and shown > 0 else "−" if shown < 0 else ""
    return sign + number(abs(shown), kind.decimals)
