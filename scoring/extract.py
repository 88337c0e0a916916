"""Features of images for the models that serve, and the scores their heads make of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.conf import settings

from scoring import device, ocr
from scoring.core.decode import PictureError
from scoring.core.predict import predict_pictures
from scoring.core.types import ImageFeatures
from scoring.errors import NotThereError
from scoring.models import Image, ModelVersion, Score, StoredFeatures
from scoring.records import features_of_row, score_row
from scoring.registry import encoder_of, head_of
from scoring.storage import picture_bytes


@dataclass(slots=True)
class Found:
    """Features by version and image id; ``fresh`` those not stored yet; reasons by image id."""

    of: dict[str, dict[int, ImageFeatures]] = field(default_factory=dict)
    fresh: list[tuple[int, ImageFeatures]] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)


def features_of(image_ids: Collection[int], models: Sequence[ModelVersion]) -> Found:
    """Features of some images for every version the models need; stored ones are used again."""
    found = Found(of={model.feature_version: {} for model in models})
    for row in StoredFeatures.objects.filter(image_id__in=image_ids, version__in=found.of):
        found.of[row.version][row.image_id] = features_of_row(row)
    missing = [pk for pk in image_ids if any(pk not in known for known in found.of.values())]
    images = Image.objects.in_bulk(missing)
    blobs = _blobs(images, found)
    for model in {model.feature_version: model for model in models}.values():
        _extract(model, images, blobs, found)
    return found


def _blobs(images: Mapping[int, Image], found: Found) -> dict[int, bytes]:
    blobs: dict[int, bytes] = {}
    for pk, image in images.items():
        try:
            blobs[pk] = picture_bytes(image)
        except NotThereError as error:
            found.refused[pk] = str(error)
    return blobs


def _extract(
    model: ModelVersion, images: Mapping[int, Image], blobs: Mapping[int, bytes], found: Found
) -> None:
    known = found.of[model.feature_version]
    wanted = [pk for pk in blobs if pk not in known]
    results = device.extract_each(
        [blobs[pk] for pk in wanted],
        jpeg_qualities=[images[pk].jpeg_quality for pk in wanted],
        weights=encoder_of(model),
    )
    if settings.VITRINE_OCR:
        results = ocr.read_each(results, [blobs[pk] for pk in wanted])
    for pk, result in zip(wanted, results, strict=True):
        if isinstance(result, PictureError):
            found.refused[pk] = str(result)
        else:
            known[pk] = result
            found.fresh.append((pk, result))


def scores_by(models: Iterable[ModelVersion], found: Found) -> list[Score]:
    """Unsaved scores by each model from the features of its own version."""
    scores: list[Score] = []
    asked = {pk for mine in found.of.values() for pk in mine}
    categories = dict(Image.objects.filter(pk__in=asked).values_list("pk", "product__category"))
    for model in models:
        mine = found.of[model.feature_version]
        predictions = predict_pictures(
            head=head_of(model),
            features=list(mine.values()),
            categories=[categories.get(pk, "") for pk in mine],
        )
        scores += [score_row(pk, model.pk, p) for pk, p in zip(mine, predictions, strict=True)]
    return scores
