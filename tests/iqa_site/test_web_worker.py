"""The web server: lines shared evenly among its workers, and no thread spent on people who say nothing."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psutil
import pytest

from iqa_site.web_server import threads, workers
from iqa_site.web_worker import SLACK, Board

APP = """
import os

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(str(os.getpid()))))])
    return [str(os.getpid()).encode()]
"""
LINES = 24


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A running server whose every answer is the id of the worker that gave it."""
    folder = tmp_path_factory.mktemp("web")
    (folder / "who.py").write_text(APP)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = int(probe.getsockname()[1])
    words = [
        "-m",
        "gunicorn",
        "--config=python:iqa_site.web_server",
        "--graceful-timeout=1",
        "who:application",
    ]
    here = os.pathsep.join([str(folder), str(Path(__file__).parents[2])])
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, *words, f"--bind=127.0.0.1:{number}"],
            env=os.environ | {"PYTHONPATH": here},
            stdout=log,
            stderr=log,
        )
        try:
            _wait_for(number)
            yield number
        finally:
            server.terminate()
            server.wait(20)


def _wait_for(port: int) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with socket.socket() as knock:
            if knock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("the server did not start")


def ask(line: http.client.HTTPConnection) -> int:
    """Which worker answered on a line that is opened again where it broke, as a browser does."""
    for _ in range(5):
        try:
            line.request("GET", "/")
            return int(line.getresponse().read())
        except (OSError, http.client.HTTPException):
            line.close()
    raise AssertionError("nobody answered")


def shared_evenly(lines: list[http.client.HTTPConnection], *, without: int = 0) -> bool:
    """Whether everybody, asking again and again, soon finds all workers, each with its share of the lines."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        held = Counter(ask(line) for line in lines)
        most = LINES / workers + SLACK + threads
        if without not in held and len(held) == workers and max(held.values()) <= most:
            return True
        time.sleep(0.05)
    return False


def test_a_worker_that_takes_a_killed_ones_place_gets_its_share_of_the_lines(port: int) -> None:
    with ExitStack() as stack:
        lines = [
            stack.enter_context(closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)))
            for _ in range(LINES)
        ]
        assert shared_evenly(lines)
        for _ in range(2):
            victim = ask(lines[0])
            os.kill(victim, signal.SIGKILL)
            assert shared_evenly(lines, without=victim)


def test_a_worker_that_let_another_greet_a_newcomer_is_not_busy_with_it(port: int) -> None:
    with ExitStack() as stack:
        lines = [
            stack.enter_context(closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)))
            for _ in range(LINES)
        ]
        assert shared_evenly(lines)
        spent = _cpu_of(lines)
        time.sleep(0.4)
        assert _cpu_of(lines) - spent < 0.1


def _cpu_of(lines: list[http.client.HTTPConnection]) -> float:
    """Processor seconds of all workers so far."""
    times = [psutil.Process(worker).cpu_times() for worker in {ask(line) for line in lines}]
    return sum(each.user + each.system for each in times)


def test_lines_on_which_nothing_is_said_cost_no_thread(port: int) -> None:
    with ExitStack() as stack:
        for _ in range(workers * threads + 2):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        line = stack.enter_context(closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)))
        began = time.monotonic()
        ask(line)
        assert time.monotonic() - began < 4  # a thread waits five seconds for a silent line


def test_who_keeps_a_line_open_after_the_last_answer_holds_up_nobody(port: int) -> None:
    with ExitStack() as stack:
        for _ in range(3 * workers):
            rude = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            rude.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert rude.recv(100).startswith(b"HTTP/1.1 200")
        line = stack.enter_context(closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)))
        began = time.monotonic()
        for _ in range(4 * workers):
            ask(line)
            line.close()
        assert time.monotonic() - began < 4  # two seconds for each of three would be six


def test_the_place_of_a_worker_that_is_gone_is_given_to_the_next() -> None:
    board = Board()
    first, second = board.take(), board.take()
    board.tell(first, 7)
    assert sorted(board.lines()) == [0, 7]
    board.leave(first)
    assert board.lines() == [0]
    assert board.take() == first != second
