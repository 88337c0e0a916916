"""What the gate, the archive reader, the table reader and the fetcher make of a folder of bad input.

    python -m bench.bad_images --corpus FOLDER [--mutations 10000]

FOLDER holds MANIFEST.csv (path, cls, expected, ...) and the files it names. Every picture goes through
the gate; the answer is compared with the manifest, the stored copy is searched for metadata, and time
and memory are watched. Then seeded mutations of the admitted pictures go the same way.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import socket
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench.claims import report
from scoring.archive import ArchiveRefused, open_archive
from scoring.core.reencode import Limits, reencode
from scoring.fetch import FetchRefused, fetch_picture
from scoring.gate import Gate, Refusal
from scoring.rows import RowsRefused, parse_rows
from tests.images import foreign_chunks

HANG_S = 5.0
NOT_PICTURES = frozenset({"csv", "zip", "ssrf", "name"})
NEEDLES = (b"<script", b"<?php", b"Exif\x00\x00", b"GPSLat", b"http://ns.adobe.com", b"ICC_PROFILE")
HEVC = re.compile(rb".{4}ftyp(heic|heix|hevc)", re.DOTALL)


@dataclass
class Tally:
    """What was seen over many pictures."""

    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")
    admitted: list[bytes] = field(default_factory=list)


def wanted(expected: str) -> str:
    """What a manifest's sentence asks for: accept, reject, or either."""
    head = re.sub(r"\([^)]*\)", "", expected).split(";")[0].lower()
    accepts = any(word in head for word in ("accept", "normalise", "first frame"))
    rejects = any(word in head for word in ("reject", "415", "413", "422"))
    return "either" if accepts and rejects else "accept" if accepts else "reject"


def judge(gate: Gate, name: str, data: bytes, want: str, tally: Tally) -> None:
    """One picture through the gate, noted in the tally."""
    begun = time.monotonic()
    try:
        admitted = gate.admit(data)
        verdict, code = "accept", "accept"
        leaks = [needle for needle in NEEDLES if needle in admitted.stored + admitted.thumbnail]
        if leaks or foreign_chunks(admitted.stored) or foreign_chunks(admitted.thumbnail):
            tally.leaks.append(name)
        tally.admitted.append(data)
    except Refusal as refusal:
        verdict, code = "reject", refusal.code
    except Exception as fault:
        verdict, code = "crash", type(fault).__name__
        tally.crashes.append(f"{name}: {fault!r}")
    spent = time.monotonic() - begun
    tally.seconds.append(spent)
    tally.slowest = max(tally.slowest, (spent, name))
    tally.verdicts[want, code] += 1
    if want != "either" and verdict != want:
        tally.wrong.append(f"{name}: {want} was asked, {code} was answered")


