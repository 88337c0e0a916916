"""A whole house on this machine, as ``vitrine run`` starts it: pictures in, retrains, a new encoder out.

Its pictures are photos made worse by a known amount; what people would say of one follows from that amount.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from bench.claims import report
from bench.ingest_faults import database_of

Stage = Callable[[], str]
LABELLED = 0.6  # of the pictures; the rest is new to the retrained network
SETTLE_S, INGEST_S, TRAIN_S = 60, 150, 240
PORT = "8797"


def told_house(blobs: Sequence[bytes], *, name: str) -> None:
    """Start a house, take it through its work, and print what each part took."""
    with tempfile.TemporaryDirectory(prefix="vitrine-bench-") as place:
        pictures, data = Path(place) / "pictures", Path(place) / "data"
        pictures.mkdir()
        data.mkdir()
        os.chmod(place, 0o755)  # noqa: S103  (root's database runs as somebody else)
        with ProcessPoolExecutor() as pool:
            list(pool.map(_worse, [(pictures, n, blob) for n, blob in enumerate(blobs)], chunksize=8))
        with _house(data) as started_s:
            report("a house with workers starts", started_s, "s", "", None, f"{os.cpu_count()} cores, {name}")
            try:
                _work(pictures, data, len(blobs), name)
            except BaseException:
                _logs_shown(data)
                raise


def _worse(job: tuple[Path, int, bytes]) -> None:
    """One photo of the house: cropped a little differently each time, blurred by what its name says."""
    import io

    from PIL import Image, ImageFilter

    folder, number, blob = job
    rng = np.random.default_rng(number)
    harm = float(rng.uniform())
    with Image.open(io.BytesIO(blob)) as image:
        left, top = (int(edge) for edge in rng.integers(0, 80, 2))
        part = image.convert("RGB").crop((left, top, image.width - 10, image.height - 10))
    worse = part.filter(ImageFilter.GaussianBlur(4 * harm))
    worse.save(folder / f"photo-{number:05}-{round(1000 * harm):04}.jpg", "JPEG", quality=88)


@contextmanager
def _house(data: Path) -> Iterator[float]:
    """Seconds until ``vitrine run`` answered; Django of this process speaks to its servers."""
    began = time.monotonic()
    words = ("run", "--data", str(data), "--no-sample", "--port", PORT)
    child = subprocess.Popen([sys.executable, "-m", "iqa_site.cli", *words], stdout=subprocess.DEVNULL)
    try:
        os.environ["DATABASE_URL"] = database_of(data)
        started_s = time.monotonic() - began
        os.environ.update(
            REDIS_URL=json.loads((data / "run.json").read_text())["redis_url"],
            VITRINE_DATA=str(data),
            DJANGO_SETTINGS_MODULE="iqa_site.settings",
            VITRINE_LOG_LEVEL="ERROR",
        )
        import django

        django.setup()
        yield started_s
    finally:
        child.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            child.wait(timeout=40)


def _work(pictures: Path, data: Path, count: int, name: str) -> None:
    _told_ingest(pictures, data, count, name)
    dataset = labelled(count)
    fast, fast_s = _trained(dataset, "fast")
    rows = f"{dataset.row_count} labels"
    report("fast retrain by a worker, press to evaluated", fast_s, "s", "", None, rows)
    deep, deep_s = _trained(dataset, "deep")
    epochs, place = [point["seconds"] for point in deep.curve], deep.environment.get("device", "?")
    whose = f"{rows} on {place}, {len(epochs)} epochs of {np.median(epochs):.1f} s; {_parts()}"
    report("deep retrain by a worker, press to evaluated", deep_s, "s", "", None, whose)
    for run in (fast, deep):
        said = {who: run.candidate.metrics[who]["srcc"]["value"] for who in ("champion", "candidate")}
        beside = f"champion {said['champion']:.3f}; the gate: {run.candidate.state}"
        report(f"{run.kind} retrain, SRCC on its holdout", said["candidate"], "", "", None, beside)
    _told_promotion(deep.candidate, count, dataset.row_count)


def _told_ingest(pictures: Path, data: Path, count: int, name: str) -> None:
    from scoring.models import ScoringJob

    words = ("-m", "iqa_site.cli", "ingest", str(pictures), "--data", str(data))
    began = time.monotonic()
    ingest = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL)
    done = ScoringJob.objects.filter(state="done")
    _awaited(lambda: done.count() >= count // 3, INGEST_S, "the first third of scores")
    users, first, first_at = card_users(), done.count(), time.monotonic()
    _awaited(lambda: done.count() >= count, INGEST_S, "the scores")
    ended = time.monotonic()
    ingest.wait(timeout=60)
    report("processes that use the GPU while it scores", users, "processes", ">= 1", users >= 1)
    whose = f"{count} pictures of about 1000 x 1000, gate and database included, {name}"
    report("brought in and scored by a house", count / (ended - began), "pictures/s", "", None, whose)
    steady = (count - first) / max(0.1, ended - first_at)
    report("the same, from its first third on", steady, "pictures/s", "", None, "models loaded")


def _told_promotion(model: Any, count: int, labels: int) -> None:
    from scoring.models import Score, Serving

    began = time.monotonic()
    _promoted(model)
    scored = Score.objects.filter(model=model)
    _awaited(lambda: scored.count() >= count, TRAIN_S, "the scores by the new encoder")
    _awaited(lambda: Serving.objects.get().displayed_id == model.pk, SETTLE_S, "the switch")
    seconds = time.monotonic() - began
    whose = f"{count} pictures, {count - labels} of them new to its network; everybody sees them"
    report("promote a new encoder and score everything by it", seconds, "s", "", None, whose)


def labelled(count: int) -> Any:
    """A dataset of the house's pictures: what people said follows from how they were made."""
    from scoring.dataset import FrozenRow, dataset_store
    from scoring.models import Image

    rng, rows = np.random.default_rng(0), []
    for number, image in enumerate(Image.objects.order_by("pk")[: int(LABELLED * count)]):
        harm = int(image.name.rsplit("-", 1)[1].split(".")[0]) / 1000
        target = float(np.clip(85 - 65 * harm + rng.normal(0, 4), 0, 100))
        rows.append(
            FrozenRow(
                image_id=image.pk,
                group=f"shop/{number}",
                category="photos",
                target_score=target,
                target_std=6.0,
                weight=0.03,
                vote_count=3,
                is_holdout=number % 3 == 0,
            )
        )
    return dataset_store(name="the house's labels", rows=rows, split_seed=0, note="", created_by=None)


