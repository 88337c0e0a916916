"""``manage.py export``: have a dataset version or the votes written to a file or to standard output."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from labeling.export import OPEN, export_execute, export_start, export_take
from labeling.models import ExportJob, Project
from scoring.models import DatasetVersion

TICK_S = 0.2


class Command(BaseCommand):
    help = "Write a frozen dataset, or the votes of a project."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dataset", help="name of a dataset version (default: the newest)")
        parser.add_argument("--project", help="name of a project whose votes to write, instead of a dataset")
        parser.add_argument(
            "--format", choices=ExportJob.Form.values, help="default: csv; of a project votes"
        )
        parser.add_argument("--out", type=Path, help="file to write (default: standard output)")

    def handle(self, *args: Any, **options: Any) -> None:
        job = self._written(self._job(options))
        _, file = export_take(job_id=job.pk, by=None)
        with file:
            if options["out"] is None:
                shutil.copyfileobj(file, sys.stdout.buffer)
                return
            self._keep(file, options["out"])
        self.stderr.write(f"{job.total} rows of {job.dataset or job.project} written to {options['out']}")

    def _job(self, options: dict[str, Any]) -> ExportJob:
        if options["project"]:
            project = Project.objects.filter(name=options["project"]).first()
            if project is None:
                raise CommandError("There is no such project.")
            return export_start(form=options["format"] or "votes", by=None, project=project)
        found = DatasetVersion.objects.all()
        dataset = (found.filter(name=options["dataset"]) if options["dataset"] else found).first()
        if dataset is None:
            raise CommandError("There is no such dataset. Freeze one on the Data page first.")
        return export_start(form=options["format"] or "csv", by=None, dataset=dataset)

    def _written(self, job: ExportJob) -> ExportJob:
        """The job once its file is there; a worker may have taken it, else it is written here."""
        while job.state in OPEN:
            if export_execute(job_id=job.pk) == "not ours":
                time.sleep(TICK_S)
            job.refresh_from_db()
        if job.state != ExportJob.State.DONE:
            raise CommandError(job.error or "The export was stopped.")
        return job

    def _keep(self, file: IO[bytes], out: Path) -> None:
        draft = out.with_name(out.name + ".part")
        with draft.open("wb") as kept:
            shutil.copyfileobj(file, kept)
        draft.replace(out)
