"""``manage.py weights``: where a model of this house keeps its weights, for a command without a database."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from scoring.core.checkpoint import WeightsError
from scoring.errors import StationError
from scoring.kept import Chosen
from scoring.registry import model_called, model_kept, pictures_taught


class Command(BaseCommand):
    help = "Say as one line of JSON where a model's weights lie and which pictures taught it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("model", help="champion, displayed, or a name from the Models page")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            model = model_called(options["model"])
            self.stdout.write(Chosen(model_kept(model), pictures_taught(model)).as_json())
        except (StationError, WeightsError) as error:
            raise CommandError(str(error)) from error
