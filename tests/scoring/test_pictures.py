"""The addresses of pictures: who gets them, and with which headers."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from scoring.models import Image
from scoring.storage import picture_bytes, thumbnail_bytes
from tests.conftest import Cast
from tests.factories import image_make

pytestmark = pytest.mark.django_db
BOTH = pytest.mark.parametrize("address", ["picture", "thumbnail"])


def ask(client: Client, address: str, image_id: int, **headers: str) -> HttpResponse:
    answer: HttpResponse = client.get(reverse(address, args=[image_id]), headers=headers)
    return answer


def body(answer: HttpResponse) -> bytes:
    return b"".join(answer.streaming_content)  # type: ignore[attr-defined]


@pytest.fixture
def image(cast: Cast) -> Image:
    return image_make(stored=True)


def test_an_annotator_gets_the_stored_bytes_and_nobody_can_run_them(
    cast: Cast, client: Client, image: Image
) -> None:
    client.force_login(cast.ann)
    answer = ask(client, "picture", image.pk)
    assert answer.status_code == 200
    assert body(answer) == picture_bytes(image)
    assert answer["Content-Type"] == "image/jpeg"
    assert answer["Content-Length"] == str(len(picture_bytes(image)))
    assert answer["Content-Disposition"] == f'inline; filename="vitrine-{image.pk}.jpg"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"


def test_a_thumbnail_is_a_webp_of_its_own(cast: Cast, client: Client, image: Image) -> None:
    client.force_login(cast.ann)
    answer = ask(client, "thumbnail", image.pk)
    assert body(answer) == thumbnail_bytes(image) != picture_bytes(image)
    assert answer["Content-Type"] == "image/webp"


@BOTH
def test_a_browser_keeps_a_picture_for_good_and_shares_it_with_nobody(
    cast: Cast, client: Client, image: Image, address: str
) -> None:
    client.force_login(cast.ann)
    answer = ask(client, address, image.pk)
    assert answer["Cache-Control"] == "private, max-age=31536000, immutable"
    assert answer["ETag"] == f'"{image.digest}"'
    again = ask(client, address, image.pk, **{"If-None-Match": answer["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again["ETag"] == answer["ETag"]
    assert again["Cache-Control"] == answer["Cache-Control"]
    assert ask(client, address, image.pk, **{"If-None-Match": '"another"'}).status_code == 200


@BOTH
def test_strangers_get_no_picture(cast: Cast, client: Client, image: Image, address: str) -> None:
    nobody = ask(client, address, image.pk)
    assert nobody.status_code == 302
    assert nobody["Location"].startswith("/login/")
    client.force_login(cast.mallory)
    refused = ask(client, address, image.pk)
    assert refused.status_code == 403
    assert "Content-Disposition" not in refused


@BOTH
def test_a_hidden_picture_is_there_for_admins_only(
    cast: Cast, client: Client, image: Image, address: str
) -> None:
    Image.objects.filter(pk=image.pk).update(is_hidden=True)
    client.force_login(cast.rui)
    assert ask(client, address, image.pk).status_code == 404
    client.force_login(cast.ada)
    assert ask(client, address, image.pk).status_code == 200


@BOTH
def test_an_unknown_picture_and_a_lost_file_are_not_there(
    cast: Cast, client: Client, image: Image, address: str
) -> None:
    client.force_login(cast.ann)
    assert ask(client, address, image.pk + 1).status_code == 404
    for name in (image.stored_name, image.thumbnail_name):
        (Path(settings.MEDIA_ROOT) / name).unlink()
    assert ask(client, address, image.pk).status_code == 404


@BOTH
def test_a_picture_is_only_read(cast: Cast, client: Client, image: Image, address: str) -> None:
    client.force_login(cast.ada)
    assert client.post(reverse(address, args=[image.pk])).status_code == 405
    assert client.head(reverse(address, args=[image.pk])).status_code == 200


def test_a_picture_costs_three_queries_at_most(
    cast: Cast, client: Client, image: Image, django_assert_max_num_queries: object
) -> None:
    client.force_login(cast.ann)
    ask(client, "thumbnail", image.pk)  # the session comes from the cache from now on
    with django_assert_max_num_queries(3):  # type: ignore[operator]
        ask(client, "thumbnail", image.pk)
