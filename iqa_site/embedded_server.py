"""What the bundled servers have in common: one owner per data folder, sharers, an address that stays."""

from __future__ import annotations

import importlib.util
import os
import secrets
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from iqa_site import processes
from iqa_site.patience import End, Patience, signs_of, wait_for
from iqa_site.processes import FolderLock

SHARE_S = 300.0


class EmbeddedError(RuntimeError):
    """A bundled server did not start. The message is for people and names the log."""


class EmbeddedServer(ABC):
    """One bundled server of one data folder; ``url`` stays the same over restarts."""

    name = ""

    def __init__(self, data: Path) -> None:
        self.data = data.resolve()
        self.folder = self.data / self.name
        self.log = self.data / "logs" / f"{self.name}.log"
        self.url = ""
        self.child: subprocess.Popen[bytes] | None = None
        self.tell: Callable[[str], None] = lambda _: None  # hears what a long start waits for
        self._lock = FolderLock(self.data / f"{self.name}.lock")
        self._unclean = False  # the last owner did not stop it

    @property
    def owned(self) -> bool:
        """False when another process owns the server and this one only shares it."""
        return self.child is not None

    @property
    def url_file(self) -> Path:
        return self.data / f"{self.name}.url"

    @abstractmethod
    def launch(self) -> None:
        """Start the process, without waiting until it answers."""

    @abstractmethod
    def ready(self) -> bool:
        """The server answers."""

    @abstractmethod
    def stop(self) -> None:
        """End the server if this process owns it; sharers only let go."""

    def start(self) -> None:
        """Own the server, or share the one whose owner is alive."""
        self.data.mkdir(parents=True, exist_ok=True)
        if not self._lock.acquire() and self._shared():
            return
        self._unclean = self.url_file.exists()
        self.url_file.unlink(missing_ok=True)
        try:
            self.launch()
        except BaseException:
            self._lock.release()
            raise

    def restart(self) -> None:
        """Start again a server of ours that died, at the same address."""
        self._unclean = True
        self.launch()

    def _shared(self) -> bool:
        """True once the server of another process answers; False when that process went: it is ours now."""
        if not processes.wait_until(
            lambda: self._shared_answers() or self._lock.acquire(), seconds=SHARE_S, step=0.05
        ):
            raise EmbeddedError(f"Another process holds {self.data}, but its {self.name} does not answer.")
        return not self._lock.held

    def _shared_answers(self) -> bool:
        with suppress(FileNotFoundError):
            self.url = self.url_file.read_text(encoding="utf-8")
        return bool(self.url) and self.ready()

    def _publish(self) -> None:
        write_private(self.url_file, self.url)

    def wait_ready(self) -> None:
        """Return once the server answers; EmbeddedError when it died, or lives and does nothing at all."""
        if self._awaited() != End.READY:
            raise EmbeddedError(f"{self.name} did not start: {last_line(self.log)} (see {self.log})")

    def _awaited(self) -> End:
        """How the wait for the first answer ended; a slow machine makes it long, and that is all."""
        patience = Patience(self.name, self.log, self.tell, began=time.monotonic())
        pid = self.child.pid if self.child else None
        return wait_for(self.ready, gone=self._died, signs=lambda: signs_of(pid, self.log), patience=patience)

    def _died(self) -> bool:
        return self.child is not None and self.child.poll() is not None

    def _end_leftovers(self, program: str, first: signal.Signals) -> None:
        pids = processes.processes_in(self.folder, program)
        processes.end_processes(pids, first=first, patience_s=5)

    def _let_go(self) -> None:
        self.url_file.unlink(missing_ok=True)
        self.child = None
        self._lock.release()


def wheel_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            f"The package {package} is not installed; give DATABASE_URL and REDIS_URL instead."
        )
    return Path(spec.origin).parent


def server_environment() -> dict[str, str]:
    """No locale surprises, and none of the caller's PG* variables."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    return kept | {"LC_ALL": "C", "LANG": "C"}


def kept_password(path: Path) -> str:
    if not path.exists():
        write_private(path, secrets.token_urlsafe(24))
    return path.read_text(encoding="utf-8").strip()


def write_private(path: Path, text: str) -> None:
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(
        os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(text)
    draft.replace(path)


def last_line(log: Path) -> str:
    with suppress(OSError):
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "no output"
    return "no output"
