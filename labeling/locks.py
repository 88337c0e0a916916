"""Every row lock of the people's room. The item comes first, always: whoever changes its votes, slots,
flags or decisions holds it. Call inside a transaction; several items are taken in order of pk.

The one exception is the lease statement (queue.py), which takes free slots with SKIP LOCKED and waits
for nobody; writes to a slot are therefore conditional UPDATEs.
"""

from __future__ import annotations

from collections.abc import Iterable

from labeling.models import Item
from scoring.errors import NotThereError


def item_lock(item_id: int) -> Item:
    """One item with its project, the item locked."""
    item = Item.objects.select_for_update(of=("self",)).select_related("project").filter(pk=item_id).first()
    if item is None:
        raise NotThereError("There is no such item.")
    return item


def items_lock(item_ids: Iterable[int]) -> list[Item]:
    """Several items with their projects, locked in order of pk."""
    return list(
        Item.objects.select_for_update(of=("self",))
        .select_related("project")
        .filter(pk__in=list(item_ids))
        .order_by("pk")
    )
