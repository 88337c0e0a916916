"""Flags: why an item needs a reviewer. Whoever raises or clears one holds the item's lock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.utils import timezone

from labeling.core.flags import Verdict
from labeling.models import Flag


def flag_raise(*, item_id: int, reason: str, evidence: Mapping[str, Any]) -> Flag:
    """Raise a flag, or bring the evidence of the open one up to date."""
    flag, _made = Flag.objects.update_or_create(
        item_id=item_id, reason=reason, cleared_at=None, defaults={"evidence": dict(evidence)}
    )
    return flag


def flags_write(*, item_id: int, verdicts: Sequence[Verdict]) -> None:
    """Make the open flags of an item those of ``verdicts``; only what changed is written."""
    known = {flag.reason: flag for flag in Flag.objects.filter(item_id=item_id, cleared_at=None)}
    for verdict in verdicts:
        flag = known.pop(verdict.reason, None)
        if flag is None or flag.evidence != dict(verdict.evidence):
            flag_raise(item_id=item_id, reason=verdict.reason, evidence=verdict.evidence)
    if known:
        flags_clear(item_id=item_id, reasons=known)


def flags_clear(*, item_id: int, reasons: Iterable[str] | None = None) -> int:
    """Close the open flags of an item, all or those of ``reasons``; returns how many."""
    flags = Flag.objects.filter(item_id=item_id, cleared_at=None)
    if reasons is not None:
        flags = flags.filter(reason__in=list(reasons))
    return flags.update(cleared_at=timezone.now())


def flags_open(item_ids: Iterable[int]) -> dict[int, list[Flag]]:
    """Open flags by item id, oldest first, in one query."""
    found: dict[int, list[Flag]] = {}
    for flag in Flag.objects.filter(item_id__in=list(item_ids), cleared_at=None).order_by("id"):
        found.setdefault(flag.item_id, []).append(flag)
    return found
