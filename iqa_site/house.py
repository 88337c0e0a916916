"""Everything ``vitrine run`` starts: servers, preparation, web, workers. The story is in launcher.py."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from iqa_site import prepare, processes
from iqa_site.embedded_postgres import PostgresServer
from iqa_site.embedded_server import EmbeddedServer
from iqa_site.embedded_valkey import ValkeyServer
from iqa_site.instance import Instance, Tenancy, child_environment, number_environment
from iqa_site.supervisor import Program, Supervisor

CORES_PER_SCORE, MOST_SCORE = 2, 8  # decoding and measuring keep a core busy, the network a second
STEPS = (("--migrate", "migrations"), ("--static", "static"))


class LaunchError(RuntimeError):
    """The house did not start; the message says why and where to read more."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What ``vitrine run`` was asked for."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 8000
    images: Path | None = None
    sample: bool = True


def say(line: str) -> None:
    """One line for the person at the terminal, who may have closed it."""
    with suppress(BrokenPipeError):
        print(line, flush=True)


class House:
    """Everything ``vitrine run`` starts. Also used without the web, by commands that need workers."""

    def __init__(self, options: RunOptions, *, tell: Callable[[str], None] = say) -> None:
        self.options = replace(options, data=options.data.resolve())
        self.data = self.options.data
        self.logs = self.data / "logs"
        self.tenancy = Tenancy(self.data)
        self.supervisor = Supervisor(tell)
        self.servers: list[EmbeddedServer] = []
        self.database_url = self.redis_url = ""
        self._tell = tell

    # --- servers ------------------------------------------------------------------------------------
    def move_in(self) -> None:
        """Take the data folder, end what a killed predecessor left, start the servers."""
        if not self.tenancy.take():
            left = processes.processes_marked(self.data)
            processes.end_processes(left, first=signal.SIGKILL, patience_s=5)
        self.redis_url = given("REDIS_URL") or self._embed(ValkeyServer(self.data))
        self.database_url = given("DATABASE_URL") or self._embed(PostgresServer(self.data))

    def _embed(self, server: EmbeddedServer) -> str:
        self.servers.append(server)
        server.tell = self._tell
        server.start()
        return server.url

    def wait_for_servers(self) -> None:
        """Return when every bundled server answers; from here on they are watched."""
        for server in self.servers:
            server.wait_ready()
            if server.owned:
                self._watch(server)

    def _watch(self, server: EmbeddedServer) -> None:
        def again() -> subprocess.Popen[bytes]:
            server.restart()
            assert server.child is not None  # noqa: S101  (restart has just set it)
            return server.child

        program = Program(server.name, again, f"logs/{server.name}.log", child=server.child)
        self.supervisor.add(program, now=time.monotonic())

    def open_quietly(self, *, workers: bool = True) -> None:
        """Servers, tables and workers without the web, for a command that needs them for a while."""
        self.move_in()
        self.wait_for_servers()
        due = [step for step in self.steps_due() if step == "--migrate"]
        if due:
            self.finish_preparing(self.start_preparing(*due, "--bootstrap", "--no-sample"), due)
        if workers:
            self.start_workers()
        self.tenancy.announce(Instance(os.getpid(), "", self.database_url, self.redis_url))

    # --- preparation ----------------------------------------------------------------------------------
    @property
    def environment(self) -> dict[str, str]:
        """Of every process of the house. A folder given to ``--images`` may be read by its workers."""
        environment = child_environment(self.data, self.database_url, self.redis_url)
        if self.options.images is not None:
            roots = [environment.get("VITRINE_IMPORT_ROOTS", ""), str(self.options.images.resolve())]
            environment["VITRINE_IMPORT_ROOTS"] = ",".join(root for root in roots if root)
        return environment

    def _fingerprints(self) -> dict[str, str]:
        static_root = Path(os.environ.get("VITRINE_STATIC_ROOT", "") or self.data / "static")
        return {
            "migrations": prepare.migrations_fingerprint(self.data / "postgres"),
            "static": prepare.static_fingerprint(static_root),
        }

    def steps_due(self) -> list[str]:
        """``--migrate`` and ``--static`` unless nothing changed since they last succeeded."""
        known, now = prepare.recorded(self.data), self._fingerprints()
        given_elsewhere = bool(given("DATABASE_URL"))  # its tables are not ours to remember
        return [
            flag
            for flag, key in STEPS
            if known.get(key) != now[key] or (key == "migrations" and given_elsewhere)
        ]

    def start_preparing(self, *steps: str) -> subprocess.Popen[str]:
        """The preparing process; its errors go to logs/prepare.log, its answer to the pipe."""
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.logs / "prepare.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "iqa_site.prepare", *steps],
                stdout=subprocess.PIPE,
                stderr=log,
                stdin=subprocess.DEVNULL,
                text=True,
                env=self.environment,
                start_new_session=True,
            )

    def finish_preparing(self, child: subprocess.Popen[str], done: Sequence[str]) -> str:
        """Path that logs in once, "/" without one; new passwords are told. LaunchError when a step failed."""
        try:
            told, _ = child.communicate()
        except BaseException:
            child.kill()
            child.wait()
            raise
        if child.returncode != 0:
            raise LaunchError(f"Preparing the database failed, see {self.logs / 'prepare.log'}")
        now = self._fingerprints()
        fresh = {key: now[key] for flag, key in STEPS if flag in done}
        prepare.record(self.data, {**prepare.recorded(self.data), **fresh})
        lines = told.strip().splitlines()
        answer = json.loads(lines[-1]) if lines else {}
        self._tell_passwords(answer.get("created") or {})
        return str(answer.get("login_url_path", "/"))

    def _tell_passwords(self, created: Mapping[str, str]) -> None:
        if created:
            self._tell("New accounts (these passwords are shown only now):")
        for username, password in created.items():
            self._tell(f"    {username:<12} {password}")

    # --- processes ------------------------------------------------------------------------------------
    def _program(
        self,
        name: str,
        command: list[str],
        *,
        log: str,
        extra: Mapping[str, str] | None = None,
        once: bool = False,
        gives_way: bool = True,
    ) -> None:
        def start() -> subprocess.Popen[bytes]:
            child = processes.spawn(
                [sys.executable, "-m", *command],
                log=self.logs / f"{log}.log",
                env=self.environment | dict(extra or {}),
            )
            if gives_way:
                processes.give_way(child.pid)
            return child

        self.supervisor.add(Program(name, start, f"logs/{log}.log", once=once), now=time.monotonic())

    def start_web(self, port: int) -> None:
        host = self.options.host
        bind = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        # The web scores single pictures on a processor: the graphics card is the workers'.
        extra = {"VITRINE_DEVICE": "cpu", **_allowed_hosts(host)}
        self._program("web", web_command(bind), log="web", extra=extra, gives_way=False)

    def start_workers(self) -> None:
        """The workers of every queue and the clock that wakes the sweepers."""
        score = score_processes(os.cpu_count() or 1)
        # Two workers look after maintenance: a long training or import must not hold up the sweepers.
        self._worker("io", "io,maintenance", 2, {})
        self._worker("score", "score", score, number_environment(score))
        self._worker("train", "train,maintenance", 1, number_environment(1))
        schedule = self.data / "beat-schedule"
        command = [
            "celery",
            "-A",
            "iqa_site.celery",
            "--quiet",
            "beat",
            f"--schedule={schedule}",
            "--pidfile=",
        ]
        self._program("beat", command, log="beat")

    def _worker(self, name: str, queues: str, concurrency: int, extra: Mapping[str, str]) -> None:
        words = [f"--queues={queues}", f"--concurrency={concurrency}", f"--hostname={name}@%h"]
        words += ["--loglevel=INFO", "--without-gossip", "--without-mingle", "--without-heartbeat"]
        command = ["celery", "-A", "iqa_site.celery", "--quiet", "worker", *words]
        self._program(f"{name} worker", command, log=name, extra=extra)

    def start_ingest(self, images: Path) -> None:
        """Bring a folder in beside the running house; one line when it is done."""
        command = ["django", "ingest", str(images.resolve())]
        self._program(f"Ingest of {images}", command, log="ingest", once=True)

    # --- the end --------------------------------------------------------------------------------------
    def move_out(self) -> None:
        """Workers and web first, then the broker, then the database; at most about ten seconds."""
        watched = {server.name for server in self.servers}
        self.supervisor.programs = [p for p in self.supervisor.programs if p.name not in watched]
        self.supervisor.stop()
        for server in self.servers:
            with suppress(OSError):
                server.stop()
        self.tenancy.leave()


