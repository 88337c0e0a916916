"""Data: files go out with progress, each refused row says why, finished labels freeze into versions."""

from __future__ import annotations

import base64
import csv
from collections.abc import Callable
from pathlib import Path

from django.conf import LazySettings
from playwright.sync_api import Page, expect

from labeling.dataset import dataset_freeze
from labeling.export import export_execute
from labeling.models import ExportJob
from scoring.import_rows import BATCH, rows_claim, rows_work
from scoring.ingest import import_run, import_start
from scoring.models import Image, ImportJob
from scoring.sources import source_of
from tests.browser.conftest import Visits
from tests.conftest import Cast
from tests.factories import jpeg_bytes, label_make

Check = Callable[[Page, str], None]


def picture(name: str, seed: int) -> dict[str, object]:
    return {"name": name, "mimeType": "image/jpeg", "buffer": jpeg_bytes(seed)}


NOT_A_PICTURE = {"name": "invoice.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7 nothing"}

DROP = """
(names) => {
  const transfer = new DataTransfer();
  for (const [name, base64] of names) {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    transfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
  }
  const zone = document.querySelector("[data-bring]");
  for (const type of ["dragenter", "dragover", "drop"])
    zone.dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
}
"""


def test_chosen_files_go_out_and_every_row_says_what_became_of_it(
    page_of: Visits, cast: Cast, check: Check
) -> None:
    page = page_of(cast.ada)
    page.goto("/data/")
    check(page, "data-empty")
    page.locator("#files").set_input_files([picture("mug.jpg", 1), picture("vase.jpg", 2), NOT_A_PICTURE])
    expect(page.get_by_role("heading", name="3 of 3 files sent")).to_be_visible()
    imports = page.get_by_role("region", name="Imports")
    expect(imports.get_by_text("Running")).to_be_visible()
    job = ImportJob.objects.get()
    import_run(job_id=job.pk)
    expect(imports.get_by_text("2 added, 1 refused")).to_be_visible()
    expect(imports).not_to_have_attribute("hx-trigger", "every 1s")
    check(page, "data-sent")
    page.get_by_role("link", name="See what became of them").click()
    expect(page).to_have_url(f"/imports/{job.pk}/")
    check(page, "import")
    page.get_by_role("link", name="Refused 1").click()
    expect(page.get_by_text("This is not a JPEG, PNG, WEBP, GIF or AVIF picture.")).to_be_visible()
    expect(page.get_by_text("mug.jpg")).to_have_count(0)
    with page.expect_download() as download:
        page.get_by_role("link", name="Refused rows as CSV").click()
    rows = list(csv.DictReader(Path(download.value.path()).read_text("utf-8-sig").splitlines()))
    assert [(row["reference"], row["code"]) for row in rows] == [("invoice.pdf", "format_not_allowed")]


def test_dropped_pictures_share_one_import_however_many_requests_they_take(
    page_of: Visits, cast: Cast, settings: LazySettings
) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    page = page_of(cast.ada)
    page.goto("/data/")
    names = [[f"{n}.jpg", base64.b64encode(jpeg_bytes(n)).decode()] for n in range(5)]
    page.evaluate(DROP, names)
    expect(page.get_by_role("heading", name="5 of 5 files sent")).to_be_visible()
    job = ImportJob.objects.get()
    import_run(job_id=job.pk)
    assert Image.objects.count() == 5


def test_a_file_that_is_too_large_is_not_even_sent_and_the_rest_is(
    page_of: Visits, cast: Cast, tmp_path: Path
) -> None:
    big, mug = tmp_path / "big.jpg", tmp_path / "mug.jpg"
    with big.open("wb") as file:
        file.truncate(25 * 2**20 + 1)
    mug.write_bytes(jpeg_bytes(1))
    page = page_of(cast.ada)
    page.goto("/data/")
    page.locator("#files").set_input_files([big, mug])
    expect(page.get_by_role("heading", name="1 of 2 files sent")).to_be_visible()
    expect(page.get_by_text("larger than 25 MB", exact=True)).to_be_visible()
    assert list(ImportJob.objects.get().rows.values_list("reference", flat=True)) == ["mug.jpg"]