def memory_mb(pid: int | str = "self", key: str = "VmHWM") -> float:
    """A memory figure of a process in MiB, from the kernel."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(rf"{key}:\s+(\d+) kB", status)[0]) / 1024


def mutations(sources: list[bytes], count: int, seed: int = 0) -> Iterator[bytes]:
    """Seeded damage to real pictures: flipped bits, cuts, and swapped blocks."""
    rng = np.random.default_rng(seed)
    small = [data for data in sources if len(data) < 100_000]
    for _ in range(count):
        data = bytearray(small[rng.integers(len(small))])
        for place in rng.integers(len(data), size=rng.integers(1, 20)):
            data[place] ^= 1 << int(rng.integers(8))
        if rng.random() < 0.2:
            del data[int(rng.integers(1, len(data) + 1)) :]
        yield bytes(data)


def picture_rows(corpus: Path) -> Iterator[tuple[str, bytes, str]]:
    """Name, bytes and wanted verdict of every picture of the manifest; HEVC may be refused."""
    with (corpus / "MANIFEST.csv").open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if row["cls"] not in NOT_PICTURES:
                data = (corpus / row["path"]).read_bytes()
                yield row["path"], data, "reject" if HEVC.match(data) else wanted(row["expected"])


def bench_pictures(corpus: Path, mutation_count: int) -> None:
    tally, growth_from = Tally(), memory_mb(key="VmRSS")
    with Gate() as gate:
        gate.warm()
        for name, data, want in picture_rows(corpus):
            judge(gate, name, data, want, tally)
        child_mb = max(memory_mb(pid) for pid in gate.child_pids)
        report_pictures(tally, memory_mb() - growth_from, child_mb)
        fuzz = Tally()
        for number, data in enumerate(mutations(tally.admitted, mutation_count)):
            judge(gate, f"mutation {number}", data, "either", fuzz)
    report_mutations(fuzz)


def report_pictures(tally: Tally, growth_mb: float, child_mb: float) -> None:
    for (want, code), count in sorted(tally.verdicts.items()):
        print(f"# asked {want:7} answered {code:20} {count:4}")
    for line in tally.wrong + tally.crashes + tally.leaks:
        print(f"# {line}")
    for want in ("accept", "reject"):
        asked = sum(count for (which, _), count in tally.verdicts.items() if which == want)
        faults = sum(line.split(": ")[1].startswith(want) for line in tally.wrong)
        note = "HEVC counts as must-reject: Pillow has no decoder for it"
        right = f"{asked - faults}/{asked}"
        report(f"must-{want} pictures judged right", right, "files", "all", not faults, note)
    report("exceptions other than Refusal", len(tally.crashes), "files", "0", not tally.crashes)
    report("admitted pictures that leak metadata", len(tally.leaks), "files", "0", not tally.leaks)
    slowest, name = tally.slowest
    report("longest time at the gate", slowest, "s", f"<= {HANG_S + 0.5} s", slowest <= HANG_S + 0.5, name)
    median = float(np.median(tally.seconds)) * 1000
    report("median time at the gate", median, "ms", "", None, f"{len(tally.seconds)} files")
    report("memory growth of the caller", growth_mb, "MB", "<= 200 MB", growth_mb <= 200)
    report("peak memory of the last child", child_mb, "MB", "<= 1536 MB", child_mb <= 1536)


def report_mutations(tally: Tally) -> None:
    for line in tally.crashes + tally.leaks:
        print(f"# {line}")
    count = f"{len(tally.seconds)} mutations"
    report("mutations that raise anything but Refusal", len(tally.crashes), "", "0", not tally.crashes, count)
    report("mutations that leak metadata", len(tally.leaks), "", "0", not tally.leaks, count)
    report("longest time of a mutation", tally.slowest[0], "s", "<= 5.5 s", tally.slowest[0] <= 5.5, count)


def bench_overhead(corpus: Path) -> None:
    """Time of the gate over the same decode and re-encode in this process."""
    sources = [
        data for name, data, want in picture_rows(corpus) if want == "accept" and 2000 < len(data) < 200_000
    ]
    with Gate() as gate:
        gate.admit(sources[0])
        through = min(_seconds(gate.admit, sources) for _ in range(3))
    limits = Limits()
    within = min(_seconds(lambda data: reencode(data, limits), sources) for _ in range(3))
    extra = (through - within) / len(sources) * 1000
    report(
        "gate over in-process decode", extra, "ms a picture", "<= 5 ms", extra <= 5, f"{len(sources)} files"
    )


def _seconds(act: object, sources: Iterable[bytes]) -> float:
    begun = time.monotonic()
    for data in sources:
        act(data)  # type: ignore[operator]
    return time.monotonic() - begun


def bench_archives(corpus: Path) -> None:
    crashes = 0
    for path in sorted((corpus / "generated/zip").glob("*.zip")):
        begun = time.monotonic()
        try:
            answer = f"{sum(_reads(reader) for _, reader in open_archive(path))} read"
        except ArchiveRefused as refusal:
            answer = refusal.code
        except Exception as fault:
            answer, crashes = repr(fault), crashes + 1
        print(f"# {path.name:20} {answer:20} {time.monotonic() - begun:.3f} s")
    report("archives that raise anything but ArchiveRefused", crashes, "", "0", crashes == 0)


def _reads(reader: object) -> bool:
    try:
        return bool(reader())  # type: ignore[operator]
    except ArchiveRefused:
        return False


def bench_tables(corpus: Path) -> None:
    crashes = 0
    for path in sorted((corpus / "generated/csv").glob("*.csv")):
        try:
            records = list(parse_rows(path.read_bytes(), "csv"))
            answer = f"{len(records)} rows, refused {[record.code for record in records if record.code]}"
        except RowsRefused as refusal:
            answer = refusal.code
        except Exception as fault:
            answer, crashes = repr(fault), crashes + 1
        print(f"# {path.name:24} {answer}")
    report("tables that raise anything but RowsRefused", crashes, "", "0", crashes == 0)


def bench_addresses(corpus: Path) -> None:
    """Every address is asked for with a socket that only notes where it was to connect."""
    connected: list[object] = []

    def noted(_: socket.socket, address: object) -> None:
        connected.append(address)
        raise OSError("noted, not connected")

    addresses = (corpus / "generated/ssrf/urls.txt").read_text(encoding="utf-8").splitlines()
    real, socket.socket.connect = socket.socket.connect, noted  # type: ignore[method-assign,assignment]
    codes: Counter[str] = Counter()
    try:
        for address in addresses:
            try:
                fetch_picture(address)
                codes["fetched"] += 1
            except FetchRefused as refusal:
                codes[refusal.code] += 1
    finally:
        socket.socket.connect = real  # type: ignore[method-assign]
    print(f"# {dict(codes)}")
    compared = f"{len(addresses)} addresses"
    report("connections to where nobody should", len(connected), "", "0", not connected, compared)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=os.environ.get("CORPUS") or None)
    parser.add_argument("--mutations", type=int, default=1000)
    given = parser.parse_args()
    if given.corpus is None:
        print("# no corpus of bad files given (CORPUS=folder): nothing was measured")
        return
    bench_pictures(given.corpus, given.mutations)
    bench_overhead(given.corpus)
    bench_archives(given.corpus)
    bench_tables(given.corpus)
    bench_addresses(given.corpus)


if __name__ == "__main__":
    main()
