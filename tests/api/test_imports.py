"""Imports over the API: pictures, rows and addresses go in; every row that does not says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from scoring.ingest import import_run
from scoring.models import Image, ImportJob, ImportRow
from tests.api.conftest import Program
from tests.conftest import Cast
from tests.factories import jpeg_bytes

pytestmark = pytest.mark.django_db
HERE = "/api/v1/imports/"


@pytest.fixture
def ada(cast: Cast, program: Program) -> APIClient:
    return program(cast.ada)


def sent(name: str, data: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data, content_type="application/octet-stream")


def test_pictures_go_in_and_the_rest_is_refused_with_a_reason(ada: APIClient) -> None:
    files = [sent("one.jpg", jpeg_bytes(1)), sent("note.txt", b"no picture"), sent("empty.png", b"")]
    started = ada.post(HERE, {"files": files, "label": "autumn"}, format="multipart")
    assert started.status_code == 201
    pk = started.json()["id"]
    assert started.json()["rows"] == {"total": 3, "done": 0, "duplicate": 0, "refused": 0, "pending": 3}
    import_run(job_id=pk)
    told = ada.get(f"{HERE}{pk}/").json()
    assert (told["state"], told["label"]) == ("done", "autumn")
    assert told["rows"] == {"total": 3, "done": 1, "duplicate": 0, "refused": 2, "pending": 0}
    refused = ada.get(f"{HERE}{pk}/rows/", {"state": "refused"}).json()["results"]
    assert [(row["reference"], row["code"]) for row in refused] == [
        ("note.txt", "format_not_allowed"),
        ("empty.png", "empty_file"),
    ]
    assert all(row["reason"].endswith(".") for row in refused)
    assert Image.objects.get().name == "one.jpg"


def test_rows_of_json_become_rows_of_an_import_and_bad_ones_are_named(ada: APIClient) -> None:
    rows = [
        {"image": "https://shop.example/1.jpg", "product_id": "P1", "title": "Mug", "category": "mugs"},
        {"image": ""},
        {"image": "https://shop.example/2.jpg", "product_id": "P" * 300},
    ]
    started = ada.post(HERE, {"rows": rows}, format="json")
    assert started.status_code == 201
    assert started.json()["rows"]["refused"] == 2
    kept = list(ImportRow.objects.order_by("position").values_list("product_id", "state", "code"))
    assert kept[0] == ("P1", "pending", "")
    assert [code for _, _, code in kept[1:]] == ["no_reference", "field_too_long"]


def test_addresses_alone_are_enough(ada: APIClient) -> None:
    urls = [f"https://shop.example/{n}.jpg" for n in range(3)]
    assert ada.post(HERE, {"urls": urls}, format="json").json()["kind"] == "urls"
    assert list(ImportRow.objects.values_list("reference", flat=True)) == urls


def test_an_archive_is_read_by_a_worker(ada: APIClient) -> None:
    started = ada.post(HERE, {"files": [sent("a.zip", b"no zip")], "kind": "archive"}, format="multipart")
    assert started.json()["state"] == "reading"
    import_run(job_id=started.json()["id"])
    told = ada.get(f"{HERE}{started.json()['id']}/").json()
    assert told["state"] == "failed"
    assert told["error"]


def test_an_upload_takes_more_files_until_it_is_cancelled(ada: APIClient) -> None:
    pk = ada.post(HERE, {"files": [sent("1.jpg", jpeg_bytes(1))]}, format="multipart").json()["id"]
    more = {"files": [sent("2.jpg", jpeg_bytes(2))]}
    assert ada.post(f"{HERE}{pk}/files/", more, format="multipart").json()["rows"]["total"] == 2
    assert ada.post(f"{HERE}{pk}/cancel/").json()["state"] == "cancelled"
    late = ada.post(f"{HERE}{pk}/files/", {"files": [sent("3.jpg", jpeg_bytes(3))]}, format="multipart")
    assert (late.status_code, late.json()["code"]) == (409, "import_closed")
    assert ImportRow.objects.count() == 2
    assert ada.post(f"{HERE}{pk}/resume/").json()["state"] == "running"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"rows": [], "urls": []},
        {"rows": [{"image": "x"}], "urls": ["x"]},
        {"rows": [{"image": "x", "state": "done"}]},
        {"urls": ["x"], "created_by": 1},
        {"urls": "x"},
        {"urls": ["\x00"]},
        {"urls": ["x"] * 10_001},
        {"rows": {"image": "x"}},
        [],
        "text",
        None,
        7,
    ],
)
def test_a_body_of_another_shape_is_a_400_that_names_the_fault(ada: APIClient, body: Any) -> None:
    answer = ada.post(HERE, body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert answer.json()["detail"]
    assert not ImportJob.objects.exists()


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("{", 400),
        ("[" * 100_000, 400),
        ('{"urls": [NaN]}', 400),
        ('{"urls": ["\\ud800"]}', 400),
        ("\xff", 400),
        (" " * (33 * 2**20), 413),
    ],
)
def test_json_that_is_none_is_refused_in_json(ada: APIClient, text: str, status: int) -> None:
    answer = ada.post(HERE, text.encode("latin-1"), content_type="application/json")
    assert answer.status_code == status
    assert {"code", "detail"} <= set(answer.json())
    assert not ImportJob.objects.exists()


def test_more_files_than_the_site_takes_are_a_400(ada: APIClient, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 3
    files = [sent(f"{n}.jpg", b"x") for n in range(4)]
    assert ada.post(HERE, {"files": files}, format="multipart").status_code == 400
    assert not ImportJob.objects.exists()


def test_a_body_of_an_unknown_kind_is_a_415_in_json(ada: APIClient) -> None:
    answer = ada.post(HERE, b"<x/>", content_type="application/xml")
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("who", ["ann", "rui", "mallory"])
def test_only_admins_import(cast: Cast, program: Program, who: str) -> None:
    client = program(getattr(cast, who))
    assert client.post(HERE, {"urls": ["https://shop.example/1.jpg"]}, format="json").status_code == 403
    assert client.get(HERE).status_code == 403
    assert not ImportJob.objects.exists()


@pytest.mark.parametrize("step", ["", "rows/", "files/", "cancel/", "resume/"])
def test_an_import_that_is_not_there_is_a_404(ada: APIClient, step: str) -> None:
    ask: Callable[..., Any] = ada.get if step in {"", "rows/"} else ada.post
    body = {"files": [sent("1.jpg", b"x")]} if step == "files/" else {}
    for pk in (999, 10**30):
        assert ask(f"{HERE}{pk}/{step}", body).status_code == 404


def test_a_page_of_imports_asks_the_database_as_often_as_a_single_one(
    ada: APIClient, cast: Cast, django_assert_max_num_queries: Any
) -> None:
    for _ in range(30):
        ImportJob.objects.create(kind="upload", created_by=cast.ada)
    with django_assert_max_num_queries(6):  # token, its siblings, two for the role, page, counts
        assert len(ada.get(HERE).json()["results"]) == 30


def test_imports_are_slowed_down_not_lost(ada: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scoring.api.throttles.ImportsThrottle.most", 2)
    answers = [ada.post(HERE, {"urls": ["https://shop.example/1.jpg"]}, format="json") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert ImportJob.objects.count() == 2
