"""The first start makes people, a project, a model and a sample; the second start makes nothing."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from labeling.models import Membership, Project
from scoring.models import ImportJob, ModelVersion, Serving
from tests.factories import image_make

pytestmark = pytest.mark.django_db


def bootstrap(*words: str) -> dict[str, object]:
    out = StringIO()
    call_command("bootstrap", *words, stdout=out)
    (line,) = out.getvalue().splitlines()
    return dict(json.loads(line))


def test_the_first_start_makes_three_people_with_passwords_that_work() -> None:
    created = bootstrap()["created"]
    assert isinstance(created, dict)
    assert sorted(created) == ["admin", "annotator", "reviewer"]
    for username, password in created.items():
        assert User.objects.get(username=username).check_password(password)
        assert len(password) >= 16
    project = Project.objects.get()
    roles = dict(Membership.objects.values_list("user__username", "role"))
    assert project.name == "First project"
    assert roles == {"admin": "admin", "annotator": "annotator", "reviewer": "reviewer"}
    assert User.objects.filter(is_superuser=True).get().username == "admin"


def test_the_first_start_registers_the_base_model_and_starts_the_sample() -> None:
    bootstrap()
    assert ModelVersion.objects.get().kind == "base"
    assert Serving.objects.get().champion == ModelVersion.objects.get()
    assert ImportJob.objects.get().kind == "sample"


def test_a_second_start_makes_nothing_and_tells_no_password() -> None:
    bootstrap()
    before = (User.objects.count(), Project.objects.count(), ImportJob.objects.count())
    assert bootstrap()["created"] == {}
    assert (User.objects.count(), Project.objects.count(), ImportJob.objects.count()) == before


def test_the_path_logs_the_admin_in_once() -> None:
    path = str(bootstrap("--no-sample")["login_url_path"])
    first, second = Client(), Client()
    assert first.get(path).status_code == 302
    assert first.session["_auth_user_id"] == str(User.objects.get(username="admin").pk)
    assert second.get(path).status_code == 403
    assert "_auth_user_id" not in second.session


def test_no_sample_comes_where_it_is_not_wanted_or_pictures_are_there() -> None:
    bootstrap("--no-sample")
    assert not ImportJob.objects.exists()
    image_make()
    bootstrap()
    assert not ImportJob.objects.exists()


def test_people_somebody_removed_are_not_brought_back() -> None:
    bootstrap("--no-sample")
    Membership.objects.filter(user__username="annotator").delete()
    User.objects.filter(username="annotator").delete()
    assert bootstrap("--no-sample")["created"] == {}
    assert not User.objects.filter(username="annotator").exists()


def test_an_account_that_was_there_keeps_its_password_and_its_rights() -> None:
    User.objects.create_user("admin", password="my own")
    created = bootstrap("--no-sample")["created"]
    assert isinstance(created, dict)
    assert "admin" not in created
    admin = User.objects.get(username="admin")
    assert admin.check_password("my own")
    assert not admin.is_superuser
    assert Membership.objects.get(user=admin).role == "admin"
