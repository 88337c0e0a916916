"""The house starts from one command, survives the death of its parts, and ends with its parent."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from http.cookiejar import CookieJar
from pathlib import Path

import psutil
import pytest

from iqa_site import prepare, processes
from iqa_site.borrow import borrow_model
from iqa_site.house import House, LaunchError, RunOptions, _allowed_hosts
from iqa_site.instance import running_instance
from iqa_site.launcher import _free_port_from, _name_to_open, _wait_for_page
from iqa_site.patience import End, Patience, Signs, signs_of, wait_for
from iqa_site.supervisor import BACKOFF_S, STEADY_S, Program, Supervisor
from scoring import device

ADDRESS = re.compile(r"http://[\w.:\[\]]+/\S*")
ROOT = Path(__file__).parents[2]
DEAF = """
import signal, time
for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
print("up", flush=True)
time.sleep(600)
"""
PARENT = """
import subprocess, time
print(subprocess.Popen(["sleep", "600"]).pid, flush=True)
time.sleep(600)
"""


# --- the supervisor ---------------------------------------------------------------------------------
def _sleeper(log: Path, seconds: str = "600") -> Callable[[], subprocess.Popen[bytes]]:
    return lambda: processes.spawn([sys.executable, "-c", f"import time; time.sleep({seconds})"], log=log)


def _die(program: Program) -> None:
    assert program.child is not None
    program.child.kill()
    program.child.wait()


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def supervisor(told: list[str]) -> Iterator[Supervisor]:
    supervisor = Supervisor(told.append)
    yield supervisor
    supervisor.hurry = True
    supervisor.stop()


def test_a_dead_child_starts_again_after_a_pause(
    supervisor: Supervisor, told: list[str], tmp_path: Path
) -> None:
    program = Program("score worker", _sleeper(tmp_path / "log"), "logs/score.log")
    supervisor.add(program, now=0.0)
    first = program.child
    _die(program)
    supervisor.tick(1.0)
    supervisor.tick(1.9)
    assert program.child is first
    supervisor.tick(2.0)
    assert program.child is not first
    assert told == ["score worker stopped (signal 9); starting it again in 1 s, see logs/score.log"]


def test_the_pauses_grow_to_half_a_minute_and_a_steady_life_resets_them(
    supervisor: Supervisor, told: list[str], tmp_path: Path
) -> None:
    program = Program("io worker", _sleeper(tmp_path / "log"), "logs/io.log")
    supervisor.add(program, now=0.0)
    now, pauses = 0.0, []
    for _ in range(7):
        _die(program)
        supervisor.tick(now)
        assert program.due_at is not None
        pauses.append(program.due_at - now)
        now = program.due_at
        supervisor.tick(now)
    assert pauses == [*BACKOFF_S, BACKOFF_S[-1]]
    _die(program)
    supervisor.tick(now + STEADY_S)
    assert program.due_at == now + STEADY_S + BACKOFF_S[0]


def test_a_program_that_cannot_start_is_tried_again(
    supervisor: Supervisor, told: list[str], tmp_path: Path
) -> None:
    program = Program(
        "web", lambda: processes.spawn([tmp_path / "absent"], log=tmp_path / "log"), "logs/web.log"
    )
    supervisor.add(program, now=0.0)
    assert program.due_at == 1.0
    assert told[0].startswith("web did not start")


def test_a_one_time_program_ends_with_one_line(
    supervisor: Supervisor, told: list[str], tmp_path: Path
) -> None:
    start = partial(processes.spawn, [sys.executable, "-c", "raise SystemExit(3)"], log=tmp_path / "log")
    program = Program("Ingest of shoes", start, "logs/ingest.log", once=True)
    supervisor.add(program, now=0.0)
    assert program.child is not None
    program.child.wait()
    supervisor.tick(1.0)
    assert told == ["Ingest of shoes failed, see logs/ingest.log"]
    assert supervisor.programs == []


def test_stop_ends_a_child_that_ignores_polite_signals(told: list[str], tmp_path: Path) -> None:
    log = tmp_path / "log"
    supervisor = Supervisor(told.append)
    program = Program("train worker", lambda: processes.spawn([sys.executable, "-c", DEAF], log=log), "x")
    supervisor.add(program, now=0.0)
    assert program.child is not None
    assert processes.wait_until(lambda: log.read_text() == "up\n", seconds=10)
    before = time.monotonic()
    supervisor.stop()
    assert program.child.poll() == -signal.SIGKILL
    assert time.monotonic() - before < 8


def test_a_grandchild_ends_with_its_group(supervisor: Supervisor, tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = Program("io worker", lambda: processes.spawn([sys.executable, "-c", PARENT], log=log), "x")
    supervisor.add(program, now=0.0)
    assert processes.wait_until(lambda: log.read_text().endswith("\n"), seconds=10)
    _die(program)
    supervisor.tick(1.0)
    assert processes.wait_until(lambda: _ended(int(log.read_text())), seconds=5)


def _ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


# --- patience -----------------------------------------------------------------------------------------
def test_who_gets_on_is_waited_for_however_long_and_who_is_silent_is_given_up(
    told: list[str], tmp_path: Path
) -> None:
    patience = Patience("the first page", tmp_path / "web.log", told.append, began=0.0)
    slow = [Signs(7, cpu_s=second * 0.02, log_bytes=0) for second in range(1200)]
    assert not any(patience.runs_out(signs, now=second) for second, signs in enumerate(slow))
    assert told[:2] == [
        f"Still waiting for the first page, {s} s by now; it is at work, see {tmp_path / 'web.log'}"
        for s in (15, 75)
    ]
    idle = [Signs(7, cpu_s=24.0 + second * 0.0001, log_bytes=0) for second in range(400)]
    silent = [patience.runs_out(signs, now=1200 + second) for second, signs in enumerate(idle)]
    assert silent.index(True) == pytest.approx(300, abs=20)
    assert "nothing moved for" in told[-1]
    assert not patience.runs_out(Signs(7, cpu_s=12.0, log_bytes=40), now=1700)  # it wrote a line
    assert not patience.runs_out(Signs(8, cpu_s=0.0, log_bytes=40), now=2100)  # it was started again


def test_a_wait_ends_with_the_answer_with_the_death_or_with_the_end_of_patience(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iqa_site.patience.LOOK_EVERY_S", 0.0)
    log = tmp_path / "log"

    def ended(*, ready: bool = False, gone: bool = False, quiet_s: float = 60.0) -> End:
        patience = Patience("it", log, lambda _: None, began=time.monotonic(), quiet_s=quiet_s)
        signs = partial(signs_of, os.getpid(), log)
        return wait_for(lambda: ready, gone=lambda: gone, signs=signs, patience=patience)

    assert ended(ready=True, gone=True) == End.READY
    assert ended(gone=True) == End.GONE
    assert ended(quiet_s=0.0) == End.STUCK


def test_the_work_of_a_process_and_its_children_is_seen(tmp_path: Path) -> None:
    work = "import os, time; os.fork()\nwhile time.process_time() < 0.2: pass\ntime.sleep(60)"
    child = processes.spawn([sys.executable, "-c", work], log=tmp_path / "log")
    try:
        signs = partial(signs_of, child.pid, tmp_path / "log")
        before = signs().cpu_s
        assert processes.wait_until(lambda: signs().cpu_s >= before + 0.35, seconds=20)  # both of them worked
    finally:
        processes.signal_group(child, signal.SIGKILL)
        child.wait()
    assert signs_of(child.pid, tmp_path / "log").cpu_s == 0.0


def test_a_web_that_dies_again_and_again_is_given_up_with_its_log_named(
    told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iqa_site.supervisor.BACKOFF_S", (0.0,))
    house = House(RunOptions(data=tmp_path), tell=told.append)
    dying = partial(processes.spawn, ["false"], log=tmp_path / "web.log")
    house.supervisor.add(Program("web", dying, "logs/web.log"), now=0.0)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, not listening: nobody answers there
        with pytest.raises(
            LaunchError, match=r"The web stopped 3 times before its first page, see .*web\.log"
        ):
            _wait_for_page(house, nobody.getsockname()[1])


# --- small decisions --------------------------------------------------------------------------------
def test_a_taken_port_leads_to_the_next_and_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = _free_port_from("127.0.0.1", port)
        assert port < found <= port + 100
        assert capsys.readouterr().out == f"Port {port} is taken; Vitrine listens at {found}.\n"
        assert _free_port_from("127.0.0.1", found) == found
        assert not capsys.readouterr().out


def test_listening_everywhere_is_opened_through_loopback() -> None:
    assert _name_to_open("0.0.0.0") == "127.0.0.1"
    assert _name_to_open("::1") == "[::1]"
    assert _name_to_open("10.0.0.7") == "10.0.0.7"


def test_only_listening_beyond_loopback_widens_the_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VITRINE_ALLOWED_HOSTS", raising=False)
    assert _allowed_hosts("127.0.0.1") == {}
    names = _allowed_hosts("10.0.0.7")["VITRINE_ALLOWED_HOSTS"].split(",")
    assert "10.0.0.7" in names
    assert "*" not in names
    monkeypatch.setenv("VITRINE_ALLOWED_HOSTS", "shop.example")
    assert _allowed_hosts("10.0.0.7") == {}


def test_a_new_database_is_migrated_whatever_was_recorded(tmp_path: Path) -> None:
    made = tmp_path / "vitrine_database"
    made.touch()
    first = prepare.migrations_fingerprint(tmp_path)
    assert prepare.migrations_fingerprint(tmp_path) == first
    os.utime(made, ns=(1, 1))
    assert prepare.migrations_fingerprint(tmp_path) != first


def test_a_torn_record_of_the_last_preparation_counts_as_none(tmp_path: Path) -> None:
    prepare.record(tmp_path, {"static": "abc"})
    assert prepare.recorded(tmp_path) == {"static": "abc"}
    (tmp_path / "prepared.json").write_text('{"stat')
    assert prepare.recorded(tmp_path) == {}


# --- the whole house, once --------------------------------------------------------------------------
class RunningHouse:
    """``vitrine run`` in a process of its own."""

    def __init__(self, data: Path, *words: str) -> None:
        environment = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "REDIS_URL"}}
        command = [sys.executable, "-m", "iqa_site.cli", "run", "--data", str(data), "--no-sample", *words]
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, env=environment
        )
        self.address = self._until_address()

    def _until_address(self) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            found = ADDRESS.search(line)
            if found:
                return found[0]
        raise AssertionError(f"no address printed: {self.lines}")

    @property
    def base(self) -> str:
        return "/".join(self.address.split("/")[:3])

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=90)
        return self.process.returncode


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="vitrine 商品 ") as name:
        yield Path(name) / "data"


def _status(address: str) -> int:
    with urllib.request.urlopen(address, timeout=20) as answer:  # noqa: S310
        return int(answer.status)


def _browser() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))


def test_the_house_from_first_start_to_hard_kill(folder: Path) -> None:
    """First start, one-time login, refusal of a second tenant, death of parts, clean stop, hard kill."""
    house = RunningHouse(folder)
    try:
        _first_start_prints_one_address(house)
        _a_second_run_is_refused(folder, house)
        _its_champion_can_be_borrowed(folder)
        _parts_that_die_come_back(house)
    finally:
        before = time.monotonic()
        family = house.family()
        status = house.stop()
    assert status == 0
    assert time.monotonic() - before < 12
    assert all(_ended(process.pid) for process in family)
    assert running_instance(folder) is None
    assert not (folder / "run.json").exists()
    _a_hard_kill_leaves_nothing_that_blocks(folder)


def _first_start_prints_one_address(house: RunningHouse) -> None:
    assert "/login/" in house.address
    assert sum(line.count("http://") for line in house.lines) == 1
    browser = _browser()
    with browser.open(house.address, timeout=20) as first:
        assert first.status == 200
        assert "/login/" not in first.url
    with pytest.raises(urllib.request.HTTPError, match="403"):  # the address worked once
        _browser().open(house.address, timeout=20)


def _a_second_run_is_refused(folder: Path, house: RunningHouse) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "iqa_site.cli", "run", "--data", str(folder)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
    )
    assert second.returncode == 1
    assert f"already runs on {folder}" in second.stdout
    assert house.base in second.stdout
    assert _status(house.base + "/livez") == 200


def _its_champion_can_be_borrowed(folder: Path) -> None:
    """By a command of another process, which needs no server from then on."""
    chosen = borrow_model("champion", folder)
    assert chosen.model.name.startswith("base-")
    assert chosen.model.head().feature_version == device.feature_version()
    assert chosen.taught == frozenset()


def _workers(house: RunningHouse) -> list[psutil.Process]:
    found = []
    for process in house.family():
        with suppress(psutil.Error):
            if "celery" in process.cmdline():
                found.append(process)
    return found


def _parts_that_die_come_back(house: RunningHouse) -> None:
    for name in ("postgres", "valkey-server"):
        part = next(process for process in house.family() if process.name().startswith(name))
        part.kill()
    assert processes.wait_until(lambda: bool(_workers(house)), seconds=20, step=0.2)
    _workers(house)[0].kill()
    ready = house.base + "/readyz"

    def answers() -> bool:
        try:
            with urllib.request.urlopen(ready, timeout=5) as answer:  # noqa: S310
                return json.load(answer) == {"database": "ok", "broker": "ok"}
        except OSError:
            return False

    assert processes.wait_until(answers, seconds=40, step=0.5)


def _a_hard_kill_leaves_nothing_that_blocks(folder: Path) -> None:
    house = RunningHouse(folder)
    assert not [line for line in house.lines if "Preparing" in line]  # nothing changed since the first start
    family = house.family()
    house.process.kill()
    house.process.wait()
    if sys.platform == "linux":
        assert processes.wait_until(lambda: all(_ended(p.pid) for p in family), seconds=20)
    again = RunningHouse(folder)
    try:
        assert _status(again.base + "/livez") == 200
    finally:
        assert again.stop() == 0
