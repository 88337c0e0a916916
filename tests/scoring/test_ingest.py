"""Pictures come in once, refusals say why, and an import goes on where it stopped."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scoring import import_rows
from scoring.core.reencode import Refusal
from scoring.errors import BadInputError, NotAllowedError, NotThereError, TooLargeError
from scoring.gate import AdmittedPicture
from scoring.ingest import import_add, import_cancel, import_progress, import_resume, import_run, import_start
from scoring.management.commands.ingest import Command
from scoring.models import Image, ImportJob, ImportRow, ScoringJob
from scoring.spool import upload_name
from tests.conftest import Cast
from tests.factories import jpeg_bytes

pytestmark = pytest.mark.django_db

UPLOADS = [("a.jpg", jpeg_bytes(1)), ("b.jpg", jpeg_bytes(2)), ("notes.txt", b"no picture at all")]


def test_an_upload_lets_pictures_in_and_says_of_the_rest_why_not(cast: Cast) -> None:
    job = import_start(kind="upload", created_by=cast.ada, uploads=UPLOADS)
    import_run(job_id=job.pk)
    job.refresh_from_db()
    assert job.state == ImportJob.State.DONE
    assert Image.objects.count() == ScoringJob.objects.count() == 2
    refused = ImportRow.objects.get(job=job, state="refused")
    assert (refused.reference, refused.code) == ("notes.txt", "format_not_allowed")
    assert refused.reason.endswith(".")


def test_the_same_pictures_twice_are_known_the_second_time(cast: Cast) -> None:
    for _ in range(2):
        job = import_start(kind="upload", created_by=cast.ada, uploads=UPLOADS[:2])
        import_run(job_id=job.pk)
    assert Image.objects.count() == 2
    assert import_progress(job=job).duplicate == 2


def test_running_a_finished_job_again_changes_nothing(cast: Cast) -> None:
    job = import_start(kind="upload", created_by=cast.ada, uploads=UPLOADS)
    import_run(job_id=job.pk)
    before = list(ImportRow.objects.values_list("pk", "state", "attempts"))
    assert import_run(job_id=job.pk) == {"job": job.pk, "rows": 0}
    assert list(ImportRow.objects.values_list("pk", "state", "attempts")) == before


def test_an_annotator_may_not_import_and_nothing_is_written(cast: Cast) -> None:
    with pytest.raises(NotAllowedError):
        import_start(kind="upload", created_by=cast.ann, uploads=UPLOADS)
    assert not ImportJob.objects.exists()


def test_a_folder_comes_in_with_its_folders_as_categories(tmp_path: Path, db: None) -> None:
    (tmp_path / "mugs").mkdir()
    (tmp_path / "mugs" / "blue.jpg").write_bytes(jpeg_bytes(3))
    job = import_start(kind="folder", created_by=None, path=str(tmp_path))
    import_run(job_id=job.pk)
    image = Image.objects.select_related("product").get()
    assert (image.product.category, image.product.title) == ("mugs", "blue")


def test_a_folder_from_the_browser_must_be_opened_by_the_operator(cast: Cast, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="VITRINE_IMPORT_ROOTS"):
        import_start(kind="folder", created_by=cast.ada, path=str(tmp_path))


def test_a_zip_sent_by_the_browser_is_read_by_a_worker(cast: Cast) -> None:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("shoes/1.jpg", jpeg_bytes(4))
        archive.writestr("shoes/readme.txt", "hello")
    job = import_start(kind="archive", created_by=cast.ada, uploads=[("shop.zip", body.getvalue())])
    import_run(job_id=job.pk)
    assert Image.objects.get().product.category == "shoes"


def test_a_file_that_is_no_zip_fails_the_job_with_its_reason(cast: Cast) -> None:
    job = import_start(kind="archive", created_by=cast.ada, uploads=[("shop.zip", b"PK nothing")])
    import_run(job_id=job.pk)
    job.refresh_from_db()
    assert job.state == ImportJob.State.FAILED
    assert job.error


def test_a_table_beside_its_pictures_brings_products_and_refuses_bad_rows(tmp_path: Path, db: None) -> None:
    (tmp_path / "k.jpg").write_bytes(jpeg_bytes(5))
    (tmp_path / "rows.csv").write_text(
        "product id,title,category,seller,image\n"
        "K1,Kettle 水壶,kitchen,Lin,k.jpg\nK2,Gone,kitchen,Lin,gone.jpg\n"
    )
    job = import_start(kind="table", created_by=None, path=str(tmp_path / "rows.csv"))
    import_run(job_id=job.pk)
    product = Image.objects.select_related("product").get().product
    assert (product.external_id, product.title, product.seller) == ("K1", "Kettle 水壶", "Lin")
    assert ImportRow.objects.get(state="refused").reference == "gone.jpg"


def test_an_address_of_this_machine_is_refused_and_the_job_succeeds(cast: Cast) -> None:
    body = b"http://127.0.0.1/a.jpg\nhttp://[::1]/b.jpg\n"
    job = import_start(kind="urls", created_by=cast.ada, uploads=[("list.txt", body)])
    import_run(job_id=job.pk)
    job.refresh_from_db()
    assert job.state == ImportJob.State.DONE
    assert import_progress(job=job).refused == 2


def test_a_cancelled_import_stops_and_resumes_where_it_was(cast: Cast) -> None:
    job = import_start(kind="upload", created_by=cast.ada, uploads=UPLOADS[:2])
    import_cancel(job_id=job.pk, by=cast.ada)
    import_run(job_id=job.pk)
    assert not Image.objects.exists()
    import_resume(job_id=job.pk, by=cast.ada)
    import_run(job_id=job.pk)
    assert Image.objects.count() == 2


def test_files_of_a_second_request_join_the_same_import(cast: Cast) -> None:
    job = import_start(kind="upload", created_by=cast.ada, uploads=UPLOADS[:1])
    import_run(job_id=job.pk)
    import_add(job_id=job.pk, uploads=UPLOADS[1:2], by=cast.ada)
    import_run(job_id=job.pk)
    job.refresh_from_db()
    assert import_progress(job=job).done == 2
    assert job.state == ImportJob.State.DONE


class Endless(io.RawIOBase):
    """A stream of zeros that counts how much of it was read."""

    def __init__(self, byte_count: int) -> None:
        self.left, self.given, self.largest = byte_count, 0, 0

    def read(self, size: int = -1) -> bytes:
        taken = min(self.left, size if size >= 0 else self.left)
        self.left -= taken
        self.given += taken
        self.largest = max(self.largest, taken)
        return b"\0" * taken


def test_a_picture_over_the_cap_is_refused_by_row_and_never_read_to_its_end(cast: Cast) -> None:
    stream = Endless(100 * 2**20)
    job = import_start(
        kind="upload", created_by=cast.ada, uploads=[("big.jpg", stream), ("a.jpg", jpeg_bytes(1))]
    )
    assert stream.largest <= 2**20
    assert stream.given < 26 * 2**20
    import_run(job_id=job.pk)
    row = ImportRow.objects.get(job=job, state="refused")
    assert (row.reference, row.code) == ("big.jpg", "too_large")
    assert Image.objects.count() == 1


def test_a_table_over_the_cap_is_refused_and_leaves_no_job(cast: Cast) -> None:
    with pytest.raises(TooLargeError):
        import_start(kind="table", created_by=cast.ada, uploads=[("big.csv", Endless(257 * 2**20))])
    assert not ImportJob.objects.exists()


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\a.jpg", "a.jpg"),
        ("a\x00b.jpg", "ab.jpg"),
        ("gpj.\u202eexe", "gpj.exe"),
        ("\ud800.jpg", "?.jpg"),
        ("", "?"),
        ("/", "?"),
        ("x" * 5000 + ".jpg", "x" * 196 + ".jpg"),
    ],
)
def test_the_name_of_an_upload_is_only_shown(cast: Cast, hostile: str, shown: str) -> None:
    assert upload_name(hostile) == shown
    job = import_start(kind="upload", created_by=cast.ada, label=hostile, uploads=[(hostile, jpeg_bytes(1))])
    assert ImportRow.objects.get(job=job).reference == shown


def test_a_file_whose_name_is_no_text_is_refused_and_the_rest_of_the_folder_comes_in(
    tmp_path: Path, db: None
) -> None:
    (tmp_path / "b.jpg").write_bytes(jpeg_bytes(3))
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\xff.jpg")).write_bytes(jpeg_bytes(4))
    job = import_start(kind="folder", created_by=None, path=str(tmp_path))
    import_run(job_id=job.pk)
    assert dict(ImportRow.objects.values_list("state", "code")) == {"done": "", "refused": "bad_name"}


def test_an_import_stopped_while_its_rows_were_being_listed_loses_none_of_them(
    tmp_path: Path, cast: Cast
) -> None:
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg_bytes(number))
    job = import_start(kind="folder", created_by=None, path=str(tmp_path))
    ImportRow.objects.create(job=job, position=1, reference="0.jpg")  # as far as a killed reader came
    import_cancel(job_id=job.pk, by=cast.ada)
    import_resume(job_id=job.pk, by=cast.ada)
    import_run(job_id=job.pk)
    assert Image.objects.count() == 3


def test_an_import_that_is_not_there_says_so(cast: Cast) -> None:
    with pytest.raises(NotThereError):
        import_cancel(job_id=999, by=cast.ada)


def test_a_refusal_that_may_pass_keeps_the_upload_so_that_it_can_be_tried_again(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_slow(data: bytes) -> AdmittedPicture:
        raise Refusal("timeout")

    job = import_start(kind="upload", created_by=cast.ada, uploads=UPLOADS[:1])
    with monkeypatch.context() as slow:
        slow.setattr(import_rows, "admit", too_slow)
        import_run(job_id=job.pk)
    assert ImportRow.objects.get().code == "timeout"
    import_resume(job_id=job.pk, by=cast.ada)
    import_run(job_id=job.pk)
    assert import_progress(job=job).done == 1
    assert Image.objects.get().byte_count > 0


def test_while_one_worker_reads_a_source_another_leaves_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    job = import_start(kind="table", created_by=None, uploads=[("a.csv", b"image\nhttp://127.0.0.1/a.jpg\n")])

    @contextmanager
    def somebody_reads(job_id: int) -> Iterator[bool]:
        yield False

    with monkeypatch.context() as patch:
        patch.setattr("scoring.ingest.import_reading", somebody_reads)
        assert import_run(job_id=job.pk)["rows"] == 0
    assert not job.rows.exists()
    assert import_run(job_id=job.pk)["rows"] == 1


def test_the_command_says_so_when_a_folder_holds_no_picture(tmp_path: Path, cast: Cast) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    job = import_start(kind="folder", created_by=None, label="shop", path=str(tmp_path))
    import_run(job_id=job.pk)
    told = io.StringIO()
    Command(stdout=told)._tell(ImportJob.objects.get(pk=job.pk))
    assert told.getvalue() == "No pictures were found in shop.\n"
