"""Borrow a model of a house for a command that otherwise needs no server.

The database is asked once where the weights lie; from then on files are enough. A house that runs is asked as
it is, one that does not is opened without web or workers and left again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from scoring.kept import Chosen


class BorrowError(RuntimeError):
    """There is no such house or model; the message says why, for people."""


def borrow_model(name: str, house: Path) -> Chosen:
    """The model of this name in the house of a data folder. Raises BorrowError."""
    from iqa_site.embedded_server import EmbeddedError
    from iqa_site.house import House, LaunchError, RunOptions, given
    from iqa_site.instance import AlreadyRunningError, child_environment, running_instance

    data = house.resolve()
    running = running_instance(data)
    if running is not None and running.database_url:
        return _asked(name, child_environment(data, running.database_url, running.redis_url))
    if given("DATABASE_URL"):
        return _asked(name, child_environment(data, given("DATABASE_URL"), given("REDIS_URL")))
    if not (data / "postgres").is_dir():
        raise BorrowError(f"There is no house in {data}. Give --house the data folder that vitrine run uses.")
    quiet = House(RunOptions(data=data), tell=lambda line: print(line, file=sys.stderr))
    try:
        quiet.open_quietly(workers=False)
        return _asked(name, quiet.environment)
    except (AlreadyRunningError, EmbeddedError, LaunchError) as error:
        raise BorrowError(str(error)) from error
    finally:
        quiet.move_out()


def _asked(name: str, environment: Mapping[str, str]) -> Chosen:
    """What ``manage.py weights`` answers there."""
    words = [sys.executable, "-m", "django", "weights", "--skip-checks", "--", name]
    quiet = {**environment, "VITRINE_LOG_LEVEL": os.environ.get("VITRINE_LOG_LEVEL", "WARNING")}
    told = subprocess.run(words, env=quiet, capture_output=True, text=True, check=False)
    if told.returncode:
        lines = told.stderr.strip().splitlines() or ["The house did not answer."]
        raise BorrowError(lines[-1].removeprefix("CommandError: "))
    return Chosen.from_json(told.stdout.strip().splitlines()[-1])
