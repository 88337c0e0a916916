"""The running house of a data folder: who runs it, where it answers, which servers it uses."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from iqa_site import processes
from iqa_site.embedded_server import write_private
from iqa_site.processes import RUN_MARK, FolderLock

MALLOC_ENVIRONMENT = {
    # Large buffers stay in the process: 1.3-1.6 times the throughput on CPU (fewer page faults).
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
    "MALLOC_TOP_PAD_": "268435456",
}


class AlreadyRunningError(RuntimeError):
    """Somebody alive runs this data folder."""


@dataclass(frozen=True, slots=True)
class Instance:
    """What ``run.json`` says of a running house (mode 0600: the addresses carry passwords)."""

    pid: int
    address: str
    database_url: str
    redis_url: str


class Tenancy:
    """The right to run a data folder, held through a lock that dies with its owner."""

    def __init__(self, data: Path) -> None:
        self.data = data.resolve()
        self._lock = FolderLock(self.data / "run.lock")
        self._file = self.data / "run.json"

    def take(self) -> bool:
        """Take the folder. True when the last tenant left it in order, False when it was killed hard.

        AlreadyRunningError when somebody alive has it.
        """
        self.data.mkdir(parents=True, exist_ok=True)
        # A command that asks whether somebody is here holds the lock for an instant.
        if not processes.wait_until(self._lock.acquire, seconds=0.5, step=0.1):
            other = running_instance(self.data)
            where = f" at {other.address} (process {other.pid})" if other and other.address else ""
            raise AlreadyRunningError(
                f"Vitrine already runs on {self.data}{where}. Stop it there with Ctrl-C, "
                "or give another --data."
            )
        in_order = not self._file.exists()
        self.announce(Instance(os.getpid(), "", "", ""))
        return in_order

    def announce(self, instance: Instance) -> None:
        """Tell other commands where the house answers."""
        write_private(self._file, json.dumps(asdict(instance)))

    def leave(self) -> None:
        """Give the folder back in order; nothing happens when it was never ours."""
        if self._lock.held:
            self._file.unlink(missing_ok=True)
            self._lock.release()


def running_instance(data: Path) -> Instance | None:
    """The live house of this folder, None when nobody alive runs it."""
    lock = FolderLock(data.resolve() / "run.lock")
    if not lock.path.exists():
        return None
    if lock.acquire():
        lock.release()
        return None
    for _ in range(50):  # a tenant that has only just moved in is still writing its file
        with suppress(FileNotFoundError, ValueError, TypeError):
            return Instance(**json.loads((data.resolve() / "run.json").read_text(encoding="utf-8")))
        time.sleep(0.02)
    return None


def child_environment(data: Path, database_url: str, redis_url: str) -> dict[str, str]:
    """Environment of every process of the house; the mark lets the next start find leftovers."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "iqa_site.settings",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "VITRINE_DATA": str(data),
        "VITRINE_SOFT_SHUTDOWN_S": "0",  # the launcher waits itself, then asks for a cold stop
        "PYTHONUNBUFFERED": "1",
        RUN_MARK: str(data),
    }


def number_environment(processes: int) -> Mapping[str, str]:
    """What the processes that compute get besides: memory that stays, a fair share of the cores."""
    threads = max(1, (os.cpu_count() or 1) // processes)
    return {**MALLOC_ENVIRONMENT, "OMP_NUM_THREADS": str(threads)}
