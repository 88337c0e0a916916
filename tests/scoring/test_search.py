"""Similar pictures: exact, of one encoder, never hidden."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scoring import device
from scoring.models import Image, StoredFeatures
from scoring.registry import base_model_ensure
from scoring.search import similar_images
from tests.factories import image_make

pytestmark = pytest.mark.django_db


def known(image: Image, embedding: np.ndarray[Any, Any], *, version: str = "") -> Image:
    """The image with an embedding of its own."""
    StoredFeatures.objects.create(
        image=image,
        version=version or device.feature_version(),
        vector=b"",
        embedding=embedding.tolist(),
    )
    return image


def direction(*values: float) -> np.ndarray[Any, Any]:
    vector = np.zeros(128)
    vector[: len(values)] = values
    return vector


@pytest.fixture(autouse=True)
def _a_model_serves(db: None) -> None:
    base_model_ensure()


def test_the_nearest_by_angle_come_first_whatever_their_length() -> None:
    asked = known(image_make(), direction(1.0, 0.0))
    near = known(image_make(), direction(9.0, 0.9))
    same = known(image_make(), direction(0.1, 0.0))
    far = known(image_make(), direction(0.0, 1.0))
    opposite = known(image_make(), direction(-1.0, 0.0))
    found = similar_images(image=asked)
    assert [row.image for row in found] == [same, near, far, opposite]
    assert [row.similarity for row in found] == pytest.approx([1.0, 0.995, 0.0, -1.0], abs=5e-4)


def test_the_answer_is_that_of_a_full_comparison() -> None:
    rng = np.random.default_rng(7)
    vectors = rng.normal(size=(60, 128)).astype(np.float32)
    images = [known(image_make(), vector) for vector in vectors]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = [images[k] for k in np.argsort(-(unit @ unit[0]))[1:9]]
    assert [row.image for row in similar_images(image=images[0])] == expected


def test_hidden_pictures_and_other_encoders_do_not_count() -> None:
    asked = known(image_make(), direction(1.0))
    hidden = known(image_make(), direction(1.0))
    Image.objects.filter(pk=hidden.pk).update(is_hidden=True)
    known(image_make(), direction(1.0), version="another encoder")
    seen = known(image_make(), direction(0.5, 0.5))
    assert [row.image for row in similar_images(image=asked)] == [seen]


def test_a_picture_without_features_has_no_look_yet() -> None:
    known(image_make(), direction(1.0))
    assert similar_images(image=image_make()) == []


def test_it_costs_three_queries(django_assert_num_queries: Any) -> None:
    asked = known(image_make(), direction(1.0))
    for _ in range(3):
        known(image_make(), direction(0.9, 0.1))
    with django_assert_num_queries(3):
        [row.image.product.title for row in similar_images(image=asked, most=2)]
