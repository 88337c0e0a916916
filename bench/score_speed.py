"""Claims: pictures a second through the whole of scoring, one at a time when warm, and memory of a worker.

The pictures are brought to 1000 x 1000 and written as JPEG files. Full score: decode, measures, both views
through the network, defects, head; as it is served, and with the network in float. The floor: decode, and the
network on the same two views. ``--cleanvision`` also times that tool, in an environment of its own (needs a
package index). All take turns in one run.

python -m bench.score_speed --images FOLDER [--cleanvision]
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from bench.claims import report
from scoring.core.types import FloatArray
from scoring.offline import MALLOC_ENVIRONMENT
from scoring.photos import photos_of

BULK_BAR, WARM_BAR_MS, MEMORY_BAR_MB = 40.0, 70.0, 900.0
TIMES_CLEANVISION = 3.0
CORES, SIDE, BATCH, ROUNDS = 2, 1000, 8, 3
CLEANVISION = """
import sys, time
from cleanvision import Imagelab
if __name__ == "__main__":
    lab = Imagelab(data_path=sys.argv[1])
    began = time.monotonic()
    lab.find_issues(n_jobs=2, verbose=False)
    print("seconds", time.monotonic() - began)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, default=os.environ.get("IMAGES") or None)
    parser.add_argument("--count", type=int, default=240)
    parser.add_argument("--cleanvision", action="store_true")
    wanted = parser.parse_args()
    if wanted.images is None:
        print("# no folder of pictures given (IMAGES=folder): nothing was measured")
        return
    os.environ.update(MALLOC_ENVIRONMENT, OMP_NUM_THREADS="1", PYTHONWARNINGS="ignore")
    blobs = squares(wanted.images, wanted.count)
    with tempfile.TemporaryDirectory() as place:
        pictures = Path(place) / "pictures"
        pictures.mkdir()
        files = [pictures / f"{number}.jpg" for number in range(len(blobs))]
        for file, blob in zip(files, blobs, strict=True):
            file.write_bytes(blob)
        other = cleanvision(Path(place), pictures) if wanted.cleanvision else None
        a_second, memory_mb = bulk(files, other)
    served, floor = a_second["served"], a_second["floor"]
    size_kb = float(np.mean([len(blob) for blob in blobs])) / 1000
    name = f"full score of {SIDE} x {SIDE} JPEG, {CORES} processes"
    bar = f">= {BULK_BAR:.0f}"
    report(name, served, "pictures/s", bar, served >= BULK_BAR, f"{size_kb:.0f} kB each, {_precision()}")
    kept = f"full score keeps {served / floor:.0%}"
    report("decode and network alone, same run", floor, "pictures/s", "", None, kept)
    gain = f"as served: {served / a_second['float']:.2f} times that"
    report("full score with the network in float, same run", a_second["float"], "pictures/s", "", None, gain)
    if other is not None:
        times, bar = served / a_second["other"], f">= {TIMES_CLEANVISION:.0f}"
        met, its = times >= TIMES_CLEANVISION, f"{a_second['other']:.1f}/s"
        report("full score against cleanvision 0.3.7, same run", times, "times", bar, met, its)
    warm = one_by_one(blobs[:60])
    middle, beside = float(np.median(warm)), f"95 % within {np.quantile(warm, 0.95):.0f} ms"
    report("one picture, warm, median", middle, "ms", f"<= {WARM_BAR_MS:.0f}", middle <= WARM_BAR_MS, beside)
    bar = f"<= {MEMORY_BAR_MB:.0f}"
    report("memory of a scoring process", memory_mb, "MB", bar, memory_mb <= MEMORY_BAR_MB)


