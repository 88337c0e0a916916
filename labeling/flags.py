"""Flags: why an item needs a reviewer. Whoever raises or clears one holds the item's lock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils import timezone

from labeling.models import Flag


def flag_raise(*, item_id: int, reason: str, evidence: Mapping[str, Any]) -> Flag:
    """Raise a flag, or bring the evidence of the open one up to date."""
    flag, _made = Flag.objects.update_or_create(
        item_id=item_id, reason=reason, cleared_at=None, defaults={"evidence": dict(evidence)}
    )
    return flag


def flags_clear(*, item_id: int, but: Iterable[str] = ()) -> int:
    """Close the open flags of an item except those of the reasons in ``but``; returns how many."""
    gone = Flag.objects.filter(item_id=item_id, cleared_at=None).exclude(reason__in=list(but))
    return gone.update(cleared_at=timezone.now())


def flags_open(item_ids: Iterable[int]) -> dict[int, list[Flag]]:
    """Open flags by item id, oldest first, in one query."""
    found: dict[int, list[Flag]] = {}
    for flag in Flag.objects.filter(item_id__in=list(item_ids), cleared_at=None).order_by("id"):
        found.setdefault(flag.item_id, []).append(flag)
    return found