def score_processes(cores: int) -> int:
    """How many processes score on a machine: one for two cores, with a graphics card or without."""
    return max(1, min(MOST_SCORE, cores // CORES_PER_SCORE))


def web_command(bind: str) -> list[str]:
    """Words after ``python -m`` that start the web server at an address."""
    words = ["--config=python:iqa_site.web_server", "--graceful-timeout=4"]
    return ["gunicorn", "iqa_site.wsgi:application", f"--bind={bind}", *words]


def given(name: str) -> str:
    """A setting from the environment, or the file that ``name_FILE`` names, read as env.py does."""
    path = os.environ.get(f"{name}_FILE", "")
    return Path(path).read_text(encoding="utf-8").strip() if path else os.environ.get(name, "")


def _allowed_hosts(host: str) -> dict[str, str]:
    """Listening beyond loopback means answering to this machine's name too, unless hosts are configured."""
    if os.environ.get("VITRINE_ALLOWED_HOSTS") or host in {"127.0.0.1", "localhost", "::1"}:
        return {}
    names = {"127.0.0.1", "localhost", "[::1]", socket.gethostname().lower()}
    names |= {socket.getfqdn().lower()} | ({host} if host not in {"0.0.0.0", "::"} else set())  # noqa: S104
    with suppress(OSError):
        names |= set(socket.gethostbyname_ex(socket.gethostname())[2])
    return {"VITRINE_ALLOWED_HOSTS": ",".join(sorted(names))}