def _trained(dataset: Any, kind: str) -> tuple[Any, float]:
    from scoring.models import TrainingRun
    from scoring.train import training_start

    began = time.monotonic()
    run = training_start(dataset=dataset, kind=kind, trigger="command", started_by=None, promote=False)

    def is_over() -> bool:
        run.refresh_from_db()
        return run.state not in ("queued", "running")

    _awaited(is_over, TRAIN_S, f"the {kind} retrain", stage=lambda: str(run.step))
    if run.state != "evaluated":
        raise SystemExit(f"The {kind} retrain is {run.state}: {run.error}")
    return TrainingRun.objects.select_related("candidate").get(pk=run.pk), time.monotonic() - began


_stages: dict[str, float] = {}  # seconds of each stage of what was awaited last, as seen from outside


def _parts() -> str:
    return ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in _stages.items())


def _awaited(is_so: Callable[[], bool], limit_s: float, what: str, *, stage: Stage = lambda: "") -> None:
    """Wait for something; SystemExit names it when it does not come."""
    began = last = time.monotonic()
    _stages.clear()
    while not is_so():
        now = time.monotonic()
        _stages[stage()] = _stages.get(stage(), 0.0) + now - last
        last = now
        if now - began > limit_s:
            raise SystemExit(f"{what} did not come within {limit_s:.0f} s; {_parts()}")
        time.sleep(0.2)


def _promoted(model: Any) -> None:
    """Make a model serve; where the gate refused it, by an administrator who says why."""
    from django.contrib.auth.models import User

    from scoring.promote import model_promote

    admin = User.objects.create_superuser("bench", password=None)
    model_promote(model=model, by=admin, reason="a bench measures how long it takes")


def card_users() -> int:
    """Processes that have memory on the card now; 0 where nothing can say."""
    if shutil.which("nvidia-smi") is None:
        return 0
    asked = ("nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader")
    told = subprocess.run(asked, capture_output=True, text=True, timeout=20).stdout
    print(f"# on the card: {told.strip() or 'nobody'}".replace("\n", "; "), flush=True)
    return len([line for line in told.splitlines() if line.strip()])


def _logs_shown(data: Path) -> None:
    """The last lines of every log, for whoever must find out."""
    for log in sorted((data / "logs").glob("*.log")):
        lines = log.read_text(errors="replace").splitlines()[-12:]
        print(f"# {log.name}", *lines, sep="\n#   ", flush=True)
