"""A file is written once, whole or not at all, however often workers die, and goes only to whom it may."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import mlcroissant
import pytest
import yaml
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db import DatabaseError, IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pyarrow import parquet

from labeling import export
from labeling.annotate import annotation_submit
from labeling.dataset import dataset_freeze
from labeling.export import export_cancel, export_execute, export_start, export_sweep, export_take
from labeling.lease import lease_next
from labeling.models import Consensus, ExportJob, Item
from scoring.changes import dataset_changes
from scoring.errors import ConflictError, NotThereError
from scoring.models import DatasetRow, DatasetVersion, Event
from tests.conftest import Cast
from tests.factories import item_make, label_make, score_make

pytestmark = pytest.mark.django_db


@pytest.fixture
def version(cast: Cast) -> DatasetVersion:
    for number in range(12):
        label = label_make(cast.project, mos=1 + number % 5)
        Item.objects.filter(pk=label.item_id).update(is_holdout=number < 3)
    return dataset_freeze(project=cast.project, by=cast.ada, note="a dozen")


def written(version: DatasetVersion, form: str) -> bytes:
    job = export_start(form=form, by=None, dataset=version)
    export_execute(job_id=job.pk)
    _, file = export_take(job_id=job.pk, by=None)
    with file:
        return file.read()


def files_kept(settings: LazySettings) -> list[str]:
    folder = Path(settings.MEDIA_ROOT) / "exports"
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_finished_file_is_whole_and_the_trail_says_who_took_it(cast: Cast, version: DatasetVersion) -> None:
    client = Client()
    client.force_login(cast.ada)
    asked = {"dataset": version.pk, "form": "jsonl"}
    assert client.post(reverse("export-start"), asked).url == reverse("data") + "#exports"
    job = ExportJob.objects.get()
    early = client.get(reverse("export-file", args=[job.pk]))
    assert early.status_code == 409
    export_execute(job_id=job.pk)
    answer = client.get(reverse("export-file", args=[job.pk]))
    assert len([json.loads(line) for line in answer.getvalue().decode().splitlines()]) == 12
    assert f"vitrine-{version.digest[:12]}.jsonl" in answer["Content-Disposition"]
    took = Event.objects.get(verb="dataset.export")
    assert (took.actor, took.target_id, took.after) == (cast.ada, version.pk, {"format": "jsonl"})


def test_a_version_never_changes_so_its_file_is_written_once(version: DatasetVersion) -> None:
    first = export_start(form="csv", by=None, dataset=version)
    assert export_start(form="csv", by=None, dataset=version) == first
    export_execute(job_id=first.pk)
    assert export_start(form="csv", by=None, dataset=version) == first
    assert export_start(form="coco", by=None, dataset=version) != first


def test_votes_go_on_coming_in_so_they_are_written_anew(cast: Cast) -> None:
    first = export_start(form="votes", by=cast.ada, project=cast.project)
    assert export_start(form="votes", by=cast.ada, project=cast.project) == first
    export_execute(job_id=first.pk)
    assert export_start(form="votes", by=cast.ada, project=cast.project) != first


def test_the_database_lets_no_file_be_written_twice_at_a_time(version: DatasetVersion) -> None:
    export_start(form="csv", by=None, dataset=version)
    with pytest.raises(IntegrityError, match="a_file_is_written_once_at_a_time"), transaction.atomic():
        ExportJob.objects.create(form="csv", dataset=version)
    with pytest.raises(IntegrityError, match="an_export_is_of_a_version_or_of_votes"), transaction.atomic():
        ExportJob.objects.create(form="csv")


@pytest.fixture
def at_every_batch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[], None]], None]]:
    """Something happens once, while a worker is in the middle of a file."""

    def arrange(happens: Callable[[], None]) -> None:
        first = export._Beat.__call__

        def beat(self: Any, done: int, *, total: int | None = None) -> None:
            if done:
                happens()
                self.next = 0.0
            first(self, done, total=total)

        monkeypatch.setattr(export._Beat, "__call__", beat)

    return arrange  # type: ignore[return-value]


def test_a_cancelled_file_is_thrown_away_at_the_next_batch(
    version: DatasetVersion, settings: LazySettings, at_every_batch: Any
) -> None:
    job = export_start(form="csv", by=None, dataset=version)
    at_every_batch(lambda: export_cancel(job_id=job.pk, by=None))
    assert export_execute(job_id=job.pk) == "cancelled"
    assert files_kept(settings) == []
    with pytest.raises(NotThereError):
        export_take(job_id=job.pk, by=None)


def test_a_file_whose_worker_died_is_written_from_the_start_by_the_next(
    version: DatasetVersion, settings: LazySettings, at_every_batch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = export_start(form="csv", by=None, dataset=version)

    def killed() -> None:
        raise SystemExit  # stands in for SIGKILL: nothing of the station runs after it

    at_every_batch(killed)
    with pytest.raises(SystemExit):
        export_execute(job_id=job.pk)
    monkeypatch.undo()
    assert export_execute(job_id=job.pk) == "not ours"
    assert export_sweep()["freed"] == 0
    ExportJob.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    half = Path(settings.MEDIA_ROOT) / job.folder / "file.csv.dead.part"
    half.write_bytes(b"half")
    assert export_sweep()["freed"] == 1
    assert export_execute(job_id=job.pk) == "done"
    assert files_kept(settings) == ["file.csv"]
    _, file = export_take(job_id=job.pk, by=None)
    assert len(list(csv.reader(io.TextIOWrapper(file)))) == 13


def test_a_worker_that_lost_its_lease_finishes_nothing(version: DatasetVersion, at_every_batch: Any) -> None:
    job = export_start(form="csv", by=None, dataset=version)
    at_every_batch(lambda: ExportJob.objects.update(token=uuid4()) and None)
    assert export_execute(job_id=job.pk) == "running"
    with pytest.raises(ConflictError):
        export_take(job_id=job.pk, by=None)


def test_a_file_that_kills_every_worker_is_given_up(version: DatasetVersion) -> None:
    job = export_start(form="csv", by=None, dataset=version)
    long_ago = timezone.now() - timedelta(hours=1)
    ExportJob.objects.update(state="running", token=uuid4(), lease_until=long_ago, attempts=3)
    assert export_sweep()["failed"] == 1
    job.refresh_from_db()
    assert (job.state, job.error) == ("failed", export.GIVEN_UP)


def test_a_file_is_kept_for_the_days_that_are_set(version: DatasetVersion, settings: LazySettings) -> None:
    settings.EXPORT_DAYS = 2
    written(version, "csv")
    assert export_sweep()["gone"] == 0
    ExportJob.objects.update(finished_at=timezone.now() - timedelta(days=3))
    assert export_sweep()["gone"] == 1
    assert files_kept(settings) == []
    with pytest.raises(NotThereError):
        export_take(job_id=ExportJob.objects.get().pk, by=None)
    assert written(version, "csv")  # asked for again, it is written again


def test_parquet_unpacks_to_what_the_hub_expects(version: DatasetVersion, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(written(version, "parquet"))) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path)
    card = (tmp_path / "README.md").read_text()
    head = yaml.safe_load(card.split("---")[1])
    paths = {one["split"]: one["path"] for one in head["configs"][0]["data_files"]}
    tables = {split: parquet.read_table(tmp_path / path) for split, path in paths.items()}
    assert set(paths) <= {"train", "validation", "test"}
    assert sum(table.num_rows for table in tables.values()) == 12
    assert tables["test"].num_rows >= 3
    assert tables["test"].column("target_score").null_count == 0
    assert sum(len(set(table.column("image_id").to_pylist())) for table in tables.values()) == 12
    assert version.digest in card
    assert "|---|---|---|\n| train | train |" in card  # a blank line would take the table apart


def test_croissant_metadata_passes_the_validator_and_reads_the_rows(
    version: DatasetVersion, tmp_path: Path
) -> None:
    with zipfile.ZipFile(io.BytesIO(written(version, "croissant"))) as archive:
        archive.extractall(tmp_path)
    dataset = mlcroissant.Dataset(tmp_path / "croissant.json")
    assert not dataset.metadata.issues.errors
    rows = list(dataset.records("rows"))
    assert len(rows) == 12
    assert {row["rows/split"] for row in rows} <= {b"train", b"calibration", b"holdout"}


def test_a_version_knows_the_votes_it_was_made_of(cast: Cast) -> None:
    score_make(item_make(cast.project, slots=1).image)
    (slot,) = lease_next(user=cast.ann, project=cast.project)
    vote = annotation_submit(user=cast.ann, assignment_id=slot.pk, key=uuid4(), rating=4)
    label = label_make(cast.project)
    Item.objects.filter(pk=vote.item_id).update(state="settled")
    label.pk = None
    type(label).objects.create(
        **{
            field.attname: getattr(label, field.attname)
            for field in label._meta.concrete_fields
            if field.attname not in ("id", "item_id")
        },
        item_id=vote.item_id,
    )
    version = dataset_freeze(project=cast.project, by=cast.ada)
    again = annotation_submit(
        user=cast.ann, assignment_id=slot.pk, key=uuid4(), rating=2, supersedes_id=vote.pk
    )
    assert again.pk != vote.pk
    rows = list(csv.DictReader(io.StringIO(written(version, "votes").decode())))
    assert [(row["vote"], row["rater"], row["rating"]) for row in rows] == [(str(vote.pk), "ann", "4")]


def test_the_database_refuses_to_change_a_frozen_version(cast: Cast, version: DatasetVersion) -> None:
    row = DatasetRow.objects.filter(dataset=version).first()
    assert row is not None
    other = label_make(cast.project).item.image
    extra = DatasetRow(
        dataset=version, image=other, group="g", split="train", target_score=1, target_std=1, weight=1
    )
    extra.vote_count = 1
    acts: list[Callable[[], object]] = [
        lambda: DatasetRow.objects.filter(pk=row.pk).update(target_score=0),
        lambda: DatasetRow.objects.filter(pk=row.pk).delete(),
        lambda: DatasetVersion.objects.filter(pk=version.pk).update(row_count=13),
        lambda: DatasetVersion.objects.filter(pk=version.pk).delete(),
        extra.save,
    ]
    for act in acts:
        with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
            act()
    assert DatasetRow.objects.filter(dataset=version).count() == 12
    DatasetVersion.objects.filter(pk=version.pk).update(created_by=None)  # an account may go


def test_the_command_writes_what_the_page_writes(
    cast: Cast, version: DatasetVersion, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    out = tmp_path / "labels.csv"
    call_command("export", "--out", str(out))
    assert out.read_bytes() == written(version, "csv")
    call_command("export", "--project", cast.project.name, "--out", str(tmp_path / "votes.csv"))
    assert (tmp_path / "votes.csv").read_text().startswith("vote,image")
    with pytest.raises(CommandError):
        call_command("export", "--dataset", "nothing")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.csv", "votes.csv"]


def test_the_page_of_a_version_tells_its_votes_and_what_another_has_not(
    cast: Cast, version: DatasetVersion
) -> None:
    client = Client()
    client.force_login(cast.ada)
    alone = client.get(reverse("dataset-version", args=[version.pk])).content.decode()
    assert "There is no other version" in alone
    label = label_make(cast.project, mos=5)
    changed = version.rows.first()
    assert changed is not None
    Consensus.objects.filter(item__image=changed.image).update(mos_score=97.5)
    newer = dataset_freeze(project=cast.project, by=cast.ada)
    changes = dataset_changes(old=version, new=newer, limit=10)
    assert [(change.kind, change.image, change.new_score) for change in changes] == [
        ("added", label.item.image, 100.0),
        ("changed", changed.image, 97.5),
    ]
    assert [change.kind for change in dataset_changes(old=newer, new=version, limit=10)] == [
        "removed",
        "changed",
    ]
    page = client.get(reverse("dataset-version", args=[newer.pk])).content.decode()
    assert "1 new, 0 gone, 1 with another label, 11 the same." in page
    back = client.get(reverse("dataset-version", args=[version.pk]), {"against": newer.pk}).content.decode()
    assert "0 new, 1 gone, 1 with another label, 11 the same." in back
    assert client.get(reverse("dataset-version", args=[999])).status_code == 404
