"""A heatmap is drawn once for a model, and shown to whom the picture may be shown."""

from __future__ import annotations

import io

import pytest
from django.test import Client
from django.urls import reverse
from PIL import Image as Pillow

from scoring import device, explain
from scoring.core.explain import Heat
from scoring.models import Image
from tests.conftest import Cast
from tests.factories import image_make

pytestmark = pytest.mark.django_db


@pytest.fixture
def image(cast: Cast) -> Image:
    device.warm_up()
    return image_make(stored=True)


def test_a_heatmap_is_a_small_picture_with_alpha(cast: Cast, client: Client, image: Image) -> None:
    client.force_login(cast.ann)
    answer = client.get(reverse("heatmap", args=[image.pk]))
    assert answer.status_code == 200
    assert answer["Content-Type"] == "image/png"
    assert answer["X-Content-Type-Options"] == "nosniff"
    picture = Pillow.open(io.BytesIO(answer.content))
    assert picture.mode == "RGBA"
    assert abs(picture.width / picture.height - image.width / image.height) < 0.02


def test_it_is_measured_once_and_asked_for_again_cheaply(
    cast: Cast, client: Client, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(cast.ann)
    first = client.get(reverse("heatmap", args=[image.pk]))
    monkeypatch.setattr(device, "heat_of_bytes", lambda *_a, **_k: pytest.fail("measured again"))
    assert client.get(reverse("heatmap", args=[image.pk])).content == first.content
    again = client.get(reverse("heatmap", args=[image.pk]), headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_another_model_has_another_heatmap(image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    before = explain.heatmap_name(image)
    row = explain.serving()
    row.displayed.weights_digest = "f" * 64
    monkeypatch.setattr(explain, "serving", lambda: row)
    assert explain.heatmap_name(image) != before


def test_strangers_get_no_heatmap_and_nothing_is_measured(
    cast: Cast, client: Client, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(*_: object, **__: object) -> Heat:
        raise AssertionError("measured for a stranger")

    monkeypatch.setattr(device, "heat_of_bytes", measured)
    assert client.get(reverse("heatmap", args=[image.pk])).status_code == 302
    client.force_login(cast.mallory)
    assert client.get(reverse("heatmap", args=[image.pk])).status_code == 403
    client.force_login(cast.ann)
    assert client.get(reverse("heatmap", args=[999_999])).status_code == 404


def test_before_the_model_is_ready_people_are_asked_to_come_back(
    cast: Cast, client: Client, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "is_ready", lambda *_: False)
    client.force_login(cast.ann)
    assert client.get(reverse("heatmap", args=[image.pk])).status_code == 503
