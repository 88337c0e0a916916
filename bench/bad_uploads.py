"""A folder of bad files through the running site and through ``vitrine score``: what breaks, hangs or dies.

    python -m bench.bad_uploads --corpus FOLDER

FOLDER holds MANIFEST.csv (path, cls, ...) and the files it names. A house is started for it. Every file is
scored at once over HTTP, then all of them go in as imports (pictures, archives, tables), then the whole
folder is scored from the command line.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx

from bench.claims import report
from tests.images import jpeg_bytes

HANG_S = 5.0
BATCH = 100
END_S = 1200
ADDRESS = re.compile(r"http://\S+")
KINDS = {"zip": "archive", "csv": "table"}


class Site:
    """A house of its own, and a program logged into it."""

    def __init__(self, data: Path) -> None:
        command = [sys.executable, "-m", "iqa_site.cli", "run", "--data", str(data)]
        command += ["--no-sample", "--port", "8820"]
        gone = {"DATABASE_URL", "REDIS_URL", "VITRINE_DATA"}
        environment = {name: value for name, value in os.environ.items() if name not in gone}
        self.told = (data.parent / "house.log").open("w+")
        self.process = subprocess.Popen(command, stdout=self.told, stderr=self.told, env=environment)
        address = self._address()
        base = "/".join(address.split("/")[:3])
        self.client = httpx.Client(base_url=base, timeout=60, follow_redirects=True)
        self.client.get(address)
        csrf = next(cookie.value for cookie in self.client.cookies.jar if "csrf" in cookie.name)
        made = self.client.post(
            "/api/v1/tokens/", json={}, headers={"X-CSRFToken": str(csrf), "Referer": base}
        )
        self.client = httpx.Client(
            base_url=base, timeout=60, headers={"Authorization": f"Token {made.json()['token']}"}
        )

    def _address(self) -> str:
        until = time.monotonic() + 120
        while time.monotonic() < until:
            found = ADDRESS.search(Path(self.told.name).read_text())
            if found:
                return found[0]
            time.sleep(0.2)
        raise SystemExit("The house did not start:\n" + Path(self.told.name).read_text())

    def stop(self) -> str:
        """End the house; what it told meanwhile."""
        self.client.close()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=60)
        return Path(self.told.name).read_text()


def rows_of(corpus: Path) -> Iterator[tuple[str, str]]:
    """Path and class of every file of the manifest that lies in the folder."""
    with (corpus / "MANIFEST.csv").open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if (corpus / row["path"]).is_file():
                yield row["path"], row["cls"]


def bench_scores(site: Site, corpus: Path, names: list[str]) -> None:
    """Each file scored at once."""
    codes: Counter[str] = Counter()
    faults, silent, slowest = [], [], (0.0, "")
    _wait_for_the_model(site)
    for name in names:
        seconds, answer = _scored(site, name, (corpus / name).read_bytes())
        slowest = max(slowest, (seconds, name))
        told = answer.json() if answer.headers["Content-Type"].startswith("application/json") else {}
        codes[str(told.get("code", answer.status_code))] += 1
        if answer.status_code >= 500:
            faults.append(f"{name}: {answer.status_code}")
        elif answer.status_code != 200 and not told.get("detail"):
            silent.append(name)
    print(f"# {dict(codes)}")
    for line in faults + silent:
        print(f"# {line}")
    count = f"{len(names)} files"
    report("files scored over HTTP that gave a 5xx", len(faults), "files", "0", not faults, count)
    report("refusals without a reason", len(silent), "files", "0", not silent, count)
    seconds, name = slowest
    report("longest answer to one file", seconds, "s", f"<= {HANG_S + 1} s", seconds <= HANG_S + 1, name)


def _scored(site: Site, name: str, data: bytes) -> tuple[float, httpx.Response]:
    """Seconds and answer; one that asks to wait is waited for, which does not count."""
    while True:
        begun = time.monotonic()
        answer = site.client.post("/api/v1/scores/", files={"file": (Path(name).name, data)})
        if answer.status_code != 429:
            return time.monotonic() - begun, answer
        time.sleep(float(answer.headers["Retry-After"]))


def _wait_for_the_model(site: Site) -> None:
    """A fresh house makes its model ready when first asked."""
    until = time.monotonic() + 180
    while _scored(site, "good.jpg", jpeg_bytes())[1].status_code == 503 and time.monotonic() < until:
        time.sleep(1)


def bench_imports(site: Site, corpus: Path, rows: list[tuple[str, str]]) -> None:
    """All files as imports; every row ends, and every refusal says why."""
    jobs = []
    pictures = [name for name, kind in rows if kind not in KINDS]
    for start in range(0, len(pictures), BATCH):
        files = [
            ("files", (Path(name).name, (corpus / name).read_bytes()))
            for name in pictures[start : start + BATCH]
        ]
        jobs.append(_started(site, files, "upload"))
    for name, kind in rows:
        if kind in KINDS:
            files = [("files", (Path(name).name, (corpus / name).read_bytes()))]
            jobs.append(_started(site, files, KINDS[kind]))
    began = time.monotonic()
    while jobs_open(site, jobs) and time.monotonic() - began < END_S:
        time.sleep(1)
    states: Counter[str] = Counter()
    silent = 0
    for job in jobs:
        address: str | None = f"/api/v1/imports/{job}/rows/?limit=200"
        while address:
            told = site.client.get(address).json()
            states.update(row["code"] or row["state"] for row in told["results"])
            silent += sum(row["state"] == "refused" and not row["reason"] for row in told["results"])
            address = told["next"]
    print(f"# {dict(states)}")
    hanging = states["pending"] + states["running"]
    report(
        "rows of imports that never ended", hanging, "rows", "0", hanging == 0, f"{sum(states.values())} rows"
    )
    report("rows refused without a reason", silent, "rows", "0", silent == 0)
    report("rows lost with their worker", states["worker_lost"], "rows", "0", states["worker_lost"] == 0)


def _started(site: Site, files: list[tuple[str, tuple[str, bytes]]], kind: str) -> int:
    answer = site.client.post("/api/v1/imports/", files=files, data={"kind": kind})
    answer.raise_for_status()
    return int(answer.json()["id"])


def jobs_open(site: Site, jobs: list[int]) -> bool:
    states = [site.client.get(f"/api/v1/imports/{job}/").json()["state"] for job in jobs]
    return any(state in {"reading", "running"} for state in states)


def bench_house(told: str, logs: Path) -> None:
    """What the house says of its own processes."""
    lost = len(re.findall(r"stopped \(", told))
    killed = sum(path.read_text(errors="replace").count("WorkerLostError") for path in logs.glob("*.log"))
    fives = (logs / "web.log").read_text(errors="replace").count("Internal Server Error")
    report("processes of the house lost", lost + killed, "processes", "0", lost + killed == 0)
    report("faults in the web's log", fives, "faults", "0", fives == 0)


def bench_command_line(corpus: Path, folder: Path) -> None:
    """``vitrine score`` over the whole folder."""
    out = folder / "scores.csv"
    wanted = sum(len(names) for _, _, names in os.walk(corpus))
    began = time.monotonic()
    command = [sys.executable, "-m", "iqa_site.cli", "score", str(corpus), "--out", str(out)]
    status = subprocess.run(command, stderr=subprocess.DEVNULL, timeout=END_S).returncode
    seconds = time.monotonic() - began
    with out.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    silent = sum(not row["overall"] and not row["error"] for row in rows)
    died = sum("died" in row["error"] for row in rows)
    report("exit status of vitrine score", status, "", "0", status == 0)
    report("files of the folder without a row", wanted - len(rows), "files", "0", wanted == len(rows))
    report("rows with neither score nor reason", silent, "rows", "0", silent == 0)
    report("files whose process died", died, "files", "0", died == 0)
    report("vitrine score of bad files", wanted / seconds, "files/s", "", None, f"{wanted} files")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=os.environ.get("CORPUS") or None)
    given = parser.parse_args()
    if given.corpus is None:
        print("# no corpus of bad files given (CORPUS=folder): nothing was measured")
        return
    rows = list(rows_of(given.corpus))
    with tempfile.TemporaryDirectory(prefix="vitrine-bad-") as place:
        folder = Path(place)
        site = Site(folder / "data")
        try:
            bench_scores(site, given.corpus, [name for name, _ in rows])
            bench_imports(site, given.corpus, rows)
        finally:
            told = site.stop()
        bench_house(told, folder / "data" / "logs")
        bench_command_line(given.corpus, folder)


if __name__ == "__main__":
    main()
