"""A real Chromium against the real site, and what must hold on every page it opens.

``page_of(person)`` opens a page for somebody of the cast, already logged in; addresses are relative. A
script error, a word on the console, a refusal of the content policy or an answer of 5xx fails the test
that caused it. ``check(page)`` holds what is on the screen against axe and against 360 px, light and dark;
with VITRINE_SHOTS=1 it also leaves pictures in ``shots/``.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Response, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
SHOTS = ROOT / "shots"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE_MS = 15_000
WIDE, NARROW = 1280, 360
BUSY = """SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'
AND backend_type = 'client backend' AND pid <> pg_backend_pid()"""
OF_COLOUR = ("color-contrast", "link-in-text-block")  # axe's rules that another theme may break
STATUS = re.compile(r"the server responded with a status of (\d+)")

# Playwright's loop makes Django believe that the tests run inside async code; they do not.
ASYNC_IS_FINE = "DJANGO_ALLOW_ASYNC_UNSAFE"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder drives a browser."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """One browser for this folder; where there is none its tests are skipped, or fail if it is required.

    It is gone before the tests of another folder begin: they start processes that must not inherit
    the word to Django.
    """
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        said = "no Chromium on this machine: the browser's tests did not run"
        pytest.fail(said) if os.environ.get("VITRINE_REQUIRE_BROWSER") == "1" else pytest.skip(said)
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as driver:
        patch.setenv(ASYNC_IS_FINE, "true")
        browser = driver.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@dataclass
class Visits:
    """Pages opened by one test, and everything that went wrong on them."""

    browser: Browser
    address: str
    faults: list[str] = field(default_factory=list)
    allowed: set[int] = field(default_factory=set)
    contexts: list[BrowserContext] = field(default_factory=list)
    is_deaf: bool = False  # while a check itself pokes the page

    def __call__(
        self, person: User | None = None, *, width: int = WIDE, height: int = 800, **wishes: Any
    ) -> Page:
        """A fresh page of a browser nobody used; ``wishes`` go to Playwright's context (locale, …)."""
        context = self.browser.new_context(
            base_url=self.address, viewport={"width": width, "height": 800}, **wishes
        )
        context.set_default_timeout(PATIENCE_MS)
        self.contexts.append(context)
        if person is not None:
            context.add_cookies([self._session_cookie(person)])
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.faults.append(f"script: {error.error}"))
        context.on("response", self._see)
        return context.new_page()

    def allow(self, *statuses: int) -> None:
        """The test provokes these answers; the console may name them."""
        self.allowed.update(statuses)

    def _session_cookie(self, person: User) -> Any:
        client = Client()
        client.force_login(person)
        name = django_settings.SESSION_COOKIE_NAME
        return {"name": name, "value": client.cookies[name].value, "url": self.address}

    def _hear(self, message: ConsoleMessage) -> None:
        if self.is_deaf or message.type not in {"error", "warning"}:
            return
        status = STATUS.search(message.text)
        if status and int(status[1]) in self.allowed:
            return
        self.faults.append(f"console {message.type}: {message.text} ({message.location.get('url', '')})")

    def _see(self, response: Response) -> None:
        if response.status >= 500 and response.status not in self.allowed:
            self.faults.append(f"{response.status} from {response.url}")


@pytest.fixture
def page_of(chromium: Browser, live_server: Any) -> Iterator[Visits]:
    """Opens pages; afterwards nothing may have gone wrong on any of them."""
    visits = Visits(chromium, live_server.url)
    yield visits
    for context in visits.contexts:
        context.close()
    until_quiet()
    assert not visits.faults, "\n".join(visits.faults)


def until_quiet(seconds: float = 10.0) -> None:
    """Wait for the answers still under way: a closing page gives its leases back, and a database that is
    emptied meanwhile deadlocks with it. Two quiet looks, since a request is quiet between its queries."""
    until, quiet = time.monotonic() + seconds, 0
    while quiet < 2 and time.monotonic() < until:
        with connection.cursor() as cursor:
            cursor.execute(BUSY)
            quiet = 0 if cursor.fetchone()[0] else quiet + 1
        time.sleep(0.03)


@pytest.fixture
def check(page_of: Visits) -> Callable[[Page, str], None]:
    """``check(page, "name")``: axe finds nothing and nothing sticks out, light and dark, wide and narrow."""

    def deafly(page: Page, name: str) -> None:
        page_of.is_deaf = True  # axe and the camera try out styles which the policy refuses
        try:
            look_at(page, name)
        finally:
            page_of.is_deaf = False

    return deafly


def look_at(page: Page, name: str) -> None:
    """Hold the page against what every page promises; leaves the window wide and the theme light."""
    for theme in ("dark", "light"):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        for width in (NARROW, WIDE):
            page.set_viewport_size({"width": width, "height": 800})
            if os.environ.get("VITRINE_SHOTS") == "1":
                SHOTS.mkdir(exist_ok=True)
                page.evaluate("scrollTo(0, 0)")
                page.screenshot(path=SHOTS / f"{name}-{theme}-{width}.png", full_page=True)
            if width == NARROW and theme == "light":
                assert not sticking_out(page), f"{name} is wider than {NARROW} px"
        accessible(page, f"{name}, {theme}", rules=OF_COLOUR if theme == "dark" else None)


def sticking_out(page: Page) -> list[str]:
    """What makes the page scroll sideways."""
    return page.evaluate(
        """() => {
          const room = document.documentElement.clientWidth;
          if (document.documentElement.scrollWidth <= room) return [];
          return [...document.body.querySelectorAll("*")]
            .filter((one) => one.getBoundingClientRect().right > room + 1)
            .slice(0, 5).map((one) => one.outerHTML.slice(0, 120));
        }"""
    )


def accessible(page: Page, where: str, *, rules: Sequence[str] | None = None) -> None:
    """axe finds no violation (of ``rules``)."""
    options: dict[str, Any] = {"preload": False, "resultTypes": ["violations"]}
    if rules is not None:
        options["runOnly"] = {"type": "rule", "values": list(rules)}
    found = Axe().run(page, options=options).response["violations"]
    told = [
        f"{one['id']}: {one['help']}\n    " + "\n    ".join(node["html"][:160] for node in one["nodes"][:4])
        for one in found
    ]
    assert not told, f"{where}:\n" + "\n".join(told)
