"""A score at once, for a picture nobody keeps: gate, encoder, the champion's head, answer."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import gettext as _

from scoring import device, ocr
from scoring.core.decode import PictureError
from scoring.core.predict import predict_pictures
from scoring.core.reencode import Refusal
from scoring.core.types import ImageFeatures, Prediction
from scoring.errors import BadInputError, NotReadyError
from scoring.gate import AdmittedPicture, admit
from scoring.models import ModelVersion
from scoring.registry import encoder_of, head_of, is_at_hand, serving
from scoring.wake import wake

MAKE_READY = "score.make_ready"


@dataclass(frozen=True, slots=True)
class InstantScore:
    """What the champion says of a picture that came in just now."""

    picture: AdmittedPicture
    prediction: Prediction
    model: ModelVersion


def picture_score(*, data: bytes) -> InstantScore:
    """Score one picture in this process; BadInputError says why there is no score."""
    try:
        picture = admit(data)
    except Refusal as refusal:
        raise BadInputError(refusal.reason, code=refusal.code) from refusal
    model = serving().champion
    features = _features(picture, model)
    prediction = predict_pictures(head=head_of(model), features=[features])[0]
    return InstantScore(picture, prediction, model)


def _features(picture: AdmittedPicture, model: ModelVersion) -> ImageFeatures:
    """Features by the champion's encoder, where a score worker has made it ready: that takes torch once."""
    weights = encoder_of(model)
    if not device.is_ready(weights):
        wake(MAKE_READY)
        raise NotReadyError(_("The model is being made ready; ask again in a minute."))
    found = device.extract_each([picture.stored], jpeg_qualities=[picture.jpeg_quality], weights=weights)[0]
    if settings.VITRINE_OCR:
        found = ocr.read_each([found], [picture.stored])[0]
    if isinstance(found, PictureError):
        raise BadInputError(str(found), code="unreadable")
    return found


def models_make_ready() -> None:
    """Load the models that serve, in a worker; what it exports the web then finds."""
    row = serving()
    for model in {row.champion.pk: row.champion, row.displayed.pk: row.displayed}.values():
        if model == row.champion or is_at_hand(model):
            device.warm_up(encoder_of(model))
