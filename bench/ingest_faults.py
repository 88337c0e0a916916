"""Bring a folder in while score workers and the broker are killed: every picture is scored exactly once.

python bench/ingest_faults.py --images FOLDER [--worker-kills 5] [--broker-kills 1]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from bench.claims import report

PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif"}
START_S, END_S = 120, 1800


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, default=os.environ.get("IMAGES") or None)
    parser.add_argument("--worker-kills", type=int, default=5)
    parser.add_argument("--broker-kills", type=int, default=1)
    options = parser.parse_args()
    if options.images is None:
        print("# no folder of pictures given (IMAGES=folder): nothing was measured")
        return
    wanted = sum(1 for path in options.images.rglob("*") if path.suffix.lower() in PICTURES)
    with tempfile.TemporaryDirectory(prefix="vitrine-bench-") as folder:
        data = Path(folder)
        house = subprocess.Popen(
            [sys.executable, "-m", "iqa_site.cli", "run", "--data", folder, "--no-sample", "--port", "8765"]
        )
        try:
            measure(data, options, wanted)
        finally:
            house.send_signal(signal.SIGINT)
            house.wait(timeout=60)


def measure(data: Path, options: argparse.Namespace, wanted: int) -> None:
    url = database_of(data)
    began = time.monotonic()
    ingest = subprocess.Popen(
        [sys.executable, "-m", "iqa_site.cli", "ingest", str(options.images), "--data", str(data)],
        stdout=subprocess.DEVNULL,
    )
    kills = [wanted * (k + 1) // (options.worker_kills + 2) for k in range(options.worker_kills)]
    broker_at = [wanted // 2] * options.broker_kills
    done = killed = brokers = 0
    with psycopg.connect(url, autocommit=True) as connection:
        while done < wanted and time.monotonic() - began < END_S:
            done = count(connection, "SELECT count(DISTINCT image_id) FROM scoring_score")
            if killed < len(kills) and done >= kills[killed]:
                killed += kill_one(data, "worker", "--queues=score")
            if brokers < len(broker_at) and done >= broker_at[brokers]:
                brokers += kill_one(data, "valkey-server", "")
            time.sleep(0.25)
        seconds = time.monotonic() - began
        ingest.wait(timeout=120)
        images = count(connection, "SELECT count(*) FROM scoring_image WHERE NOT is_made")
        doubled = count(
            connection,
            "SELECT count(*) FROM (SELECT 1 FROM scoring_score GROUP BY image_id, model_id"
            " HAVING count(*) > 1) d",
        )
    whole = f"{killed} score workers and {brokers} brokers killed with SIGKILL"
    report("pictures scored after kills", done, "images", f"{wanted}", done == wanted == images, whole)
    report("pictures scored twice", doubled, "images", "0", doubled == 0, whole)
    report(
        "ingest and score, kills included", wanted / seconds, "images/s", "", None, f"{os.cpu_count()} cores"
    )


def database_of(data: Path) -> str:
    """Database address of the house, once it answers."""
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        try:
            told = json.loads((data / "run.json").read_text())
            if told["address"]:
                return str(told["database_url"])
        except (OSError, ValueError, KeyError):
            pass
        time.sleep(0.2)
    raise SystemExit("The house did not start.")


def kill_one(data: Path, *words: str) -> int:
    """SIGKILL the whole group of the first process of this data folder whose command holds the words."""
    mark = str(data).encode()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            command = (folder / "cmdline").read_bytes()
            belongs = (
                mark in (folder / "environ").read_bytes() or mark in os.readlink(folder / "cwd").encode()
            )
        except OSError:
            continue
        if belongs and all(word.encode() in command for word in words):
            pid = int(folder.name)
            if os.getpgid(pid) == pid:
                os.killpg(pid, signal.SIGKILL)
            else:
                os.kill(pid, signal.SIGKILL)
            return 1
    return 0


def count(connection: psycopg.Connection[tuple[int]], query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


if __name__ == "__main__":
    main()
