"""Station 3, queue: why a picture stands where it stands, as the order that put it there saw it.

Kept beside the order in the cache: written with it, gone with it, never worked out afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from django.core.cache import cache
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling.core.priority import BATCH_FLOOR, BEGUN
from labeling.fill import SPLIT_SEED
from labeling.models import Item, Project
from scoring.core.herding import Standing
from scoring.core.splits import TRAIN, teaching_split
from scoring.templatetags.vitrine import number

MOSTLY = 0.5  # share of what a picture stands for from which it is of its own category
NOTHING, HARDLY = 0.1, 0.5  # pictures like it, below which there is none, or hardly one


@dataclass(frozen=True, slots=True)
class Reasons:
    """Of the batch an order chose, by item: what each ``herded`` picture stood for, and those ``drawn``."""

    herded: Mapping[int, Standing] = field(default_factory=dict)
    drawn: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Asked:
    """An item and what its reason needs: ``std`` of its score in points, ``votes`` of those ``wanted``."""

    item: Item
    std: float | None
    votes: int
    wanted: int


def reasons_keep(*, project: Project, herded: Mapping[int, Standing], drawn: Iterable[int]) -> None:
    """Keep why the pictures of a batch were chosen, until the next order."""
    told = {"herded": [(pk, asdict(standing)) for pk, standing in herded.items()], "drawn": list(drawn)}
    cache.set(_key(project), told, timeout=None)


def reasons_kept(*, project: Project) -> Reasons:
    """What the last order kept; empty where the cache was."""
    told: dict[str, Any] = cache.get(_key(project)) or {"herded": [], "drawn": []}
    herded = {pk: Standing(**standing) for pk, standing in told["herded"]}
    return Reasons(herded, frozenset(told["drawn"]))


def _key(project: Project) -> str:
    return f"queue-order:{project.pk}:reasons"


def why(asked: Asked, project: Project, reasons: Reasons) -> str:
    """Why this picture is asked about now, in words."""
    item = asked.item
    if item.state == Item.State.SETTLED and not item.is_holdout:
        return _("has its label; one more vote here is worth more than one on a new picture")
    if item.priority >= BEGUN:
        return _("begun: {votes} of {wanted} votes are in").format(votes=asked.votes, wanted=asked.wanted)
    if item.is_holdout:
        return _("drawn at random, to judge the model by")
    if project.order == Project.Order.RANDOM:
        return _("drawn at random")
    if _calibrates(item):
        return _("drawn at random, to set the model's intervals by")
    if item.pk in reasons.drawn:
        return _("drawn at random, so that what the queue overlooks comes up too")
    if item.pk in reasons.herded:
        return herded_words(reasons.herded[item.pk], item.image.product.category)
    if item.priority > BATCH_FLOOR and project.order != Project.Order.UNCERTAINTY:
        return _("stands for many pictures nobody has asked about")
    if asked.std is None:
        return _("has no score yet")
    return _("unsure by ±{points} points").format(points=number(asked.std, 1))


def herded_words(standing: Standing, category: str) -> str:
    """How many others it stands for and of what kind, and what was asked of their like before it."""
    turn = _("its category's turn") if standing.is_turn else ""
    return "; ".join(part for part in (turn, _others(standing, category), _before(standing)) if part)


def _others(standing: Standing, category: str) -> str:
    if standing.others < HARDLY:
        return _("hardly another picture is like it")
    count = max(1, round(standing.others))
    words = ngettext("stands for about {n} other", "stands for about {n} others", count)
    others = words.format(n=number(count))
    if not category or count == 1:
        return others
    if standing.akin >= MOSTLY * standing.others:
        return _("{others}, most of them in {category}").format(others=others, category=category)
    return _("{others}, most of them outside {category}").format(others=others, category=category)


def _before(standing: Standing) -> str:
    if standing.asked < NOTHING:
        return _("nothing like it comes before it")
    if standing.asked < HARDLY:
        return _("hardly anything like it comes before it")
    count = max(1, round(standing.asked))
    words = ngettext("about {n} like it comes before it", "about {n} like it come before it", count)
    return words.format(n=number(count))


def _calibrates(item: Item) -> bool:
    """Whether the picture's label will set intervals instead of teaching, and so is not chosen."""
    product = item.image.product
    return teaching_split(f"{product.seller}/{product.external_id}", seed=SPLIT_SEED) != TRAIN
