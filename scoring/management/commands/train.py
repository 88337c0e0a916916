"""``manage.py train``: retrain on the newest dataset version and wait for the gate's verdict."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from scoring.errors import StationError
from scoring.models import DatasetVersion, TrainingRun
from scoring.train import training_start

ENDED = (TrainingRun.State.EVALUATED, TrainingRun.State.FAILED, TrainingRun.State.CANCELLED)


class Command(BaseCommand):
    help = "Retrain on a frozen dataset and say what the gate decided."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dataset", help="name of a dataset version (default: the newest)")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--no-promote", action="store_true", help="leave a passing candidate unpromoted")

    def handle(self, *args: Any, **options: Any) -> None:
        found = DatasetVersion.objects.all()
        if options["dataset"]:
            found = found.filter(name=options["dataset"])
        dataset = found.first()
        if dataset is None:
            raise CommandError("There is no such dataset. Freeze one on the Data page first.")
        try:
            run = training_start(
                dataset=dataset,
                kind=TrainingRun.Kind.FAST,
                trigger=TrainingRun.Trigger.COMMAND,
                started_by=None,
                seed=options["seed"],
                promote=not options["no_promote"],
            )
        except StationError as error:
            raise CommandError(str(error)) from error
        self._watch(run)

    def _watch(self, run: TrainingRun) -> None:
        while run.state not in ENDED:
            time.sleep(0.3)
            run.refresh_from_db()
        if run.state != TrainingRun.State.EVALUATED or run.candidate is None:
            raise CommandError(run.error or f"The run is {run.get_state_display()}.")
        verdict = run.candidate.verdict
        self.stdout.write(f"{run.candidate.name}: {'promoted' if verdict['promote'] else 'refused'}")
        for reason in verdict["reasons"]:
            mark = "passed" if reason["passed"] else "FAILED"
            self.stdout.write(f"  {reason['check']} {reason['detail']}: {reason['value']:.4g} ({mark})")
