"""``manage.py ingest PATH``: bring in a folder, a zip, a table or addresses, and wait for the scores."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from scoring.ingest import import_progress, import_start
from scoring.models import ImportJob, ImportRow
from scoring.score import score_progress

TABLES = (".csv", ".tsv", ".jsonl", ".json")
KINDS = {".zip": "archive", **dict.fromkeys(TABLES, "table"), ".txt": "urls"}
TICK_S = 0.5


class Command(BaseCommand):
    help = "Bring in pictures and wait until they are scored."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", help="a folder, .zip, .csv, .jsonl, or .txt of addresses")
        parser.add_argument("--no-wait", action="store_true", help="return as soon as the import is queued")

    def handle(self, *args: Any, **options: Any) -> None:
        path = Path(options["source"]).resolve()
        if not path.exists():
            raise CommandError(f"There is no {path}")
        kind = "folder" if path.is_dir() else KINDS.get(path.suffix.lower())
        if kind is None:
            raise CommandError(f"{path.name} is neither a folder nor one of {', '.join(KINDS)}")
        job = import_start(kind=kind, created_by=None, label=path.name, path=str(path))
        if options["no_wait"]:
            self.stdout.write(f"Import {job.pk} is queued.")
            return
        self._watch(job)

    def _watch(self, job: ImportJob) -> None:
        while True:
            job.refresh_from_db()
            progress = import_progress(job=job)
            self._line(f"{progress.total - progress.pending} of {progress.total} read, {progress.rate:.0f}/s")
            if job.state in (ImportJob.State.DONE, ImportJob.State.FAILED, ImportJob.State.CANCELLED):
                break
            time.sleep(TICK_S)
        self.stderr.write("")
        if job.state == ImportJob.State.FAILED:
            raise CommandError(job.error)
        self._wait_for_scores()
        self._tell(job)

    def _wait_for_scores(self) -> None:
        while (progress := score_progress()).done < progress.total:
            self._line(f"{progress.done} of {progress.total} scored")
            time.sleep(TICK_S)
        self.stderr.write("")

    def _tell(self, job: ImportJob) -> None:
        progress = import_progress(job=job)
        if not progress.total:
            self.stdout.write(f"No pictures were found in {job.label}.")
            return
        self.stdout.write(
            f"{progress.done} added, {progress.duplicate} known already, {progress.refused} refused."
        )
        refused = ImportRow.objects.filter(job=job, state=ImportRow.State.REFUSED)
        for row in refused[:20]:
            self.stdout.write(f"  {row.reference}: {row.reason}")

    def _line(self, text: str) -> None:
        if self.stderr.isatty():
            self.stderr.write(f"\r{text:<60}", ending="")
            self.stderr.flush()
