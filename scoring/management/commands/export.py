"""``manage.py export``: write a dataset version to a file or to standard output."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from scoring.dataset import FORMATS, dataset_export
from scoring.models import DatasetVersion


class Command(BaseCommand):
    help = "Write a frozen dataset."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dataset", help="name of a dataset version (default: the newest)")
        parser.add_argument("--format", choices=FORMATS, default="csv")
        parser.add_argument("--out", type=Path, help="file to write (default: standard output)")

    def handle(self, *args: Any, **options: Any) -> None:
        found = DatasetVersion.objects.all()
        if options["dataset"]:
            found = found.filter(name=options["dataset"])
        dataset = found.first()
        if dataset is None:
            raise CommandError("There is no such dataset. Freeze one on the Data page first.")
        if options["out"] is None:
            dataset_export(dataset=dataset, fmt=options["format"], out=sys.stdout)
            return
        draft = options["out"].with_name(options["out"].name + ".part")
        with draft.open("w", encoding="utf-8", newline="") as out:
            count = dataset_export(dataset=dataset, fmt=options["format"], out=out)
        draft.replace(options["out"])
        self.stderr.write(f"{count} rows of {dataset.name} written to {options['out']}")
