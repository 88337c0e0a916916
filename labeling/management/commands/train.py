"""``manage.py train``: freeze the finished labels, retrain on them and wait for the gate's verdict."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from labeling.dataset import dataset_freeze
from labeling.models import Project
from scoring.errors import StationError
from scoring.models import DatasetVersion, TrainingRun
from scoring.train import training_start

ENDED = (TrainingRun.State.EVALUATED, TrainingRun.State.FAILED, TrainingRun.State.CANCELLED)


class Command(BaseCommand):
    help = "Retrain on what people have labelled and say what the gate decided."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--project", help="name of the project (default: the oldest)")
        parser.add_argument("--dataset", help="name of a dataset version to train on as it is")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--no-promote", action="store_true", help="leave a passing candidate unpromoted")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            run = training_start(
                dataset=self._dataset(options["project"], options["dataset"]),
                kind=TrainingRun.Kind.FAST,
                trigger=TrainingRun.Trigger.COMMAND,
                started_by=None,
                seed=options["seed"],
                promote=not options["no_promote"],
            )
        except StationError as error:
            raise CommandError(str(error)) from error
        self._watch(run)

    def _dataset(self, project_name: str | None, dataset_name: str | None) -> DatasetVersion:
        if dataset_name:
            dataset = DatasetVersion.objects.filter(name=dataset_name).first()
            if dataset is None:
                raise CommandError(f"There is no dataset {dataset_name}.")
            return dataset
        projects = Project.objects.filter(is_archived=False).order_by("pk")
        project = projects.filter(name=project_name).first() if project_name else projects.first()
        if project is None:
            raise CommandError(
                f"There is no project {project_name}." if project_name else "There is no project."
            )
        return dataset_freeze(project=project, by=None)

    def _watch(self, run: TrainingRun) -> None:
        while run.state not in ENDED:
            time.sleep(0.3)
            run.refresh_from_db()
        if run.state != TrainingRun.State.EVALUATED or run.candidate is None:
            raise CommandError(run.error or f"The run is {run.get_state_display()}.")
        verdict = run.candidate.verdict
        self.stdout.write(f"{run.candidate.name}: {'passed the gate' if verdict['promote'] else 'refused'}")
        for reason in verdict["reasons"]:
            mark = "passed" if reason["passed"] else "FAILED"
            self.stdout.write(f"  {reason['check']} {reason['detail']}: {reason['value']:.4g} ({mark})")
        for each in verdict.get("unjudged", []):
            few = f"{each['pictures']} of the {each['needed']} pictures needed"
            self.stdout.write(f"  categories {each['category'] or '(none)'}: not judged, {few}")
