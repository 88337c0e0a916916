"""Web and worker of a bench's site, with the words ``vitrine run`` gives them; people logged in."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

CSRF_TOKEN = "a" * 32


@contextmanager
def web(data: Path, port: int, *, with_static: bool = False) -> Iterator[psutil.Process]:
    """The server's process; with ``with_static`` its stylesheets and scripts are collected first."""
    from django.core.management import call_command

    from iqa_site.house import web_command

    if with_static:
        call_command("collectstatic", interactive=False, verbosity=0)
    with (data / "web.log").open("wb") as log:
        command = [sys.executable, "-m", *web_command(f"127.0.0.1:{port}")]
        server = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ)
        try:
            _wait_for_port(server, port)
            yield psutil.Process(server.pid)
        finally:
            server.terminate()
            server.wait(20)


@contextmanager
def worker(data: Path) -> Iterator[None]:
    """The worker of imports, exports and labels, once it takes messages."""
    from iqa_site.processes import give_way

    words = ["--queues=io,maintenance", "--concurrency=2", "--loglevel=INFO"]
    words += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    command = [sys.executable, "-m", "celery", "-A", "iqa_site.celery", "worker", *words]
    path = data / "worker.log"
    with path.open("wb") as log:
        child = subprocess.Popen(command, stdout=log, stderr=log)
        give_way(child.pid)
        try:
            until = time.monotonic() + 120
            while b" ready." not in path.read_bytes() and time.monotonic() < until:
                time.sleep(0.1)
            yield
        finally:
            child.terminate()
            child.wait(30)


def _wait_for_port(server: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until and server.poll() is None:
        with socket.socket() as knock:
            if knock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit("the web server did not start")


def cpu_s(server: psutil.Process) -> float:
    """Processor seconds of the server and its workers so far."""
    spent = [one.cpu_times() for one in (server, *server.children(recursive=True))]
    return float(sum(times.user + times.system for times in spent))


def cookies_of(user: Any) -> dict[str, str]:
    """Session and CSRF cookies of somebody who has logged in; the token is CSRF_TOKEN."""
    from django.conf import settings
    from django.test import Client

    browser = Client()
    browser.force_login(user)
    session = browser.cookies[settings.SESSION_COOKIE_NAME].value
    return {settings.SESSION_COOKIE_NAME: session, settings.CSRF_COOKIE_NAME: CSRF_TOKEN}


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless Chromium of this machine, driven by Playwright."""
    from playwright.sync_api import sync_playwright

    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright's loop looks like async code to Django
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        raise SystemExit("no Chromium on this machine")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


def label_page(browser: Any, user: Any, port: int) -> Any:
    """A fresh page of a browser nobody used, logged in; not opened yet."""
    address = f"http://127.0.0.1:{port}"
    context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 800})
    context.add_cookies([{"name": n, "value": v, "url": address} for n, v in cookies_of(user).items()])
    return context.new_page()
