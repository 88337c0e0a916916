"""The part of the Models page that tells how a model in the shadow differs from the champion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from scoring.core.types import grade_of
from scoring.errors import BadInputError
from scoring.models import ModelVersion, Serving
from scoring.shadow import Comparison, Differing, shadow_comparison
from scoring.words import GRADE_WORDS

SIDE, LEFT, BELOW, ABOVE = 260.0, 36.0, 34.0, 8.0
MARKS = (0, 20, 40, 60, 80, 100)
MOST_DOTS = 600


@dataclass(frozen=True, slots=True)
class Line:
    """A picture the two differ on, in words."""

    differing: Differing
    shadow_grade: str
    champion_grade: str

    @property
    def ms(self) -> float:
        """Milliseconds the shadow took over it."""
        return 1000 * self.differing.seconds

    @property
    def points(self) -> float:
        """Shadow minus champion."""
        return self.differing.shadow_score - self.differing.champion_score


@dataclass(frozen=True, slots=True)
class Shadow:
    """The model in the shadow, and its comparison; None before any picture."""

    model: ModelVersion
    comparison: Comparison | None
    dots: list[tuple[float, float]]
    marks: list[tuple[float, float, int]]
    differing: list[Line]
    slowest: list[Line]
    moved: list[tuple[int, int]]
    shadow_ms: tuple[float, float]
    champion_ms: tuple[float, float]


def percent_of(text: str) -> float:
    """A share of 1 from a form's percent."""
    try:
        return float(text) / 100.0
    except ValueError as error:
        words = _("Give a share above 0 and up to 100 percent.")
        raise BadInputError(words, code="bad_share") from error


def shadow_of(row: Serving) -> Shadow | None:
    """What the page shows of the shadow; None where none runs."""
    model = row.shadow
    if model is None:
        return None
    comparison = shadow_comparison(model=model, champion=row.champion)
    return Shadow(
        model=model,
        comparison=comparison,
        dots=dots_of(comparison.pairs[:MOST_DOTS]) if comparison else [],
        marks=[(_x(mark), _y(mark), mark) for mark in MARKS],
        differing=_lines(comparison.differing) if comparison else [],
        slowest=_lines(comparison.slowest[:3]) if comparison else [],
        moved=sorted(comparison.compared.moved.items()) if comparison else [],
        shadow_ms=_ms(comparison.compared.shadow_s) if comparison else (0.0, 0.0),
        champion_ms=_ms(comparison.compared.champion_s) if comparison else (0.0, 0.0),
    )


def dots_of(pairs: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Where each picture stands on the plot: champion across, shadow up."""
    return [(_x(champion), _y(shadow)) for champion, shadow in pairs]


def _x(score: float) -> float:
    return LEFT + score / 100 * SIDE


def _y(score: float) -> float:
    return ABOVE + (1 - score / 100) * SIDE


def _lines(differing: Sequence[Differing]) -> list[Line]:
    return [
        Line(
            each,
            str(GRADE_WORDS[grade_of(each.shadow_score)]),
            str(GRADE_WORDS[grade_of(each.champion_score)]),
        )
        for each in differing
    ]


def _ms(seconds: tuple[float, float]) -> tuple[float, float]:
    return 1000 * seconds[0], 1000 * seconds[1]
