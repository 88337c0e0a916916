"""Which pictures look alike: exact nearest neighbours by the embedding of one feature version."""

from __future__ import annotations

from dataclasses import dataclass

from pgvector.django import CosineDistance

from scoring.models import Image, StoredFeatures
from scoring.registry import serving

MOST = 8


@dataclass(frozen=True, slots=True)
class Similar:
    """A picture and its cosine similarity to the one asked about, 1 for the same look."""

    image: Image
    similarity: float


def similar_images(*, image: Image, most: int = MOST) -> list[Similar]:
    """Visible pictures that look most like ``image``, the nearest first; empty while it has no features.

    Compared by the displayed model's encoder only: vectors of two encoders say nothing to each other.
    The whole table is read, 128 floats a picture, so the answer is exact.
    """
    version = serving().displayed.feature_version
    known = StoredFeatures.objects.filter(version=version)
    embedding = known.filter(image_id=image.pk).values_list("embedding", flat=True).first()
    if embedding is None:
        return []
    nearest = (
        known.filter(image__is_hidden=False)
        .exclude(image_id=image.pk)
        .annotate(distance=CosineDistance("embedding", embedding))
        .select_related("image__product")
        .defer("vector", "embedding", "measures", "findings")
        .order_by("distance", "image_id")[:most]
    )
    return [Similar(row.image, round(1.0 - row.distance, 4)) for row in nearest]
