"""Station 9, promote: which model serves. One row, one UPDATE, roll back the same way."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from scoring.access import require_reached
from scoring.core.checkpoint import WeightsError
from scoring.errors import BadInputError, ConflictError
from scoring.events import event_note
from scoring.locks import serving_lock
from scoring.models import ModelVersion, Serving
from scoring.registry import head_of
from scoring.rescore import rescore_begin, rescore_fill, rescore_settle

State = ModelVersion.State
LONGEST_REASON = 500
FILL_AT_ONCE = 10_000  # a few seconds at most; beyond it workers go on


@transaction.atomic
def model_promote(*, model: ModelVersion, by: User | None, reason: str = "") -> Serving:
    """Make ``model`` the champion; people see its scores once it has scored the whole catalogue.

    A model the gate refused serves only where an admin says why; the audit trail keeps the words.
    """
    require_reached(by, "admin")
    row = serving_lock()
    if row.champion_id == model.pk:
        return row
    model.refresh_from_db(fields=["state"])
    over = _overruled(model, by, reason.strip())
    _require_readable(model)
    _switch(row, to=model, by=by, verb="promote.promote", **over)
    rescore_begin(model=model)
    rescore_settle()
    return row


def _overruled(model: ModelVersion, by: User | None, reason: str) -> dict[str, str]:
    """What the event says beside the switch where a person overrules the gate; refuses one without reason."""
    if model.state != State.REFUSED:
        return {"reason": reason} if reason else {}
    if by is None:
        raise ConflictError(_("The gate refused this model."), code="gate_refused")
    if not reason:
        raise BadInputError(
            _("The gate refused this model. To let it serve all the same, say why."), code="reason_missing"
        )
    return {"overruled": "gate", "reason": reason[:LONGEST_REASON]}


@transaction.atomic
def model_roll_back(*, by: User | None) -> Serving:
    """Back to the model before. Its scores were kept, so they show at once.

    Pictures that came in since are scored by it first, from their stored features.
    """
    require_reached(by, "admin")
    row = serving_lock()
    if row.previous is None:
        raise ConflictError(_("There is no earlier model to roll back to."), code="no_previous")
    model = row.previous
    _require_readable(model)
    rescore_fill(model=model, limit=FILL_AT_ONCE)
    _switch(row, to=model, by=by, verb="promote.roll_back")
    Serving.objects.filter(pk=row.pk).update(displayed=model)
    rescore_begin(model=model)
    return row


def _require_readable(model: ModelVersion) -> None:
    """Weights that cannot be read must not serve."""
    try:
        head_of(model)
    except WeightsError as error:
        words = _("The weights of {name} cannot be read any more.")
        raise ConflictError(words.format(name=model.name), code="weights_missing") from error


def _switch(row: Serving, *, to: ModelVersion, by: User | None, verb: str, **told: str) -> None:
    old = row.champion
    ModelVersion.objects.filter(pk=old.pk).update(state=State.RETIRED)
    ModelVersion.objects.filter(pk=to.pk).update(state=State.CHAMPION, promoted_at=timezone.now())
    shadow = None if row.shadow_id == to.pk else row.shadow_id  # who serves needs no shadow
    Serving.objects.filter(pk=row.pk).update(
        champion=to, previous=old, shadow=shadow, switched_at=timezone.now()
    )
    event_note(
        actor=by, verb=verb, target=to, before={"champion": old.name}, after={"champion": to.name, **told}
    )
    row.champion, row.previous = to, old
