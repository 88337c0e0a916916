"""The real PostgreSQL and Valkey of a test run, started before Django reads its settings.

A pytest plugin (``-p tests.servers`` in pyproject.toml) and not a conftest, since pytest-django
reads the settings before any conftest is imported. Run tests with ``python -m pytest``.
DATABASE_URL and REDIS_URL, where given, are used instead.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from iqa_site.embedded import PostgresServer, ValkeyServer, start_postgres, start_valkey

# Many small sums, several test processes: threads of one would only wait for the other's.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Nobody pulls the plug on a test's database; that the real one writes through has a test of its own.
HASTY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_started: list[PostgresServer | ValkeyServer] = []
_folder: Path | None = None


def _start() -> None:
    global _folder
    _folder = Path(tempfile.mkdtemp(prefix="vitrine-tests-"))
    os.environ["VITRINE_DATA"] = str(_folder)
    if not os.environ.get("DATABASE_URL"):
        postgres = start_postgres(_folder, settings=HASTY)
        _started.append(postgres)
        os.environ["DATABASE_URL"] = postgres.url
    if not os.environ.get("REDIS_URL"):
        valkey = start_valkey(_folder)
        _started.append(valkey)
        os.environ["REDIS_URL"] = valkey.url


def _take_a_number(worker: str) -> None:
    """A numbered Valkey database for each worker: one that empties its cache must not empty another's."""
    head, slash, number = os.environ["REDIS_URL"].rpartition("/")
    if number == "0":
        os.environ["REDIS_URL"] = f"{head}{slash}{1 + int(worker.removeprefix('gw')) % 15}"


if "PYTEST_XDIST_WORKER" in os.environ:
    _take_a_number(os.environ["PYTEST_XDIST_WORKER"])
else:
    _start()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what this process started."""
    while _started:
        _started.pop().stop()
    if _folder is not None:
        shutil.rmtree(_folder, ignore_errors=True)