def bulk(files: list[Path], other: Callable[[], float] | None) -> tuple[dict[str, float], float]:
    """Pictures a second as served, in float, of the floor and of the other tool, in turns, medians of ROUNDS;
    MB of a process that serves."""
    with _pool(CORES, "") as serving, _pool(CORES, "fp32") as floating:
        for pool in (serving, floating):
            pool.map(_full, [files[:2]] * 2 * CORES)
        turns: dict[str, Callable[[], float]] = {
            "served": lambda: _timed(serving, _full, files),
            "float": lambda: _timed(floating, _full, files),
            "floor": lambda: _timed(serving, _floor, files),
            **({"other": other} if other else {}),
        }
        seconds = [{name: turn() for name, turn in turns.items()} for _ in range(ROUNDS)]
        memory_mb = max(serving.map(_memory_mb, range(4 * CORES)))
    usual = {name: float(np.median([each[name] for each in seconds])) for name in turns}
    return {name: len(files) / took for name, took in usual.items()}, memory_mb


def one_by_one(blobs: list[bytes]) -> FloatArray:
    """Milliseconds of each picture, asked for alone of one process that has all cores."""
    os.environ["OMP_NUM_THREADS"] = str(CORES)
    with _pool(1, "") as pool:
        pool.map(_one_ms, blobs[:3])
        return np.array([pool.apply(_one_ms, (blob,)) for blob in blobs], dtype=np.float32)


def _pool(processes: int, precision: str) -> multiprocessing.pool.Pool:
    os.environ["VITRINE_PRECISION"] = precision
    return multiprocessing.get_context("spawn").Pool(processes, _warm)


def _precision() -> str:
    from scoring.device import precision

    os.environ["VITRINE_PRECISION"] = ""
    return precision()


def squares(folder: Path, count: int) -> list[bytes]:
    """Photos of a folder as square JPEG of quality 88, repeated if there are too few."""
    photos = photos_of(folder)
    blobs = []
    for photo in photos[:: max(1, len(photos) // count)][:count]:
        with Image.open(photo.path) as image:
            square = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        out = io.BytesIO()
        square.save(out, "JPEG", quality=88)
        blobs.append(out.getvalue())
    return (blobs * (count // len(blobs) + 1))[:count]


def _timed(pool: multiprocessing.pool.Pool, work: Callable[[list[Path]], int], files: list[Path]) -> float:
    batches = [files[start : start + BATCH] for start in range(0, len(files), BATCH)]
    began = time.monotonic()
    pool.map(work, batches, chunksize=1)
    return time.monotonic() - began


def _warm() -> None:
    from scoring.device import base_head, warm_up

    warm_up()
    base_head()


def _full(files: list[Path]) -> int:
    return _scored([file.read_bytes() for file in files])


def _scored(blobs: list[bytes]) -> int:
    from scoring.core.predict import predict_pictures
    from scoring.device import base_head, extract_features

    return len(predict_pictures(head=base_head(), features=extract_features(blobs)))


def _floor(files: list[Path]) -> int:
    from scoring.core.decode import decode_picture, native_pixels, whole_view
    from scoring.core.features import CROP_SIDE, WHOLE_LONGEST
    from scoring.device import network_alone

    for file in files:
        picture = decode_picture(file.read_bytes())
        crop = native_pixels(picture.rgb, side=CROP_SIDE)
        network_alone((whole_view(picture, longest=WHOLE_LONGEST), crop))
    return len(files)


def _one_ms(blob: bytes) -> float:
    began = time.monotonic()
    _scored([blob])
    return (time.monotonic() - began) * 1000


def _memory_mb(_: int) -> float:
    import psutil

    time.sleep(0.05)  # so that every process of the pool is asked
    return float(psutil.Process().memory_info().rss) / 1e6


def cleanvision(home: Path, pictures: Path) -> Callable[[], float]:
    """Seconds of cleanvision's checks of a folder, two processes, whenever asked; it is AGPL and stays in a
    place of its own."""
    subprocess.run([sys.executable, "-m", "venv", str(home / "env")], check=True)
    python = str(home / "env" / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "-q", "cleanvision==0.3.7"], check=True)
    (home / "ask.py").write_text(CLEANVISION, encoding="utf-8")
    command = [python, str(home / "ask.py"), str(pictures)]

    def seconds() -> float:
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return float(told.split("seconds")[-1])

    return seconds


if __name__ == "__main__":
    main()
