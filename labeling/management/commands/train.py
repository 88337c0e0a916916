"""``manage.py train``: freeze the finished labels, retrain on them and wait for the gate's verdict.

The row is the same that the buttons of the Models page make, and a worker does it, so the page shows it too.
"""

from __future__ import annotations

import time
from typing import Any, TypedDict

from django.core.management.base import BaseCommand, CommandError, CommandParser

from labeling.models import Project
from labeling.train import retrain
from scoring.errors import StationError
from scoring.models import DatasetVersion, TrainingRun
from scoring.train import training_start
from scoring.verdicts import unjudged_words


class Asked(TypedDict):
    """What a retrain is asked for, however its labels were chosen."""

    kind: str
    trigger: str
    seed: int
    promote: bool


ENDED = (TrainingRun.State.EVALUATED, TrainingRun.State.FAILED, TrainingRun.State.CANCELLED)


class Command(BaseCommand):
    help = (
        "Retrain on what people have labelled and say what the gate decided. A fast retrain fits the head in "
        "seconds; a deep one tunes the network itself, in minutes to hours, and needs labels held back."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--project", help="name of the project (default: the oldest)")
        parser.add_argument("--dataset", help="name of a dataset version to train on as it is")
        parser.add_argument("--kind", choices=TrainingRun.Kind.values, default="fast", help="default: fast")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--no-promote", action="store_true", help="leave a passing candidate unpromoted")

    def handle(self, *args: Any, **options: Any) -> None:
        asked: Asked = {
            "kind": options["kind"],
            "trigger": TrainingRun.Trigger.COMMAND,
            "seed": options["seed"],
            "promote": not options["no_promote"],
        }
        try:
            run = self._started(options["project"], options["dataset"], asked)
        except StationError as error:
            raise CommandError(str(error)) from error
        self._watch(run)

    def _started(self, project_name: str | None, dataset_name: str | None, asked: Asked) -> TrainingRun:
        if not dataset_name:
            return retrain(project=self._project(project_name), by=None, **asked)
        dataset = DatasetVersion.objects.filter(name=dataset_name).first()
        if dataset is None:
            raise CommandError(f"There is no dataset {dataset_name}.")
        return training_start(dataset=dataset, started_by=None, **asked)

    def _project(self, project_name: str | None) -> Project:
        projects = Project.objects.filter(is_archived=False).order_by("pk")
        project = projects.filter(name=project_name).first() if project_name else projects.first()
        if project is None:
            raise CommandError(
                f"There is no project {project_name}." if project_name else "There is no project."
            )
        return project

    def _watch(self, run: TrainingRun) -> None:
        """Wait for the end and tell each step as it begins; who leaves early leaves the run to its worker."""
        told = ""
        try:
            while run.state not in ENDED:
                time.sleep(0.3)
                run.refresh_from_db()
                if run.step != told and run.state == TrainingRun.State.RUNNING:
                    told = run.step
                    self.stderr.write(f"{run.progress:4.0%}  {told}")
        except KeyboardInterrupt:
            words = f"Retrain {run.pk} goes on whenever the house runs; its page can cancel it."
            raise CommandError(words) from None
        if run.state != TrainingRun.State.EVALUATED or run.candidate is None:
            raise CommandError(run.error or f"The run is {run.get_state_display()}.")
        verdict = run.candidate.verdict
        self.stdout.write(f"{run.candidate.name}: {'passed the gate' if verdict['promote'] else 'refused'}")
        for reason in verdict["reasons"]:
            mark = "passed" if reason["passed"] else "FAILED"
            self.stdout.write(f"  {reason['check']} {reason['detail']}: {reason['value']:.4g} ({mark})")
        if verdict.get("unjudged"):
            self.stdout.write(f"  {unjudged_words(verdict['unjudged'])}")
