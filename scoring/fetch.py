"""Pictures from the web, and from nowhere else.

Every address a name resolves to must be public before one of them is connected to, for each redirect
anew, and the connection goes to the very address that was checked: a name that changes its mind between
the check and the connection (DNS rebinding) gains nothing. Knows nothing of the database.
"""

from __future__ import annotations

import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urljoin

import httpcore

from scoring.core.addresses import Target, UnfitAddressError, is_public, parse_target

BYTE_CAP = 25 * 2**20
DEADLINE_S = 10.0
REDIRECT_CAP = 3

REASONS: Mapping[str, str] = {
    "bad_url": "This is not a web address that begins with http:// or https://.",
    "blocked_url": "The address leads into a private network.",
    "port_not_allowed": "Pictures are fetched from ports 80 and 443 only.",
    "unknown_host": "No such web host was found.",
    "unreachable": "The web host could not be reached.",
    "tls_failed": "The web host could not prove who it is.",
    "timeout": "The web host took too long to answer.",
    "too_many_redirects": "The address led on to another address too often.",
    "bad_status": "The web host did not give the picture.",
    "bad_answer": "The web host gave an answer that cannot be read.",
    "encoded_answer": "The web host packed the answer although asked not to.",
    "too_large": "The file is larger than 25 MB.",
    "empty_file": "The file is empty.",
}

_REDIRECTS = frozenset({301, 302, 303, 307, 308})

Resolver = Callable[[str, int], Iterable[str]]


class FetchRefused(Exception):  # noqa: N818 - the word of the domain
    """The picture was not fetched. ``code`` is a key of REASONS, ``reason`` its sentence."""

    def __init__(self, code: str) -> None:
        super().__init__(REASONS[code])
        self.code, self.reason = code, REASONS[code]


def fetch_picture(
    url: str,
    *,
    deadline_s: float = DEADLINE_S,
    byte_cap: int = BYTE_CAP,
    allow: Collection[str] = (),
    resolve: Resolver | None = None,
    tls: ssl.SSLContext | None = None,
) -> bytes:
    """Bytes at a public web address, within ``deadline_s`` seconds in all. Raises FetchRefused.

    ``allow`` names origins ("host:port") that an administrator trusts although they are private.
    ``resolve`` and ``tls`` replace the system's resolver and trust store. Proxies of the environment
    are ignored, at most three redirects are followed, and what comes may be anything: pass it to
    ``scoring.gate.admit``.
    """
    deadline = time.monotonic() + deadline_s
    backend = GuardedBackend(deadline, frozenset(allow), resolve or system_addresses)
    context = tls or _system_trust()
    for _ in range(REDIRECT_CAP + 1):
        target = _target(url, allow)
        answer = _ask(target, backend, context, byte_cap)
        if isinstance(answer, bytes):
            return answer
        url = _joined(target.address, answer.location)
    raise FetchRefused("too_many_redirects")


@lru_cache(maxsize=1)
def _system_trust() -> ssl.SSLContext:
    """The system's trust store, read once: it takes 50 ms."""
    return ssl.create_default_context()


@dataclass(frozen=True, slots=True)
class _Redirect:
    location: str


def _target(url: str, allow: Collection[str]) -> Target:
    try:
        return parse_target(url, allow)
    except UnfitAddressError as fault:
        raise FetchRefused(fault.code) from fault


def _joined(base: str, location: str) -> str:
    try:
        return urljoin(base, location)
    except ValueError as fault:
        raise FetchRefused("bad_url") from fault


def system_addresses(host: str, port: int) -> list[str]:
    """Every address the system's resolver knows for a host."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class GuardedStream(httpcore.NetworkStream):
    """A connection on which no single read or write may outlast the deadline of the whole fetch."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: float) -> None:
        self._inner, self._deadline = inner, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, timeout=seconds_left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout=seconds_left(self._deadline))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = seconds_left(self._deadline)
        return GuardedStream(self._inner.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class GuardedBackend(httpcore.NetworkBackend):
    """Connects to a checked public address, never to a name."""

    def __init__(self, deadline: float, allow: frozenset[str], resolve: Resolver) -> None:
        self._deadline, self._allow, self._resolve = deadline, allow, resolve
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = self._checked(host, port)
        for tried, address in enumerate(addresses):
            share = seconds_left(self._deadline) / (len(addresses) - tried)
            with suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return GuardedStream(self._inner.connect_tcp(address, port, share), self._deadline)
        seconds_left(self._deadline)
        raise FetchRefused("unreachable")

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        raise FetchRefused("blocked_url")

    def _checked(self, host: str, port: int) -> list[str]:
        """Addresses of the host, all of them public, or the origin trusted. Raises FetchRefused."""
        addresses = list(dict.fromkeys(_resolve_within(self._resolve, host, port, self._deadline)))
        if not addresses:
            raise FetchRefused("unknown_host")
        trusted = f"{host}:{port}" in self._allow
        if not trusted and not all(is_public(address) for address in addresses):
            raise FetchRefused("blocked_url")
        return addresses


def seconds_left(deadline: float) -> float:
    """Seconds until the deadline; raises FetchRefused when it has passed."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise FetchRefused("timeout")
    return left


def _resolve_within(resolve: Resolver, host: str, port: int, deadline: float) -> Iterable[str]:
    """Ask the resolver in a thread of its own, since the system's cannot be given a time limit."""
    answers: queue.SimpleQueue[Iterable[str] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(resolve(host, port))
        except (OSError, UnicodeError) as fault:
            answers.put(fault)

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds_left(deadline))
    except queue.Empty:
        raise FetchRefused("timeout") from None
    if isinstance(answer, Exception):
        raise FetchRefused("unknown_host") from answer
    return answer


def _ask(target: Target, backend: GuardedBackend, tls: ssl.SSLContext, byte_cap: int) -> bytes | _Redirect:
    """One request. Bytes of the answer, or where it leads on to. Raises FetchRefused."""
    headers = [("User-Agent", "vitrine"), ("Accept", "image/*"), ("Accept-Encoding", "identity")]
    try:
        with (
            httpcore.ConnectionPool(ssl_context=tls, network_backend=backend, retries=0) as pool,
            pool.stream("GET", target.address, headers=headers) as response,
        ):
            return _read(response, byte_cap)
    except httpcore.TimeoutException as fault:
        raise FetchRefused("timeout") from fault
    except httpcore.ConnectError as fault:
        raise FetchRefused("tls_failed" if _is_tls(fault) else "unreachable") from fault
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError, ValueError) as fault:
        raise FetchRefused("bad_answer") from fault


def _is_tls(fault: BaseException) -> bool:
    return isinstance(fault.__cause__ or fault.__context__, ssl.SSLError)


def _read(response: httpcore.Response, byte_cap: int) -> bytes | _Redirect:
    """The body within its cap, or the redirect. Raises FetchRefused."""
    headers = {name.lower(): value.decode("utf-8", "replace").strip() for name, value in response.headers}
    if response.status in _REDIRECTS and b"location" in headers:
        return _Redirect(headers[b"location"])
    if response.status != 200:
        raise FetchRefused("bad_status")
    if headers.get(b"content-encoding", "identity").lower() not in ("", "identity"):
        raise FetchRefused("encoded_answer")
    if int(headers.get(b"content-length", "0")) > byte_cap:
        raise FetchRefused("too_large")
    body = bytearray()
    for part in response.iter_stream():
        body += part
        if len(body) > byte_cap:
            raise FetchRefused("too_large")
    if not body:
        raise FetchRefused("empty_file")
    return bytes(body)
