"""The catalogue: scored pictures, looked through by what they show and by how good they are.

Scores are those of the displayed model. Pages are turned by the place of their last picture, not by
number: the hundredth page costs what the first does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from django.db import models
from django.db.models import Count, F, FilteredRelation, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from labeling.models import Project
from scoring.core.types import GRADE_FLOORS, Grade
from scoring.models import Image, Product, Score
from scoring.score import displayed_scores

PAGE_SIZE = 48
BUCKETS = 20  # of five points each
MOST_CHOICES = 200
NOT_IN_QUEUE = "none"


class Sort(models.TextChoices):
    """Orders of the catalogue; each ends in the picture's number, so that none is ambiguous."""

    NEWEST = "newest", _("Newest first")
    BEST = "best", _("Best first")
    WORST = "worst", _("Worst first")
    UNSURE = "unsure", _("Least certain first")


# (column, whether it goes down)
ORDERS: dict[str, tuple[str, bool]] = {
    Sort.NEWEST: ("image_id", True),
    Sort.BEST: ("overall_score", True),
    Sort.WORST: ("overall_score", False),
    Sort.UNSURE: ("overall_std", True),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks for; scores 0-100, ``state`` an item's state or ``none``."""

    text: str = ""
    grade: str = ""
    low: float | None = None
    high: float | None = None
    defect: str = ""
    category: str = ""
    seller: str = ""
    state: str = ""
    sort: str = Sort.NEWEST

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return all(
            getattr(self, field.name) == field.default for field in fields(self) if field.name != "sort"
        )


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ends or begins: the sorted value and the picture's number."""

    value: float
    image_id: int

    @property
    def address(self) -> str:
        """The place as an address writes it."""
        return f"{self.value!r}~{self.image_id}"


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture of the wall."""

    image: Image
    score: Score
    worst: dict[str, Any] | None
    state: str | None


@dataclass(frozen=True, slots=True)
class CataloguePage:
    """Tiles in order, and the places to turn to: None where there is nothing."""

    tiles: list[Tile]
    previous: Place | None
    following: Place | None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many pictures, and how many in each twentieth of the scale from 0 to 100."""

    total: int
    histogram: list[int]


@dataclass(frozen=True, slots=True)
class Choices:
    """What can be picked from: at most two hundred of each."""

    categories: list[str]
    sellers: list[str]


def catalogue_rows(*, project: Project, wanted: Wanted) -> QuerySet[Score]:
    """Displayed scores of the wanted pictures, each with ``item_state`` in the project."""
    rows = displayed_scores().alias(
        item=FilteredRelation("image__items", condition=Q(image__items__project=project))
    )
    for condition in _conditions(wanted):
        rows = rows.filter(condition)
    return rows


def _conditions(wanted: Wanted) -> Iterator[Q]:
    if wanted.text:
        yield (
            Q(image__product__title__icontains=wanted.text)
            | Q(image__product__external_id__icontains=wanted.text)
            | Q(image__name__icontains=wanted.text)
        )
    if wanted.grade:
        yield grade_range(Grade(wanted.grade))
    if wanted.low is not None:
        yield Q(overall_score__gte=wanted.low)
    if wanted.high is not None:
        yield Q(overall_score__lte=wanted.high)
    if wanted.defect:
        yield Q(accused__contains=[wanted.defect])
    if wanted.category:
        yield Q(image__product__category=wanted.category)
    if wanted.seller:
        yield Q(image__product__seller=wanted.seller)
    if wanted.state:
        yield Q(item__isnull=True) if wanted.state == NOT_IN_QUEUE else Q(item__state=wanted.state)


def grade_range(grade: Grade) -> Q:
    """Scores that carry a grade."""
    floors = [*((grade, floor) for floor, grade in GRADE_FLOORS), (Grade.BAD, 0.0)]
    at = [name for name, _floor in floors].index(grade)
    found = Q(overall_score__gte=floors[at][1])
    return found & Q(overall_score__lt=floors[at - 1][1]) if at else found


def catalogue_page(
    *, project: Project, wanted: Wanted, after: Place | None = None, before: Place | None = None
) -> CataloguePage:
    """The page behind ``after``, or the one in front of ``before``, or the first. One query."""
    backwards = before is not None and after is None
    place = before if backwards else after
    column, goes_down = ORDERS[wanted.sort]
    rows = catalogue_rows(project=project, wanted=wanted)
    if place is not None:
        rows = rows.filter(_beyond(column, place, goes_down=goes_down != backwards))
    rows = rows.annotate(item_state=F("item__state")).select_related("image__product")
    found = list(rows.order_by(*_order(column, goes_down=goes_down != backwards))[: PAGE_SIZE + 1])
    more, found = len(found) > PAGE_SIZE, found[:PAGE_SIZE]
    if backwards:
        found.reverse()
    has_previous = more if backwards else place is not None
    has_following = True if backwards else more
    return CataloguePage(
        tiles=[_tile(score) for score in found],
        previous=_place(found[0], column) if found and has_previous else None,
        following=_place(found[-1], column) if found and has_following else None,
    )


def _order(column: str, *, goes_down: bool) -> list[str]:
    names = dict.fromkeys([column, "image_id"])
    return [f"-{name}" if goes_down else name for name in names]


def _beyond(column: str, place: Place, *, goes_down: bool) -> Q:
    side = "lt" if goes_down else "gt"
    if column == "image_id":
        return Q(**{f"image_id__{side}": place.image_id})
    tie = Q(**{column: place.value, f"image_id__{side}": place.image_id})
    # The first condition says nothing new, but an index can start from it.
    return Q(**{f"{column}__{side}e": place.value}) & (Q(**{f"{column}__{side}": place.value}) | tie)


def _place(score: Score, column: str) -> Place:
    return Place(value=float(getattr(score, column)), image_id=score.image_id)


def _tile(score: Score) -> Tile:
    accused = [finding for finding in score.findings if finding["defect"] in score.accused]
    worst = max(accused, key=lambda finding: float(finding["probability"]), default=None)
    state: str | None = getattr(score, "item_state", None)
    return Tile(image=score.image, score=score, worst=worst, state=state)


def catalogue_counts(*, project: Project, wanted: Wanted) -> Counts:
    """Total and histogram of the wanted pictures. One query."""
    bucket = models.Func(F("overall_score"), 0.0, 100.0, BUCKETS, function="width_bucket")
    rows = catalogue_rows(project=project, wanted=wanted).annotate(
        bucket=models.ExpressionWrapper(bucket, output_field=models.IntegerField())
    )
    histogram = [0] * BUCKETS
    for number, count in rows.order_by().values_list("bucket").annotate(count=Count("id")):
        histogram[min(number, BUCKETS) - 1] += count  # a score of 100 opens a bucket of its own
    return Counts(total=sum(histogram), histogram=histogram)


def unscored_count() -> int:
    """Visible pictures that the displayed model has not scored yet."""
    scored = displayed_scores().filter(image_id=models.OuterRef("pk"))
    return Image.objects.filter(is_hidden=False).exclude(models.Exists(scored)).count()


def catalogue_choices() -> Choices:
    """Categories and sellers there are. Two queries."""
    return Choices(categories=_names("category"), sellers=_names("seller"))


def _names(column: str) -> list[str]:
    named = Product.objects.exclude(**{column: ""}).order_by(column)
    return list(named.values_list(column, flat=True).distinct()[:MOST_CHOICES])
