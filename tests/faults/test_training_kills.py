"""A real worker dies by SIGKILL in the middle of a deep training; the next one goes on at its last epoch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import LazySettings
from django.db import connection

from scoring import deep
from scoring.models import ModelVersion, TrainingRun
from scoring.registry import base_model_ensure, encoder_of, serving
from scoring.train import training_execute, training_start, training_sweep
from tests.scoring.test_deep import labelled

LIMIT_S = 120
WORKER = """
import sys, django
django.setup()
from scoring import deep, run_lease
deep.FEWEST_TAUGHT, run_lease.BEAT_S = 6, 0.2
from scoring.train import training_execute
print(training_execute(run_id=int(sys.argv[1])))
"""


def worker(run: TrainingRun, data: Path, media: Path) -> subprocess.Popen[str]:
    told = connection.settings_dict
    query = "&".join(f"{k}={v}" for k, v in {"host": told["HOST"], "port": told["PORT"]}.items() if v)
    login = f"{quote(str(told['USER']))}:{quote(str(told['PASSWORD']))}"
    environment = {
        **os.environ,
        "DATABASE_URL": f"postgresql://{login}@/{told['NAME']}?{query}",
        "DJANGO_SETTINGS_MODULE": "iqa_site.settings",
        "VITRINE_DATA": str(data),
        "VITRINE_MEDIA_ROOT": str(media),
        "VITRINE_DEEP_EPOCHS": "2",
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.Popen(
        (sys.executable, "-c", WORKER, str(run.pk)),
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.timeout(LIMIT_S + 60)
def test_a_killed_deep_training_goes_on_at_its_last_epoch_and_the_champion_stays(
    transactional_db: None, settings: LazySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deep, "FEWEST_TAUGHT", 6)
    monkeypatch.setattr(deep, "FEWEST_HOLDOUT", 4)
    settings.DATA_DIR = tmp_path
    run = training_start(dataset=labelled(), kind="deep", trigger="button", started_by=None, promote=False)
    first = worker(run, tmp_path, Path(settings.MEDIA_ROOT))
    until = time.monotonic() + LIMIT_S
    while not run.curve:
        assert time.monotonic() < until
        assert first.poll() is None
        time.sleep(0.02)
        run.refresh_from_db()
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    run.refresh_from_db()
    assert run.state == "running"
    kept = run.curve
    assert serving().champion == base_model_ensure()
    assert training_execute(run_id=run.pk) == "not ours"  # the lease has not run out
    TrainingRun.objects.update(lease_until=run.created_at)
    assert training_sweep()["freed"] == 1
    second = worker(run, tmp_path, Path(settings.MEDIA_ROOT))
    assert second.communicate(timeout=LIMIT_S)[0].strip() == "evaluated"
    run.refresh_from_db()
    assert run.curve[: len(kept)] == kept  # seconds and all: these epochs were not done again
    assert [point["epoch"] for point in run.curve] == [1, 2]
    model = ModelVersion.objects.get(kind="deep")
    assert encoder_of(model).exists()
    assert serving().champion == base_model_ensure()
