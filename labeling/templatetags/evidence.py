"""Drawings a reviewer decides by: votes, label and model on one line each, on the same scale."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django import template
from django.utils.translation import gettext as _

from labeling import words
from labeling.catalogue import BUCKETS
from labeling.comments import NAMED
from labeling.models import Annotation, Comment, Consensus, Flag
from scoring.core.types import ACR_HIGH, ACR_LOW, grade_of, vote_from_score
from scoring.models import Event, Score
from scoring.templatetags import charts
from scoring.words import measure_number

register = template.Library()

WIDTH, RIGHT = 320.0, 12.0
FIRST_ROW, ROW = 20.0, 30.0
DOT_STEP = 11.0  # two equal votes stand beside each other


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis from ``low`` to ``high``, to the right of the ``left`` that names need."""

    low: float
    high: float
    left: float

    def at(self, value: float) -> float:
        """Where a value stands; what lies outside stands at the end."""
        share = (min(self.high, max(self.low, value)) - self.low) / (self.high - self.low)
        return self.left + share * (WIDTH - self.left - RIGHT)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the drawing: single points, or a point within an interval. Figures as SVG writes them."""

    name: str
    words: str
    shape: str
    y: str
    dots: list[str]
    low: str = ""
    high: str = ""


VOTES = Scale(ACR_LOW, ACR_HIGH, left=56.0)
SCORES = Scale(0.0, 100.0, left=104.0)


@register.inclusion_tag("labeling/parts/lines.html")
def vote_lines(votes: Sequence[Annotation], label: Consensus | None, score: Score | None) -> dict[str, Any]:
    """Votes, label and model from 1 to 5, where each of them is known."""
    rows: list[Row] = []
    if votes:
        ratings = [int(vote.rating or 0) for vote in votes]
        rows.append(_dots(_("Votes"), ratings, len(rows)))
    if label is not None:
        rows.append(
            _interval(_("Label"), VOTES, label.ci_low, label.mos, label.ci_high, len(rows), "diamond")
        )
    if score is not None:
        low, middle, high = (
            vote_from_score(value) for value in (score.interval_low, score.overall_score, score.interval_high)
        )
        rows.append(_interval(_("Model"), VOTES, low, middle, high, len(rows), "square"))
    return _drawn(rows, VOTES, range(ACR_LOW, ACR_HIGH + 1), _("On the scale from 1 to 5"))


@register.inclusion_tag("labeling/parts/lines.html")
def score_lines(history: Sequence[Score]) -> dict[str, Any]:
    """What each model said of one picture, from 0 to 100, the newest last."""
    rows = [
        _interval(
            score.model.name[:14],
            SCORES,
            score.interval_low,
            score.overall_score,
            score.interval_high,
            number,
            "square",
        )
        for number, score in enumerate(history)
    ]
    return _drawn(rows, SCORES, range(0, 101, 20), _("Scores from 0 to 100 by model"))


def _dots(name: str, ratings: Sequence[int], number: int) -> Row:
    dots: list[str] = []
    for rating, count in sorted(Counter(ratings).items()):
        first = VOTES.at(rating) - (count - 1) / 2 * DOT_STEP
        dots += [f"{first + nth * DOT_STEP:.1f}" for nth in range(count)]
    return Row(name, ", ".join(map(str, sorted(ratings))), "circle", _height(number), dots)


def _interval(
    name: str, scale: Scale, low: float, middle: float, high: float, number: int, shape: str
) -> Row:
    digits = 1 if scale is VOTES else 0
    said = _("{middle} ({low} to {high})").format(
        middle=f"{middle:.{digits}f}", low=f"{low:.{digits}f}", high=f"{high:.{digits}f}"
    )
    at = [f"{scale.at(value):.1f}" for value in (low, middle, high)]
    return Row(name, said, shape, _height(number), [at[1]], at[0], at[2])


def _height(number: int) -> str:
    return f"{FIRST_ROW + number * ROW:.0f}"


def _drawn(rows: list[Row], scale: Scale, marks: Iterable[int], label: str) -> dict[str, Any]:
    bottom = FIRST_ROW + len(rows) * ROW - ROW / 2
    return {
        "rows": rows,
        "label": label,
        "said": "; ".join(f"{row.name} {row.words}" for row in rows),
        "marks": [charts.Tick(round(scale.at(mark), 1), str(mark)) for mark in marks],
        "width": f"{WIDTH:.0f}",
        "bottom": f"{bottom:.0f}",
        "words_at": f"{bottom + 16:.0f}",
        "height": f"{bottom + 22:.0f}",
    }


@register.inclusion_tag("labeling/parts/score_histogram.html", takes_context=True)
def score_histogram(context: dict[str, Any], counts: Sequence[int]) -> dict[str, Any]:
    """How many pictures lie in each twentieth of the scale, each column a link to just those."""
    heights = charts.shares([float(count) for count in counts], width=56)
    step = 100 // BUCKETS
    columns = [
        {
            "low": number * step,
            "high": (number + 1) * step,
            "count": count,
            "x": number * 20 + 1,
            "y": f"{60 - height:.1f}",
            "height": f"{height:.1f}",
            "grade": grade_of(number * step),
        }
        for number, (count, height) in enumerate(zip(counts, heights, strict=True))
    ]
    return {"columns": columns, "request": context["request"], "total": sum(counts)}


@register.filter
def evidence_words(flag: Flag) -> str:
    """Why an item is flagged, with numbers."""
    return words.evidence_words(flag)


@register.filter
def event_words(event: Event) -> str:
    """What somebody did."""
    return words.event_words(event)


@register.filter
def measure_value(measure: Any) -> str:
    """A measure's number with its unit."""
    return measure_number(measure.code, measure.value, measure.unit)


@register.filter
def get(mapping: dict[Any, Any], name: Any) -> Any:
    """The value of a key, None where it is missing."""
    return mapping.get(name)


@register.filter
def call_parts(comment: Comment) -> list[tuple[str, bool]]:
    """The text of a comment in parts, and whether each is the name of somebody it calls."""
    called = {mention.user.username.lower() for mention in comment.mentions.all()}
    parts: list[tuple[str, bool]] = []
    at = 0
    for found in NAMED.finditer(comment.text):
        name = found[1].rstrip(".-")
        if name.lower() not in called:
            continue
        end = found.start() + 1 + len(name)
        parts += [(comment.text[at : found.start()], False), (comment.text[found.start() : end], True)]
        at = end
    return [*parts, (comment.text[at:], False)]
