"""``manage.py bootstrap``: the first project, the first people, the base model and something to look at.

Safe to run at every start: only what is missing is made. The last line on stdout is one JSON object,
``{"created": {username: password}, "login_url_path": path}``; the launcher reads it.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction
from django.utils.module_loading import import_string

from labeling.models import Membership, Project
from scoring.events import event_note
from scoring.ingest import import_start
from scoring.models import Image, ImportJob
from scoring.registry import base_model_ensure

Role = Membership.Role
ACCOUNTS = (("admin", Role.ADMIN), ("annotator", Role.ANNOTATOR), ("reviewer", Role.REVIEWER))
PROJECT = "First project"


class Command(BaseCommand):
    help = "Make the first project and accounts, register the base model, bring in the sample catalogue."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--no-sample", action="store_true", help="bring no sample catalogue")

    def handle(self, *args: Any, **options: Any) -> None:
        created = accounts_ensure()
        base_model_ensure()
        if not options["no_sample"]:
            sample_ensure()
        self.stdout.write(json.dumps({"created": created, "login_url_path": login_path()}))


@transaction.atomic
def accounts_ensure() -> dict[str, str]:
    """The first project and its people where there are none yet; passwords of those made just now.

    One vote makes a label here and a flag asks for more, so that one person alone can walk the whole
    loop; a team raises ``votes per image`` and ``votes per picture held back`` in the project's settings.
    Nothing is planted: a wrong score that was accepted makes no label, and alone nobody votes after one.
    """
    if Project.objects.exists():
        return {}
    project = Project.objects.create(name=PROJECT, overlap=1, max_overlap=3, holdout_votes=1, planted_rate=0)
    created: dict[str, str] = {}
    for username, role in ACCOUNTS:
        person = User.objects.filter(username=username).first()
        if person is None:
            created[username] = secrets.token_urlsafe(12)
            is_admin = role == Role.ADMIN
            person = User.objects.create_user(
                username, password=created[username], is_staff=is_admin, is_superuser=is_admin
            )
        Membership.objects.create(project=project, user=person, role=role)
    event_note(actor=None, verb="people.bootstrap", target=project, after={"accounts": sorted(created)})
    return created


def sample_ensure() -> None:
    """Start the sample import once, where there is not one picture yet."""
    if not Image.objects.exists() and not ImportJob.objects.exists():
        import_start(kind=ImportJob.Kind.SAMPLE, created_by=None, label="Sample catalogue")


def login_path() -> str:
    """A path that logs the first admin in once; "/" where there is none."""
    admin = User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
    return import_string(settings.VITRINE_ONE_TIME_PATH)(admin) if admin else "/"
