"""Real workers and a real broker die by SIGKILL; every picture is scored exactly once all the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import LazySettings
from django.db import connection

from iqa_site.embedded import ValkeyServer, start_valkey
from scoring import device
from scoring.models import Score, ScoringJob, StoredFeatures
from scoring.registry import base_model_ensure
from tests.factories import image_make

PICTURES, WORKER_KILLS = 60, 5
LIMIT_S = 90
SWEEP_EVERY_HALF_SECOND = """
import time, django
django.setup()
from scoring.score import score_sweep
while True:
    score_sweep()
    time.sleep(0.5)
"""


class House:
    """A score worker, a sweeper and a broker of one test, each of which may be killed."""

    def __init__(self, folder: Path, media: Path) -> None:
        self.broker: ValkeyServer = start_valkey(folder / "broker")
        told = connection.settings_dict
        query = "&".join(f"{k}={v}" for k, v in {"host": told["HOST"], "port": told["PORT"]}.items() if v)
        login = f"{quote(str(told['USER']))}:{quote(str(told['PASSWORD']))}"
        self.environment = {
            **os.environ,
            "DATABASE_URL": f"postgresql://{login}@/{told['NAME']}?{query}",
            "REDIS_URL": self.broker.url,
            "DJANGO_SETTINGS_MODULE": "iqa_site.settings",
            "VITRINE_MEDIA_ROOT": str(media),
            "VITRINE_SCORE_LEASE_S": "3",
            "VITRINE_SCORE_CHUNK": "4",
            "OMP_NUM_THREADS": "1",
        }
        self.log = (folder / "house.log").open("ab")
        self.sweeper = self._spawn(sys.executable, "-c", SWEEP_EVERY_HALF_SECOND)
        self.workers = [self._worker() for _ in range(2)]

    def _spawn(self, *command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command, env=self.environment, stdout=self.log, stderr=self.log, start_new_session=True
        )

    def _worker(self) -> subprocess.Popen[bytes]:
        words = ("-A", "iqa_site.celery", "worker", "--queues=score", "--concurrency=1", "--without-mingle")
        return self._spawn(sys.executable, "-m", "celery", *words)

    def kill_worker(self, number: int) -> None:
        """The whole group, parent and pool, as the kernel does it; then a new one."""
        _kill_group(self.workers[number])
        self.workers[number] = self._worker()

    def kill_broker(self) -> None:
        """SIGKILL, and the same address again a second later."""
        assert self.broker.child is not None
        self.broker.child.kill()
        self.broker.child.wait()
        time.sleep(1)
        self.broker.restart()

    def close(self) -> None:
        for process in (self.sweeper, *self.workers):
            _kill_group(process)
        self.broker.stop()
        self.log.close()


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture
def house(transactional_db: None, settings: LazySettings, tmp_path: Path) -> Iterator[House]:
    base_model_ensure()
    device.warm_up()  # the graph is exported once, into the folder the workers share
    for _ in range(PICTURES):
        image_make(stored=True)
    house = House(tmp_path, Path(settings.MEDIA_ROOT))
    yield house
    house.close()


def _done() -> int:
    return ScoringJob.objects.filter(state="done").count()


def _until(reached: Callable[[], bool], deadline: float) -> None:
    while not reached():
        assert time.monotonic() < deadline, f"{_done()} of {PICTURES} done: {_states()}"
        time.sleep(0.02)


def _states() -> list[tuple[str, int]]:
    return list(ScoringJob.objects.exclude(state="done").values_list("state", "attempts"))


@pytest.mark.timeout(LIMIT_S + 60)
def test_five_killed_workers_and_a_killed_broker_cost_no_picture_and_score_none_twice(house: House) -> None:
    deadline = time.monotonic() + LIMIT_S
    for kill in range(WORKER_KILLS):
        _until(lambda mark=PICTURES * kill // (WORKER_KILLS + 1) + 1: _done() >= mark, deadline)  # type: ignore[misc]
        house.kill_worker(kill % 2)
        if kill == WORKER_KILLS // 2:
            house.kill_broker()
    assert _done() < PICTURES, "the kills came too late to mean anything"
    _until(lambda: _done() == PICTURES, deadline)
    assert Score.objects.count() == StoredFeatures.objects.count() == PICTURES
    assert Score.objects.values("image").distinct().count() == PICTURES
    assert not ScoringJob.objects.exclude(state="done", token=None, error="").exists()
