"""The catalogue over the API: filters by name only, pages by cursor, few queries."""

from __future__ import annotations

from base64 import b64encode
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import LazySettings
from rest_framework.test import APIClient

from scoring.models import Image, StoredFeatures
from tests.api.conftest import Program
from tests.conftest import Cast
from tests.factories import features_make, image_make, score_make

pytestmark = pytest.mark.django_db
HERE = "/api/v1/images/"


@pytest.fixture
def ann(cast: Cast, program: Program) -> APIClient:
    return program(cast.ann)


def listed(client: APIClient, **query: Any) -> list[int]:
    answer = client.get(HERE, query)
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


def test_a_picture_comes_with_its_score_findings_and_measures(ann: APIClient) -> None:
    image = image_make()
    score_make(image, overall=72.5)
    features_make(image)
    StoredFeatures.objects.update(measures={"sharpness": 3.5})
    told = ann.get(f"{HERE}{image.pk}/").json()
    assert told["digest"] == image.digest
    assert told["product"]["category"] == "mugs"
    assert told["score"]["overall"] == 72.5
    assert told["score"]["grade"] == "good"
    assert max(enumerate(told["score"]["votes_expected"], 1), key=lambda each: each[1])[0] == 4
    assert set(told["score"]["dimensions"]) == {
        "sharpness",
        "colour",
        "composition",
        "lighting",
        "background",
    }
    assert told["score"]["defects"] == ["noise"]
    assert told["score"]["findings"][0]["words"] == "Noise: Noise 5\u00a0of 255"
    assert told["measures"] == {"sharpness": 3.5}


def test_a_picture_without_a_score_says_null(ann: APIClient) -> None:
    image = image_make()
    assert ann.get(f"{HERE}{image.pk}/").json()["score"] is None
    assert listed(ann) == [image.pk]


def test_a_hidden_picture_is_not_there(ann: APIClient) -> None:
    image = image_make(stored=True)
    assert ann.get(f"{HERE}{image.pk}/picture/").status_code == 200
    Image.objects.update(is_hidden=True)
    assert listed(ann) == []
    assert ann.get(f"{HERE}{image.pk}/").status_code == 404
    assert ann.get(f"{HERE}{image.pk}/picture/").status_code == 404


def test_the_bytes_of_a_picture_cannot_run(ann: APIClient) -> None:
    image = image_make(stored=True)
    answer = ann.get(f"{HERE}{image.pk}/picture/")
    assert answer["Content-Type"] == "image/jpeg"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert b"".join(answer.streaming_content)[:2] == b"\xff\xd8"


def test_filters_narrow_and_orders_sort(ann: APIClient) -> None:
    mug, hat, new = image_make(), image_make(category="hats"), image_make()
    score_make(mug, overall=80)
    score_make(hat, overall=20)
    assert listed(ann) == [new.pk, hat.pk, mug.pk]
    assert listed(ann, order="oldest") == [mug.pk, hat.pk, new.pk]
    assert listed(ann, order="worst") == [hat.pk, mug.pk]
    assert listed(ann, order="best") == [mug.pk, hat.pk]
    assert listed(ann, category="hats") == [hat.pk]
    assert listed(ann, min_score=50) == [mug.pk]
    assert listed(ann, max_score=50, defect="noise") == [hat.pk]
    assert listed(ann, defect="border") == []
    assert listed(ann, words=mug.product.external_id) == [mug.pk]


@pytest.mark.parametrize("order", ["newest", "oldest", "best", "worst"])
def test_pages_follow_each_other_without_gap_or_repeat(ann: APIClient, order: str) -> None:
    for number in range(7):
        score_make(image_make(), overall=float(number // 2))
    seen: list[int] = []
    address: str | None = f"{HERE}?limit=2&order={order}"
    while address:
        body = ann.get(address).json()
        seen += [row["id"] for row in body["results"]]
        address = body["next"]
    assert len(seen) == len(set(seen)) == 7
    assert seen == listed(ann, order=order)


@pytest.mark.parametrize(
    "query",
    [
        "a__b__c=1",
        "product__seller__startswith=a",
        "scores__model__dataset__created_by__password__startswith=a",
        "category__regex=(a%2B)%2B%24",
        "is_hidden=1",
        "order=id;drop",
        "order=product__seller",
        "min_score=nan",
        "min_score=inf",
        "min_score=1e400",
        "min_score=-1",
        "max_score=abc",
        "defect=%00",
        "words=%00",
        "words=" + "x" * 201,
        "limit=0",
        "limit=1000000",
        "limit=abc",
        "format=csv&x=1",
    ],
)
def test_a_query_nobody_named_is_a_400_that_names_it(ann: APIClient, query: str) -> None:
    answer = ann.get(f"{HERE}?{query}")
    assert answer.status_code in {400, 404}, answer.content
    assert answer.status_code == 400 or query.startswith("format")
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    "held", ["p=abc", "p=1.5", "p=nan", "p=" + "9" * 40, "r=x", "o=-1", "p=1&o=99999999"]
)
def test_a_cursor_somebody_made_up_harms_nothing(ann: APIClient, held: str) -> None:
    image_make()
    cursor = quote(b64encode(held.encode()).decode())
    for order in ("newest", "worst"):
        assert ann.get(f"{HERE}?cursor={cursor}&order={order}").status_code in {200, 404}
    assert ann.get(f"{HERE}?cursor=%ff%00").status_code in {400, 404}


def test_a_page_of_fifty_pictures_takes_as_few_queries_as_one(
    ann: APIClient, django_assert_max_num_queries: Any
) -> None:
    for _ in range(50):
        score_make(image_make())
    with django_assert_max_num_queries(7):  # token, its siblings, two for the role, page, serving, scores
        assert len(listed(ann)) == 50


def test_strangers_and_nobody_see_nothing(cast: Cast, program: Program) -> None:
    image = image_make(stored=True)
    for path in ("", f"{image.pk}/", f"{image.pk}/picture/"):
        assert program(cast.mallory).get(HERE + path).status_code == 403
        assert APIClient().get(HERE + path).status_code == 401


def test_a_broker_that_is_down_costs_the_api_nothing(
    cast: Cast, program: Program, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the real cache again, at an address where nobody listens
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",
            "OPTIONS": {"socket_connect_timeout": 0.2},
        }
    }
    assert listed(program(cast.ann)) == []
    answer = program(cast.ada).post("/api/v1/imports/", {"urls": ["https://shop.example/1"]}, format="json")
    assert answer.status_code == 201
