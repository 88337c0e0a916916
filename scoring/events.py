"""The one way to write the audit trail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db import models

from scoring.models import Event

# For a statement that writes the act and its event at once: rows with these columns follow it.
EVENT_INSERT = """INSERT INTO scoring_event (actor_id, verb, target, target_id, before, after, at)
  SELECT actor_id, verb, target, target_id, before, after, at"""


def event_note(
    *,
    actor: User | None,
    verb: str,
    target: models.Model | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> Event:
    """Append one act to the audit trail, in the caller's transaction: no act without its event."""
    return Event.objects.create(
        actor_id=actor.pk if actor is not None else None,
        verb=verb,
        target=target._meta.model_name or "" if target is not None else "",
        target_id=target.pk if target is not None else None,
        before=dict(before or {}),
        after=dict(after or {}),
    )
