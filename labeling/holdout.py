"""Station 3, queue: the yardstick. Before anything is asked some pictures are drawn to judge models by.

They are never chosen by active learning, come to people blind and at a set pace among the rest, and collect
``holdout_votes`` votes each. Such an item is settled, and counts, from its first label on; its further votes
make that label surer. What is drawn keeps its side: products by their items, sellers by ``SellerSide``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from django.db import connection
from django.db.models import Avg, Count, F, Q

from labeling.core.holdout import Unit, draw_units, is_seller_whole, pictures_wanted
from labeling.locks import project_lock
from labeling.models import Item, Project, SellerSide

Side = SellerSide.Side

PRODUCT_SIDES = """
SELECT i.product_id, bool_or(t.is_holdout) FROM labeling_item t JOIN scoring_image i ON i.id = t.image_id
WHERE t.project_id = %(project)s AND i.product_id = ANY (%(products)s) GROUP BY 1
"""

CATALOGUE = """
SELECT p.seller, count(*) FROM scoring_image i JOIN scoring_product p ON p.id = i.product_id GROUP BY 1
"""

# Slots of items held back, up to what the project asks for by now: closed ones first, then new ones.
OPEN_SLOTS = """
WITH short AS (
  SELECT t.id, t.project_id, t.priority FROM labeling_item t
  JOIN labeling_project p ON p.id = t.project_id
  WHERE t.project_id = %(project)s AND t.is_holdout AND t.state IN ('open', 'settled')
    AND (SELECT count(*) FROM labeling_assignment a WHERE a.item_id = t.id) < p.holdout_votes
  ORDER BY t.id FOR NO KEY UPDATE OF t SKIP LOCKED
)
INSERT INTO labeling_assignment (item_id, project_id, slot, state, priority, is_blind)
SELECT s.id, s.project_id, n, 'free', s.priority, true
FROM short s CROSS JOIN generate_series(1, %(votes)s) AS n
ON CONFLICT DO NOTHING
"""

SELLERS = """
SELECT count(*), count(*) FILTER (WHERE teaches) FROM (
  SELECT bool_or(NOT t.is_holdout) AS teaches FROM labeling_item t
  JOIN scoring_image i ON i.id = t.image_id JOIN scoring_product p ON p.id = i.product_id
  WHERE t.project_id = %(project)s AND p.seller <> '' GROUP BY p.seller HAVING bool_or(t.is_holdout)
) AS judged
"""


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A scored image that is not yet in the project."""

    image_id: int
    product_id: int
    seller: str
    overall_std: float
    overall_score: float = 50.0


@dataclass(frozen=True, slots=True)
class Yardstick:
    """The holdout of a project: pictures drawn, those with all their votes, mean votes of those begun."""

    drawn: int
    labelled: int
    complete: int
    votes: float
    wanted: int


def holdout_draw(*, project: Project, newcomers: Sequence[Newcomer]) -> list[bool]:
    """For each newcomer whether it judges the model instead of teaching it; call inside a transaction.

    One batch at a time per project: what is drawn here must be there when the next one looks.
    """
    project_lock(project)
    known = _product_sides(project, {n.product_id for n in newcomers})
    sellers = _seller_sides(project, {n.seller for n in newcomers if n.product_id not in known})
    keys = [_key(n, known, sellers) for n in newcomers]
    drawn = _draw(project, [key for key in keys if isinstance(key, str)], total=len(newcomers))
    _sellers_write(project, sellers, drawn)
    return [key in drawn if isinstance(key, str) else key for key in keys]


def _key(newcomer: Newcomer, known: Mapping[int, bool], sellers: Mapping[str, str]) -> str | bool:
    """The side where it is known, else the key of the unit to be drawn."""
    if newcomer.product_id in known:
        return known[newcomer.product_id]
    side = sellers[newcomer.seller]
    if side == Side.BY_PRODUCT:
        return f"product {newcomer.product_id}"
    return side == Side.HOLDOUT if side else f"seller {newcomer.seller}"


def _product_sides(project: Project, products: Iterable[int]) -> dict[int, bool]:
    with connection.cursor() as cursor:
        cursor.execute(PRODUCT_SIDES, {"project": project.pk, "products": list(products)})
        return dict(cursor.fetchall())


def _seller_sides(project: Project, names: set[str]) -> dict[str, str]:
    """Sides of these sellers; empty for those to be drawn now as one."""
    rows = SellerSide.objects.filter(project=project, seller__in=names)
    sides: dict[str, str] = dict(rows.values_list("seller", "side"))
    strangers = names - sides.keys()
    if not strangers:
        return sides
    with connection.cursor() as cursor:
        cursor.execute(CATALOGUE)
        pictures: dict[str, int] = dict(cursor.fetchall())
    named, total = sum(1 for name in pictures if name), sum(pictures.values())
    for name in strangers:
        share = pictures.get(name, 0) / max(1, total)
        sides[name] = "" if is_seller_whole(seller=name, sellers=named, share=share) else Side.BY_PRODUCT
    return sides


def _draw(project: Project, keys: Sequence[str], *, total: int) -> set[str]:
    items = Item.objects.filter(project=project)
    now = items.aggregate(pictures=Count("id"), held=Count("id", filter=Q(is_holdout=True)))
    wanted = pictures_wanted(
        share=project.holdout_share,
        most=project.holdout_size,
        pictures=now["pictures"] + total,
        held=now["held"],
    )
    units = [Unit(key, pictures) for key, pictures in sorted(Counter(keys).items())]
    return draw_units(units, wanted=wanted, rng=np.random.default_rng([project.pk, now["pictures"]]))


def _sellers_write(project: Project, sellers: Mapping[str, str], drawn: set[str]) -> None:
    """Keep what was drawn; sellers that stood there already stay."""
    SellerSide.objects.bulk_create(
        [
            SellerSide(project=project, seller=name, side=side or _drawn_side(name, drawn))
            for name, side in sorted(sellers.items())
        ],
        ignore_conflicts=True,
    )


def _drawn_side(seller: str, drawn: set[str]) -> str:
    return str(Side.HOLDOUT if f"seller {seller}" in drawn else Side.TEACHING)


def holdout_slots_open(*, project: Project) -> int:
    """More slots for pictures held back where the project asks for more votes by now; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(OPEN_SLOTS, {"project": project.pk, "votes": project.holdout_votes})
        return int(cursor.rowcount)


def yardstick_of(*, project: Project) -> Yardstick:
    """How far the holdout is, in one query."""
    wanted = max(project.overlap, project.holdout_votes)
    told = Item.objects.filter(project=project, is_holdout=True).aggregate(
        drawn=Count("id"),
        labelled=Count("id", filter=Q(consensus__isnull=False)),
        complete=Count("id", filter=Q(consensus__vote_count__gte=wanted)),
        votes=Avg(F("consensus__vote_count")),
    )
    return Yardstick(**told | {"votes": told["votes"] or 0.0}, wanted=wanted)


def sellers_judged(*, project: Project) -> tuple[int, int]:
    """Sellers with a name whose pictures judge the model, and how many of these teach it as well.

    While all of them do (there are fewer than ten, see ADR 6), figures say little of a seller yet to come.
    """
    with connection.cursor() as cursor:
        cursor.execute(SELLERS, {"project": project.pk})
        judged, both = cursor.fetchone()
    return int(judged), int(both)
