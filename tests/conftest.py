"""One cast for every test.

Ada administers, Rui reviews, Ann and Ben annotate the project "Catalogue"; Mallory is a stranger.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.utils import translation

from labeling.models import Membership, Project


@dataclass(frozen=True)
class Cast:
    """The people of a test and the project they work in."""

    project: Project
    ada: User
    rui: User
    ann: User
    ben: User
    mallory: User


@pytest.fixture(autouse=True)
def _quick_house(settings: LazySettings, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Cheap password hashes, no lock-out between tests, pictures in a folder of their own.

    Static files are named plainly: collecting them belongs to the start of a house, not to a test.
    """
    translation.activate("en")  # a page read in Chinese leaves its thread Chinese
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.AXES_ENABLED = False
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    settings.MEDIA_ROOT = tmp_path_factory.mktemp("media")


@pytest.fixture
def project(db: None) -> Project:
    return Project.objects.create(
        name="Catalogue",
        overlap=2,
        max_overlap=4,
        blind_rate=0,
        planted_rate=0,
        gold_rate=0,
        repeat_rate=0,
        holdout_share=0,
    )


@pytest.fixture
def cast(project: Project) -> Cast:
    people = {name: User.objects.create_user(name, password=name) for name in ("ada", "rui", "ann", "ben")}
    roles = {"ada": "admin", "rui": "reviewer", "ann": "annotator", "ben": "annotator"}
    for name, role in roles.items():
        Membership.objects.create(project=project, user=people[name], role=role)
    return Cast(project=project, mallory=User.objects.create_user("mallory", password="mallory"), **people)


@pytest.fixture
def empty_cache() -> None:
    cache.clear()
