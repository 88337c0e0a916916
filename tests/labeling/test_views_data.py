"""The data pages refuse what they must in words, and no upload, however hostile, is a fault of ours."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from labeling.dataset import dataset_freeze
from labeling.export import export_execute, export_start
from labeling.models import ExportJob
from scoring.ingest import import_run, import_start
from scoring.models import DatasetVersion, Event, Image, ImportJob, ImportRow
from scoring.views.uploads import streamed
from tests.conftest import Cast
from tests.factories import jpeg_bytes, label_make

pytestmark = pytest.mark.django_db

As = Callable[[User], Client]


@pytest.fixture
def as_() -> As:
    def logged_in(person: User) -> Client:
        client = Client()
        client.force_login(person)
        return client

    return logged_in


def sent(name: str, body: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, body, content_type="application/octet-stream")


def raw_zip(*names: str) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for name in names:
            archive.writestr(name, jpeg_bytes(1))
    return body.getvalue()


HOSTILE = [
    ("empty.jpg", b""),
    ("no-picture.jpg", b"hello"),
    ("half.jpg", jpeg_bytes(1)[:200]),
    ("../../etc/passwd", jpeg_bytes(2)),
    ("\u202egpj.exe", b"MZ"),
    ("x" * 300 + ".jpg", jpeg_bytes(3)),
    ("page.svg", b"<svg onload=alert(1) xmlns='http://www.w3.org/2000/svg'/>"),
    ("page.html", b"<script>alert(1)</script>"),
    ("bomb.png", b"\x89PNG\r\n\x1a\n" + b"\xff" * 64),
    ("broken.zip", b"PK\x03\x04 not quite"),
    ("empty.zip", b""),
    ("inside.zip", raw_zip("../evil.jpg", "/abs.jpg", "ok.jpg")),
    ("table.csv", b"\xff\xfe\x00"),
    ("no-column.csv", b"a,b\n1,2\n"),
    ("formula.csv", b"image\n=HYPERLINK(1)\n"),
    ("lines.jsonl", b'{"image": {"a": [1]}}\n[]\nnull\n{"image": "x'),
    ("deep.jsonl", b"[" * 10_000),
    ("list.txt", b"file:///etc/passwd\ngopher://x\n\x00\nhttp://[::1/\n"),
    ("noext", b"\x00" * 1000),
]


@pytest.mark.parametrize(("name", "body"), HOSTILE, ids=[name[:12] for name, _ in HOSTILE])
def test_a_hostile_upload_ends_as_a_refusal_with_a_reason_or_as_a_clean_picture(
    as_: As, cast: Cast, name: str, body: bytes
) -> None:
    client = as_(cast.ada)
    answer = client.post(reverse("import-start"), {"files": [sent(name, body)]})
    assert answer.status_code in (302, 422)
    for job in ImportJob.objects.all():
        import_run(job_id=job.pk)
        job.refresh_from_db()
        assert job.state in ("done", "failed")
        assert job.state != "failed" or job.error
        for row in ImportRow.objects.filter(job=job, state="refused"):
            assert row.code
            assert row.reason
        page = client.get(reverse("import", args=[job.pk]))
        assert page.status_code == 200
        assert b"<script>alert" not in page.content
        assert client.get(reverse("import-refused", args=[job.pk])).status_code == 200


def test_everybody_but_an_admin_is_turned_away_and_nothing_comes_in(as_: As, cast: Cast) -> None:
    job = import_start(kind="upload", created_by=cast.ada, uploads=[("a.jpg", jpeg_bytes(1))])
    version = _version(cast)
    export = export_start(form="csv", by=cast.ada, dataset=version)
    export_execute(job_id=export.pk)
    pages = [
        reverse("data"),
        reverse("import", args=[job.pk]),
        reverse("import-refused", args=[job.pk]),
        reverse("export-file", args=[export.pk]),
    ]
    acts = [
        reverse("import-start"),
        reverse("import-add", args=[job.pk]),
        reverse("import-cancel", args=[job.pk]),
        reverse("import-resume", args=[job.pk]),
        reverse("dataset-freeze"),
        reverse("export-start"),
        reverse("export-cancel", args=[export.pk]),
    ]
    for person in (cast.ann, cast.ben, cast.rui, cast.mallory):
        client = as_(person)
        for page in pages:
            assert client.get(page).status_code in (403, 404), (person.username, page)
        for act in acts:
            answer = client.post(act, {"files": [sent("b.jpg", jpeg_bytes(2))]})
            assert answer.status_code in (403, 404), (person.username, act)
    for page in pages:
        assert Client().get(page).status_code == 302
    assert ImportRow.objects.count() == 1
    assert DatasetVersion.objects.count() == 1
    assert not Event.objects.filter(verb="dataset.export").exists()


def test_acts_are_posted_and_pages_are_read(as_: As, cast: Cast) -> None:
    job = import_start(kind="upload", created_by=cast.ada, uploads=[("a.jpg", jpeg_bytes(1))])
    client = as_(cast.ada)
    for name, args in (
        ("import-start", []),
        ("import-add", [job.pk]),
        ("import-cancel", [job.pk]),
        ("import-resume", [job.pk]),
        ("dataset-freeze", []),
    ):
        assert client.get(reverse(name, args=args)).status_code == 405, name
    assert client.post(reverse("data")).status_code == 405


def test_an_upload_without_the_forms_token_is_refused_in_words(cast: Cast) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.ada)
    answer = client.post(reverse("import-start"), {"files": [sent("a.jpg", jpeg_bytes(1))]})
    assert answer.status_code == 403
    assert not ImportJob.objects.exists()


def test_more_files_than_a_request_may_have_get_a_clear_413(
    as_: As, cast: Cast, settings: LazySettings
) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    files = [sent(f"{n}.jpg", jpeg_bytes(n)) for n in range(3)]
    answer = as_(cast.ada).post(reverse("import-start"), {"files": files})
    assert answer.status_code == 413
    assert "as a zip archive" in answer.content.decode()
    assert not ImportJob.objects.exists()


def test_text_beyond_the_limit_gets_a_clear_413(as_: As, cast: Cast, settings: LazySettings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    for body in (
        {"addresses": "http://x/\n" * 200},
        {"files": [sent("a.jpg", b"x")], "addresses": "y" * 2000},
    ):
        answer = as_(cast.ada).post(reverse("import-start"), body)
        assert answer.status_code == 413
        assert "Send it as a file" in answer.content.decode()
    assert not ImportJob.objects.exists()


def test_a_request_that_says_it_is_huge_is_refused_before_it_is_read(as_: As, cast: Cast) -> None:
    answer = as_(cast.ada).post(
        reverse("import-start"),
        data=b"",
        content_type="multipart/form-data; boundary=x",
        CONTENT_LENGTH="9999999999",
    )
    assert answer.status_code == 413


@pytest.mark.parametrize(("name", "kept"), [("big.jpg", 25 * 2**20 + 1), ("shop.zip", 26 * 2**20)])
def test_of_a_picture_no_more_is_taken_from_the_wire_than_its_cap(
    rf: RequestFactory, name: str, kept: int
) -> None:
    request = rf.post("/", {"files": sent(name, b"\0" * (26 * 2**20))})
    request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
    view = streamed(lambda request: HttpResponse(str(request.FILES["files"].size)))
    assert int(view(request).content) == kept


def test_a_damaged_form_gets_a_clear_422(as_: As, cast: Cast) -> None:
    for content_type in ("multipart/form-data", "multipart/form-data; boundary=" + "x" * 500):
        answer = as_(cast.ada).post(reverse("import-start"), data=b"not a form", content_type=content_type)
        assert answer.status_code == 422, content_type
    assert as_(cast.ada).post(reverse("import-start")).status_code == 422


def test_a_picture_over_the_cap_is_refused_by_row_and_the_disk_keeps_none_of_it(
    as_: As, cast: Cast, settings: LazySettings
) -> None:
    big = sent("big.jpg", jpeg_bytes(1) + b"\0" * (26 * 2**20))
    as_(cast.ada).post(reverse("import-start"), {"files": [big, sent("a.jpg", jpeg_bytes(2))]})
    job = ImportJob.objects.get()
    import_run(job_id=job.pk)
    assert list(job.rows.values_list("reference", "state", "code")) == [
        ("big.jpg", "refused", "too_large"),
        ("a.jpg", "done", ""),
    ]
    kept = sum(file.stat().st_size for file in settings.MEDIA_ROOT.rglob("*") if file.is_file())
    assert kept < 2**20


def test_a_script_hears_where_to_send_the_rest(as_: As, cast: Cast) -> None:
    client = as_(cast.ada)
    json_please = {"accept": "application/json"}
    answer = client.post(
        reverse("import-start"), {"files": [sent("a.jpg", jpeg_bytes(1))]}, headers=json_please
    )
    assert answer.status_code == 201
    (told,) = answer.json()["imports"]
    more = client.post(told["files_url"], {"files": [sent("b.jpg", jpeg_bytes(2))]}, headers=json_please)
    assert more.json()["id"] == told["id"]
    assert ImportRow.objects.filter(job_id=told["id"]).count() == 2
    nothing = client.post(told["files_url"], headers=json_please)
    assert (nothing.status_code, nothing.json()["code"]) == (422, "nothing_sent")
    gone = client.post(
        reverse("import-add", args=[999]), {"files": [sent("a.jpg", b"x")]}, headers=json_please
    )
    assert gone.status_code == 404


def test_pictures_of_one_form_share_an_import_and_archives_get_their_own(as_: As, cast: Cast) -> None:
    files = [sent("a.jpg", jpeg_bytes(1)), sent("b.jpg", jpeg_bytes(2)), sent("z.zip", raw_zip("c.jpg"))]
    answer = as_(cast.ada).post(reverse("import-start"), {"files": files})
    assert answer.url == reverse("data")
    assert list(ImportJob.objects.order_by("pk").values_list("kind", "label")) == [
        ("upload", ""),
        ("archive", "z.zip"),
    ]


def test_a_folder_the_operator_has_not_opened_is_refused(
    as_: As, cast: Cast, settings: LazySettings, tmp_path: Path
) -> None:
    settings.IMPORT_ROOTS = [tmp_path]
    client = as_(cast.ada)
    for path in ("/etc", f"{tmp_path}/../..", "/etc/passwd\x00", "relative", f"{tmp_path}x"):
        answer = client.post(reverse("import-start"), {"folder": path})
        assert answer.status_code == 422, path
    assert not ImportJob.objects.exists()
    (tmp_path / "mugs").mkdir()
    (tmp_path / "mugs" / "a.jpg").write_bytes(jpeg_bytes(1))
    assert client.post(reverse("import-start"), {"folder": f"{tmp_path}/mugs"}).status_code == 302
    import_run(job_id=ImportJob.objects.get().pk)
    assert Image.objects.count() == 1


def test_refused_rows_go_out_without_a_cell_that_a_spreadsheet_would_run(as_: As, cast: Cast) -> None:
    job = import_start(kind="upload", created_by=cast.ada)
    for position, name in enumerate(("=cmd()", "+1", "-1", "@SUM(A1)", "plain.jpg"), start=1):
        ImportRow.objects.create(
            job=job, position=position, reference=name, state="refused", code="empty_file", reason="Empty."
        )
    answer = as_(cast.ada).get(reverse("import-refused", args=[job.pk]))
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode("utf-8-sig"))))
    assert [row["reference"] for row in rows] == ["'=cmd()", "'+1", "'-1", "'@SUM(A1)", "plain.jpg"]


def test_the_pages_take_the_same_number_of_queries_however_much_there_is(as_: As, cast: Cast) -> None:
    client = as_(cast.ada)
    counts = []
    for rounds in (2, 6):
        for _ in range(rounds):
            job = import_start(
                kind="upload", created_by=cast.ada, uploads=[(f"{n}.jpg", jpeg_bytes(n)) for n in range(3)]
            )
            ImportRow.objects.filter(job=job, position=1).update(state="refused", code="empty_file")
            label_make(cast.project)
            dataset_freeze(project=cast.project, by=cast.ada)
        client.get(reverse("data"))  # differences of versions are worked out once
        with CaptureQueriesContext(connection) as page:
            assert client.get(reverse("data")).status_code == 200
        with CaptureQueriesContext(connection) as rows:
            assert client.get(reverse("import", args=[job.pk])).status_code == 200
        counts.append((len(page), len(rows)))
    assert counts[0] == counts[1]
    assert max(counts[1]) <= 16


def _version(cast: Cast) -> DatasetVersion:
    for number in range(10):
        label_make(cast.project, mos=1 + number % 5)
    return dataset_freeze(project=cast.project, by=cast.ada)


def test_an_unknown_import_is_not_there(as_: As, cast: Cast) -> None:
    assert as_(cast.ada).get(reverse("import", args=[999])).status_code == 404


def test_freezing_nothing_says_what_to_do_first(as_: As, cast: Cast) -> None:
    answer = as_(cast.ada).post(reverse("dataset-freeze"), {"name": "a\x00b", "note": "n" * 9999})
    assert answer.status_code == 422
    assert "Label some pictures first" in answer.content.decode()
    assert not DatasetVersion.objects.exists()


def test_every_file_still_kept_can_be_fetched_from_the_page_and_each_form_is_explained(
    as_: As, cast: Cast
) -> None:
    for _ in range(10):
        label_make(cast.project)
    version = dataset_freeze(project=cast.project, by=cast.ada)
    jobs = [export_start(form=form, by=cast.ada, dataset=version) for form in ExportJob.Form]
    ExportJob.objects.update(state="done", finished_at=timezone.now())
    gone = export_start(form="votes", by=cast.ada, project=cast.project)
    ExportJob.objects.filter(pk=gone.pk).update(state="gone", finished_at=timezone.now())
    page = as_(cast.ada).get(reverse("data")).content.decode()
    for job in jobs:
        assert reverse("export-file", args=[job.pk]) in page, job.form
    assert reverse("export-file", args=[gone.pk]) not in page
    assert "2 older files" in page
    assert page.count("load_dataset") == 1
    assert f"0 settled since {version.name}" in page