def test_an_import_is_watched_cancelled_and_taken_up_again(page_of: Visits, cast: Cast, check: Check) -> None:
    uploads = [(f"{n}.jpg", jpeg_bytes(n)) for n in range(20)]
    job = import_start(kind="upload", created_by=cast.ada, uploads=uploads)
    page = page_of(cast.ada)
    page.goto(f"/imports/{job.pk}/")
    with source_of(job) as source:
        rows_work(rows_claim(job), source)  # one batch, as far as a worker came
    expect(page.get_by_text(f"{BATCH} of 20")).to_be_visible()
    check(page, "import-running")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled")).to_be_visible()
    import_run(job_id=job.pk)
    assert Image.objects.count() == BATCH
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("Running").first).to_be_visible()
    import_run(job_id=job.pk)
    expect(page.get_by_text("20 added")).to_be_visible()
    expect(page.locator("#import-live")).not_to_have_attribute("hx-trigger", "every 1s")


def test_addresses_are_fetched_by_plain_form_without_any_script(page_of: Visits, cast: Cast) -> None:
    page = page_of(cast.ada, java_script_enabled=False)
    page.goto("/data/")
    page.get_by_text("From web addresses").click()
    page.get_by_label("Addresses of pictures").fill("http://127.0.0.1/a.jpg\nftp://x/b.jpg")
    page.get_by_role("button", name="Fetch").click()
    job = ImportJob.objects.get()
    expect(page).to_have_url(f"/imports/{job.pk}/")
    import_run(job_id=job.pk)
    page.reload()
    expect(page.get_by_text("The address leads into a private network.")).to_be_visible()
    page.goto("/data/")
    page.locator("#files").set_input_files([picture("mug.jpg", 1)])
    page.get_by_role("button", name="Bring in", exact=True).first.click()
    expect(page).to_have_url(f"/imports/{job.pk + 1}/")


def test_labels_freeze_into_versions_that_tell_what_changed_and_can_be_taken_away(
    page_of: Visits, cast: Cast, check: Check
) -> None:
    for number in range(12):
        label_make(cast.project, mos=1 + number % 5)
    dataset_freeze(project=cast.project, by=cast.ada, note="the first dozen")
    for number in range(30):
        label_make(cast.project, mos=1 + number % 5)
    page = page_of(cast.ada)
    page.goto("/data/")
    expect(page.get_by_text("42 finished labels are ready")).to_be_visible()
    page.get_by_role("button", name="Freeze").click()
    expect(page.get_by_text("Version v2 is frozen: 42 labels.")).to_be_visible()
    expect(page.get_by_text("30 new, 0 gone, 0 changed since the version before")).to_be_visible()
    check(page, "data-versions")
    page.get_by_role("button", name="Freeze").click()
    expect(page.get_by_text("The labels are those of version v2 already.")).to_be_visible()
    page.get_by_role("link", name="v2", exact=True).click()
    expect(page.get_by_text("30 new, 0 gone, 0 with another label, 12 the same.")).to_be_visible()
    check(page, "version")
    page.get_by_role("link", name="Data").last.click()
    page.get_by_role("button", name="Label Studio").first.click()
    files = page.get_by_role("region", name="Files to take away")
    expect(files.get_by_text("Rows written")).to_be_visible()
    check(page, "data-exports")
    export_execute(job_id=ExportJob.objects.get().pk)
    with page.expect_download() as download:
        files.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename.endswith(".label-studio.json")
    assert Path(download.value.path()).stat().st_size > 1000
    page.get_by_role("button", name="All votes as CSV").click()
    files.get_by_role("button", name="Cancel").click()
    expect(files.get_by_text("Cancelled")).to_be_visible()


def test_a_broken_archive_says_why_and_stays_broken(page_of: Visits, cast: Cast, check: Check) -> None:
    job = import_start(
        kind="archive", created_by=cast.ada, label="shop.zip", uploads=[("shop.zip", b"PK no")]
    )
    import_run(job_id=job.pk)
    page = page_of(cast.ada)
    page.goto(f"/imports/{job.pk}/")
    expect(page.get_by_text("This is not a zip archive, or it is damaged.")).to_be_visible()
    check(page, "import-failed")
