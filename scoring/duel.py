"""Champion and challenger: which two models the page holds side by side, and what was measured of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scoring.models import Event, ModelVersion, Serving

State = ModelVersion.State


@dataclass(frozen=True, slots=True)
class Duel:
    """Two models tried on the same pictures.

    ``tested`` is the model whose trial is shown: a challenger, or the champion itself once it has won;
    ``against`` is who was champion then, None where nobody remembers.
    """

    tested: ModelVersion
    against: ModelVersion | None

    @property
    def is_won(self) -> bool:
        """Whether the tested model is the champion now."""
        return self.tested.state == State.CHAMPION

    @property
    def metrics(self) -> Mapping[str, Any]:
        """What the trial measured of both."""
        found: Mapping[str, Any] = self.tested.metrics
        return found

    @property
    def is_provisional(self) -> bool:
        """Whether the trial was a cross-validation, because the holdout was still small."""
        return bool(self.metrics.get("provisional"))


def duel_now(*, serving: Serving) -> Duel | None:
    """The newest trial that says something about the model serving now; None before the first retrain."""
    champion = serving.champion
    challengers = ModelVersion.objects.filter(state__in=[State.CANDIDATE, State.REFUSED]).exclude(metrics={})
    newest = challengers.filter(created_at__gt=champion.promoted_at or champion.created_at).first()
    tested = newest or (champion if champion.metrics else None)
    if tested is None:
        return None
    return Duel(tested=tested, against=champion if tested is newest else champion_when(tested))


def champion_when(model: ModelVersion) -> ModelVersion | None:
    """Who was champion when ``model`` was made, by the audit trail."""
    switches = Event.objects.filter(verb__startswith="promote.", at__lt=model.created_at)
    last = switches.order_by("-id").values_list("target_id", flat=True).first()
    return ModelVersion.objects.filter(pk=last).first() if last else None
