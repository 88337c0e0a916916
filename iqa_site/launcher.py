"""``vitrine run``: the whole house from one command, ended by one Ctrl-C.

Servers, then tables and the first people, then the web, then the workers once the first page answers.
The parent imports neither Django nor Celery: it only starts, watches and stops.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress

from iqa_site.embedded_server import EmbeddedError
from iqa_site.house import House, LaunchError, RunOptions, say
from iqa_site.instance import AlreadyRunningError, Instance
from iqa_site.patience import QUIET_S, End, Patience, signs_of, wait_for

WEB_TRIES = 3  # deaths of the web before its first page, after which it is not the machine's load
TICK_S = 0.25
PORTS_TRIED = 100


def run(options: RunOptions) -> int:
    """Start the house, print its address, watch it until Ctrl-C. Returns the exit status."""
    house = House(options)
    _on_signals(_interrupt)
    try:
        house.move_in()
        address = _open_the_doors(house)
        say(f"\n    {address}\n\nThis address logs you in once. Ctrl-C stops everything.")
        house.start_workers()
        if options.images is not None:
            house.start_ingest(options.images)
        _watch_over(house)
    except KeyboardInterrupt:
        say("Stopping.")
    except (AlreadyRunningError, EmbeddedError, LaunchError) as error:
        say(str(error))
        return 1
    finally:
        _on_signals(lambda *_: setattr(house.supervisor, "hurry", True))
        house.move_out()
    return 0


def _open_the_doors(house: House) -> str:
    """Prepare and start the web; returns the one address to open. Side by side when nothing changed."""
    port = _free_port_from(house.options.host, house.options.port)
    bootstrap = ["--bootstrap"]
    if house.options.images is not None or not house.options.sample:
        bootstrap.append("--no-sample")
    due = house.steps_due()
    if due:
        house.wait_for_servers()
        say("Preparing the database and the pages (first start or new version) ...")
        path = house.finish_preparing(house.start_preparing(*due, *bootstrap), due)
        house.start_web(port)
    else:
        house.start_web(port)
        house.wait_for_servers()
        path = house.finish_preparing(house.start_preparing(*bootstrap), due)
    _wait_for_page(house, port)
    base = f"http://{_name_to_open(house.options.host)}:{port}"
    house.tenancy.announce(Instance(os.getpid(), base + "/", house.database_url, house.redis_url))
    return base + path


def _watch_over(house: House) -> None:
    while True:
        house.supervisor.tick(time.monotonic())
        time.sleep(TICK_S)


def _wait_for_page(house: House, port: int) -> None:
    log = house.logs / "web.log"
    web = next(program for program in house.supervisor.programs if program.name == "web")

    def answers() -> bool:
        house.supervisor.tick(time.monotonic())
        line = http.client.HTTPConnection(_name_to_open(house.options.host), port, timeout=5)
        with suppress(OSError, http.client.HTTPException):
            line.request("GET", "/livez", headers={"Host": f"127.0.0.1:{port}", "X-Forwarded-Proto": "https"})
            return line.getresponse().status == http.client.OK
        return False

    end = wait_for(
        answers,
        gone=lambda: web.failures >= WEB_TRIES,
        signs=lambda: signs_of(web.child.pid if web.child else None, log),
        patience=Patience("the first page", log, say, began=time.monotonic()),
        step_s=0.05,
    )
    if end == End.GONE:
        raise LaunchError(f"The web stopped {WEB_TRIES} times before its first page, see {log}")
    if end == End.STUCK:
        raise LaunchError(f"The web lives, but did nothing for {QUIET_S / 60:.0f} minutes, see {log}")


def _on_signals(handler: Callable[..., None]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # under nohup
            signal.signal(number, handler)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _free_port_from(host: str, wanted: int) -> int:
    """``wanted``, or the next free port after it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in range(wanted, min(wanted + PORTS_TRIED, 65536)):
        with socket.socket(family) as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            if port != wanted:
                say(f"Port {wanted} is taken; Vitrine listens at {port}.")
            return port
    raise LaunchError(f"No free port from {wanted} on {host}")


def _name_to_open(host: str) -> str:
    """What to type in a browser on this machine for a listening address."""
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104  (compared, not bound)
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
