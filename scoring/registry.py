"""The registry: which models there are, which serve, and their heads kept in memory."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from scoring import device
from scoring.core.checkpoint import WeightsError
from scoring.core.head import Head
from scoring.core.splits import HOLDOUT
from scoring.errors import NotThereError
from scoring.events import event_note
from scoring.kept import KeptModel, kept_head
from scoring.locks import serving_lock
from scoring.models import DatasetRow, ModelVersion, ScoringJob, Serving

BASE_NAME = "base"
MOST_NAMED = 10
State = ModelVersion.State


def serving() -> Serving:
    """The one row that says who serves; made with the base model at first need."""
    found = Serving.objects.select_related("champion", "displayed", "previous", "shadow").first()
    if found is None:
        base_model_ensure()
        found = Serving.objects.select_related("champion", "displayed", "previous", "shadow").get()
    return found


@transaction.atomic
def base_model_ensure() -> ModelVersion:
    """Register the shipped weights and let them serve if nothing does yet. Safe twice and beside itself."""
    version = device.feature_version()
    model, _made = ModelVersion.objects.get_or_create(
        name=f"{BASE_NAME}-{version}",
        defaults={
            "kind": ModelVersion.Kind.BASE,
            "feature_version": version,
            "weights_digest": device.weights_digest(),
            "state": State.CANDIDATE,
        },
    )
    if not Serving.objects.exists():
        _, started = Serving.objects.get_or_create(id=1, defaults={"champion": model, "displayed": model})
        if started:
            ModelVersion.objects.filter(pk=model.pk).update(state=State.CHAMPION, promoted_at=timezone.now())
            event_note(actor=None, verb="promote.base", target=model)
            return model
    _replace_stranded(base=model)
    return model


def _replace_stranded(*, base: ModelVersion) -> None:
    """After an upgrade the champion's encoder may have left with the old release: the base takes over."""
    row = serving_lock()
    try:
        encoder_of(row.champion)
    except WeightsError:
        old = row.champion
        ModelVersion.objects.filter(pk=old.pk).update(state=State.RETIRED)
        ModelVersion.objects.filter(pk=base.pk).update(state=State.CHAMPION, promoted_at=timezone.now())
        Serving.objects.filter(pk=row.pk).update(champion=base, previous=None, shadow=None)
        ScoringJob.objects.filter(state=ScoringJob.State.DONE).update(
            state=ScoringJob.State.PENDING, attempts=0
        )
        event_note(
            actor=None,
            verb="promote.base",
            target=base,
            before={"champion": old.name},
            after={"champion": base.name},
        )


def models_folder() -> Path:
    """Where weights of our own training are kept, by digest."""
    return Path(settings.DATA_DIR) / "models"


def head_of(model: ModelVersion) -> Head:
    """The head of a model, kept in memory by digest; WeightsError when its file is damaged or missing."""
    if _is_shipped(model):
        return device.base_head()
    return kept_head(models_folder(), model.weights_digest, model.feature_version)


def _is_shipped(model: ModelVersion) -> bool:
    """Whether these are the base weights of this release, whose head lies beside their encoder."""
    return model.kind == ModelVersion.Kind.BASE and model.weights_digest == device.weights_digest()


def encoder_of(model: ModelVersion) -> Path:
    """Weights file of the encoder that makes the features of this model.

    WeightsError where it is gone: neither the shipped one nor that of a deep retrain kept here, or one whose
    features this release makes otherwise.
    """
    if model.feature_version == device.feature_version():
        return device.BASE_WEIGHTS
    deep = ModelVersion.objects.filter(
        kind=ModelVersion.Kind.DEEP, feature_version=model.feature_version
    ).first()
    path = models_folder() / f"{deep.weights_digest}.safetensors" if deep else None
    if path is None or not path.exists():
        raise WeightsError(f"The encoder of {model.name} ({model.feature_version}) is not here any more.")
    if device.feature_version(path) != model.feature_version:
        raise WeightsError(f"What {model.name} learned from ({model.feature_version}) is not made any more.")
    return path


def is_at_hand(model: ModelVersion) -> bool:
    """Whether its head and its encoder can be read here: after an upgrade those of the old release cannot."""
    try:
        head_of(model)
        encoder_of(model)
    except WeightsError:
        return False
    return True


def model_called(word: str) -> ModelVersion:
    """The model of this name, or the one that is ``champion`` or ``displayed``; NotThereError names some."""
    row = serving()
    by_place = {"champion": row.champion, "displayed": row.displayed}
    found = by_place.get(word) or ModelVersion.objects.filter(name=word).first()
    if found is None:
        known = ", ".join(ModelVersion.objects.values_list("name", flat=True)[:MOST_NAMED])
        words = _("There is no model {word}. There are champion, displayed, {known}.")
        raise NotThereError(words.format(word=word, known=known))
    return found


def model_kept(model: ModelVersion) -> KeptModel:
    """Where its files lie, once they could be read; WeightsError when they cannot."""
    head_of(model)
    folder = None if _is_shipped(model) else models_folder()
    return KeptModel(model.name, encoder_of(model), folder, model.weights_digest if folder else "")


def pictures_taught(model: ModelVersion) -> frozenset[str]:
    """SHA-256 of the pictures that taught a model, or what it grew from, or set its intervals."""
    datasets: list[int] = []
    step: ModelVersion | None = model
    while step is not None:
        datasets += [step.dataset_id] if step.dataset_id else []
        step = step.parent
    rows = DatasetRow.objects.filter(dataset__in=datasets).exclude(split=HOLDOUT)
    return frozenset(rows.values_list("image__digest", flat=True))
