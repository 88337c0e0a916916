"""The Audit page's drawings: figures with their intervals on one axis each, promised against kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from scoring.audit import Fairness
from scoring.calibration import Calibration
from scoring.core.fairness import GroupFigures
from scoring.core.intervals import Interval
from scoring.templatetags.vitrine import number, percent, signed

AXIS_WIDTH = 120.0
BACKGROUND_WORDS: dict[str, Promise] = {
    "": gettext_lazy("not known"),
    "white": gettext_lazy("white"),
    "plain": gettext_lazy("plain, not white"),
    "busy": gettext_lazy("busy"),
}


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure with its interval on an axis of AXIS_WIDTH; ``mark`` is what it is held against."""

    x: float
    low_x: float
    high_x: float
    mark: float
    words: str
    interval: str


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table of groups; ``reject`` is None where people found no picture good."""

    words: str
    figures: GroupFigures
    error: Bar
    bias: Bar
    reject: Bar | None


def fairness_rows(fairness: Fairness) -> list[Row]:
    """All pictures first, then each group; one axis a column."""
    groups = [fairness.table.overall, *fairness.table.groups]
    names = [_("All pictures"), *(str(BACKGROUND_WORDS.get(one.group, one.group)) for one in groups[1:])]
    errors = bars([one.mean_absolute_error for one in groups], words=lambda value: number(value, 1))
    biases = bars([one.bias for one in groups], words=lambda value: signed(value, 1))
    rates = [one.false_reject_rate for one in groups]
    rejects = iter(bars([one for one in rates if one], words=percent, ends=(0.0, 1.0)))
    return [
        Row(name, group, error, bias, next(rejects) if rate else None)
        for name, group, error, bias, rate in zip(names, groups, errors, biases, rates, strict=True)
    ]


def bars(
    figures: Sequence[Interval],
    *,
    words: Callable[[float], str],
    mark: float = 0.0,
    ends: tuple[float, float] | None = None,
) -> list[Bar]:
    """Figures of one column on one axis that holds ``mark``, or from end to end."""
    low, high = ends or (
        min([mark, *(figure.low for figure in figures)]),
        max([mark, *(figure.high for figure in figures)]),
    )
    width = high - low or 1.0

    def at(value: float) -> float:
        return (value - low) / width * AXIS_WIDTH

    return [
        Bar(
            x=at(figure.value),
            low_x=at(figure.low),
            high_x=at(figure.high),
            mark=at(mark),
            words=words(figure.value),
            interval=_("{low} to {high}").format(low=words(figure.low), high=words(figure.high)),
        )
        for figure in figures
    ]


def calibration_charts(found: Calibration) -> dict[str, Any]:
    """Lines for the two plots, and each category's share of intervals kept."""
    promised = [100 * one.promised for one in found.levels]
    kept = [one.kept for one in found.levels]
    ends = [found.bins[0].predicted, found.bins[-1].predicted]
    groups = bars([one.kept for one in found.groups], words=percent, mark=0.9, ends=(0.0, 1.0))
    return {
        "kept_lines": [
            _line(_("kept"), promised, kept, scale=100),
            {"name": _("as promised"), "points": [(value, value) for value in (promised[0], promised[-1])]},
        ],
        "score_lines": [
            _line(_("people's mean"), [one.predicted for one in found.bins], [o.people for o in found.bins]),
            {"name": _("the same as predicted"), "points": [(value, value) for value in ends]},
        ],
        "kept_groups": list(zip(found.groups, groups, strict=True)),
    }


def _line(name: str, xs: Sequence[float], figures: Sequence[Interval], *, scale: float = 1) -> dict[str, Any]:
    return {
        "name": name,
        "points": [(x, scale * figure.value) for x, figure in zip(xs, figures, strict=True)],
        "low": [scale * figure.low for figure in figures],
        "high": [scale * figure.high for figure in figures],
    }
