"""The bundled PostgreSQL and Valkey: real servers, started, shared, killed hard and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from iqa_site import processes
from iqa_site.embedded import EmbeddedError, PostgresServer, ValkeyServer, start_postgres, start_valkey
from iqa_site.processes import FolderLock

OWNER = """
import sys, time
from pathlib import Path
from iqa_site.embedded import start_postgres, start_valkey
data = Path(sys.argv[1])
postgres, valkey = start_postgres(data), start_valkey(data)
print(postgres.url, valkey.url, postgres.child.pid, valkey.child.pid, flush=True)
time.sleep(600)
"""
LOCKER = """
import sys, time
from pathlib import Path
from iqa_site.processes import FolderLock
lock = FolderLock(Path(sys.argv[1]))
print(lock.acquire(), flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """One data folder below a name with a space and Chinese characters; initdb runs once per module."""
    with tempfile.TemporaryDirectory(prefix="vitrine 商品 ") as folder:
        yield Path(folder) / "data"


@pytest.fixture
def postgres(data: Path) -> Iterator[PostgresServer]:
    server = start_postgres(data)
    yield server
    server.stop()


@pytest.fixture
def valkey(data: Path) -> Iterator[ValkeyServer]:
    server = start_valkey(data)
    yield server
    server.stop()


def _owner_process(data: Path) -> tuple[subprocess.Popen[str], str, str, int, int]:
    """Another process that owns both servers of the folder."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(data)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert owner.stdout is not None
    postgres_url, valkey_url, postgres_pid, valkey_pid = owner.stdout.readline().split()
    return owner, postgres_url, valkey_url, int(postgres_pid), int(valkey_pid)


def _gone(*pids: int) -> bool:
    return all(not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie" for pid in pids)


def test_postgres_measures_distances_between_vectors(postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.url) as connection:
        row = connection.execute("SELECT '[1,2,3]'::vector <-> '[1,2,5]'::vector").fetchone()
    assert row == (2.0,)


def test_a_new_database_gets_vector_without_asking(postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS another")
        connection.execute("CREATE DATABASE another")
    with psycopg.connect(postgres.url.replace("@/vitrine?", "@/another?")) as connection:
        row = connection.execute("SELECT count(*) FROM pg_extension WHERE extname = 'vector'").fetchone()
    assert row == (1,)


def test_postgres_writes_through_to_the_disk(postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.url) as connection:
        settings = [
            connection.execute(f"SHOW {name}").fetchone()
            for name in (
                "fsync",
                "synchronous_commit",
                "full_page_writes",
                "data_checksums",
                "listen_addresses",
            )
        ]
    assert settings == [("on",), ("on",), ("on",), ("on",), ("",)]


def test_postgres_refuses_a_wrong_password(postgres: PostgresServer) -> None:
    head, _, tail = postgres.url.partition("@")
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"{head}x@{tail}")


def test_valkey_refuses_a_stranger_and_keeps_everything(valkey: ValkeyServer) -> None:
    client = redis.Redis.from_url(valkey.url)
    assert client.config_get("appendonly") == {"appendonly": "yes"}
    assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    stranger = redis.Redis(port=int(valkey.url.rpartition(":")[2].removesuffix("/0")))
    with pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_secrets_are_readable_by_their_owner_only(
    data: Path, postgres: PostgresServer, valkey: ValkeyServer
) -> None:
    for name in ("postgres_password", "valkey_password", "postgres.url", "valkey.url"):
        assert (data / name).stat().st_mode & 0o077 == 0, name
    words = " ".join(psutil.Process(valkey.child.pid).cmdline()) if valkey.child else ""
    assert (data / "valkey_password").read_text() not in words


def test_a_second_caller_shares_the_server_and_cannot_stop_it(data: Path, postgres: PostgresServer) -> None:
    second = start_postgres(data)
    assert (second.url, second.owned) == (postgres.url, False)
    second.stop()
    with psycopg.connect(postgres.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.skipif(
    sys.platform != "linux", reason="the kernel tells children of a parent's death on Linux only"
)
def test_servers_end_when_their_owner_is_killed_hard(data: Path) -> None:
    owner, _, _, postgres_pid, valkey_pid = _owner_process(data)
    owner.kill()
    owner.wait()
    assert processes.wait_until(lambda: _gone(postgres_pid, valkey_pid), seconds=15)


def test_a_row_survives_the_hard_kill_of_everything(data: Path) -> None:
    owner, postgres_url, valkey_url, postgres_pid, valkey_pid = _owner_process(data)
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
        connection.execute("INSERT INTO kept VALUES (7)")
    client = redis.Redis.from_url(valkey_url)
    client.set("kept", "7")
    client.config_set("appendfsync", "always")
    client.set("kept too", "8")
    for pid in (owner.pid, postgres_pid, valkey_pid):
        os.kill(pid, signal.SIGKILL)
    owner.wait()
    postgres, valkey = start_postgres(data), start_valkey(data)
    try:
        assert (postgres.owned, valkey.owned) == (True, True)
        with psycopg.connect(postgres.url) as connection:
            assert connection.execute("SELECT max(n) FROM kept").fetchone() == (7,)
        assert redis.Redis.from_url(valkey.url).mget("kept", "kept too") == [b"7", b"8"]
    finally:
        postgres.stop()
        valkey.stop()


def test_a_pid_file_naming_an_unrelated_process_does_not_block_the_start(data: Path) -> None:
    folder = data / "postgres"
    (folder / "postmaster.pid").write_text(f"{os.getpid()}\n{folder}\n1\n5432\n\n\n\nready   \n")
    server = start_postgres(data)
    server.stop()
    assert psutil.Process(os.getpid()).is_running()


def test_an_unreadable_queue_is_put_aside(data: Path) -> None:
    start_valkey(data).stop()
    log = next((data / "valkey" / "appendonlydir").glob("*.incr.aof"))
    log.write_bytes(b"*3\r\n$3\r\nSET\r\nnot a command at all\r\n" * 50)
    server = start_valkey(data)
    try:
        assert redis.Redis.from_url(server.url).dbsize() == 0
        assert len(list(data.glob("valkey.unreadable-*"))) == 1
    finally:
        server.stop()


def test_a_server_that_died_starts_again_at_the_same_address(data: Path, postgres: PostgresServer) -> None:
    assert postgres.child is not None
    address = postgres.url
    postgres.child.kill()
    postgres.child.wait()
    postgres.restart()
    postgres.wait_ready()
    assert postgres.url == address
    with psycopg.connect(address) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_cluster_of_another_version_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("13\n")
    with pytest.raises(EmbeddedError, match="PostgreSQL 13"):
        start_postgres(tmp_path)


def test_a_data_path_too_long_for_a_socket_works(data: Path) -> None:
    deep = data / ("x" * 60) / ("y" * 60)
    server = PostgresServer(deep)
    assert len(os.fsencode(server._sockets)) < 80
    server._sockets.rmdir()


def test_a_half_made_cluster_is_made_again(tmp_path: Path) -> None:
    half = tmp_path / "postgres.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    server = start_postgres(tmp_path)
    try:
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        server.stop()


def test_the_lock_is_free_again_when_its_owner_is_gone(tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", LOCKER, str(tmp_path / "lock")],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert owner.stdout is not None
    assert owner.stdout.readline().strip() == b"True"
    assert FolderLock(tmp_path / "lock").acquire() is False
    owner.kill()
    owner.wait()
    again = FolderLock(tmp_path / "lock")
    assert again.acquire() is True
    again.release()
