"""A score at once: through the gate, by the champion, and not kept unless asked."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.response import Response
from rest_framework.test import APIClient

from scoring import device
from scoring.errors import StationError
from scoring.ingest import import_run
from scoring.instant import picture_score
from scoring.models import Image, ImportJob
from scoring.registry import base_model_ensure
from scoring.score import score_chunks, scores_of
from tests.api.conftest import Program
from tests.conftest import Cast
from tests.factories import jpeg_bytes

pytestmark = pytest.mark.django_db
HERE = "/api/v1/scores/"


@pytest.fixture(autouse=True)
def _model() -> None:
    device.warm_up()


def asked(client: APIClient, data: bytes, **more: str) -> Response:
    answer: Response = client.post(
        HERE, {"file": SimpleUploadedFile("a.jpg", data), **more}, format="multipart"
    )
    return answer


def test_a_picture_is_scored_in_the_answer_and_forgotten(cast: Cast, program: Program) -> None:
    data = jpeg_bytes(3)
    told = asked(program(cast.ann), data).json()
    assert told["digest"] == hashlib.sha256(data).hexdigest()
    assert (told["width"], told["height"], told["job"]) == (96, 96, None)
    assert 0 <= told["score"]["low"] <= told["score"]["overall"] <= told["score"]["high"] <= 100
    assert sum(told["score"]["votes_expected"]) == pytest.approx(1.0, abs=3e-4)
    assert told["score"]["model"] == base_model_ensure().name
    assert len(told["score"]["findings"]) == 16
    assert told["measures"]["shortest_side"] == 96
    assert not Image.objects.exists()
    assert not ImportJob.objects.exists()


def test_the_answer_is_the_score_the_catalogue_would_show(cast: Cast, program: Program) -> None:
    told = asked(program(cast.ada), jpeg_bytes(3), keep="true").json()
    import_run(job_id=told["job"])
    score_chunks()
    image = Image.objects.get()
    assert scores_of(image_ids=[image.pk])[image.pk].overall_score == pytest.approx(told["score"]["overall"])


def test_keeping_is_for_admins_and_a_refusal_keeps_nothing(cast: Cast, program: Program) -> None:
    assert asked(program(cast.ann), jpeg_bytes(3), keep="true").status_code == 403
    assert not ImportJob.objects.exists()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_file"),
        (b"GIF89a", "unreadable"),
        (b"<svg onload=alert(1)>", "format_not_allowed"),
        (b"\xff\xd8\xff" + b"x" * (25 * 2**20), "too_large"),
    ],
)
def test_a_file_that_is_no_picture_is_refused_in_plain_words(
    cast: Cast, program: Program, data: bytes, code: str
) -> None:
    answer = asked(program(cast.ann), data)
    assert answer.status_code == 422
    assert answer.json()["code"] in {code, "truncated"}
    assert answer.json()["detail"].endswith(".")


def test_no_file_is_a_400(cast: Cast, program: Program) -> None:
    answer = program(cast.ann).post(HERE, {"file": "text"}, format="multipart")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_a_web_whose_model_is_not_ready_says_so_and_wakes_a_worker(
    db: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    woken: list[str] = []
    monkeypatch.setattr("scoring.instant.wake", woken.append)
    monkeypatch.setenv("VITRINE_CACHE", str(tmp_path))
    with pytest.raises(StationError) as refused:
        picture_score(data=jpeg_bytes(3))
    assert (refused.value.status, refused.value.code) == (503, "not_ready")
    assert woken == ["score.make_ready"]
