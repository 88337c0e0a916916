from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from scoring.core.addresses import UnfitAddressError, is_public, parse_target
from scoring.fetch import FetchRefused, fetch_picture

PICTURE = b"\xff\xd8\xff picture"
PUBLIC = "93.184.215.14"
Answer = bytes | Callable[[socket.socket], None]

PRIVATE = (
    "0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 127.0.0.1 127.255.0.1 168.63.129.16 "
    "169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.255 192.0.0.8 192.0.0.192 192.0.2.1 192.88.99.1 "
    "192.168.0.1 198.18.0.1 198.51.100.7 203.0.113.9 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255 "
    ":: ::1 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:8.8.8.8 64:ff9b::7f00:1 64:ff9b::808:808 "
    "64:ff9b:1::a00:1 100::1 2001::1 2001:db8::1 2002:7f00:1:: 2002:808:808:: 3fff::1 5f00::1 fc00::1 "
    "fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1 4000::1 nonsense"
)
NOT_PUBLIC = PRIVATE.split()
ELSEWHERE = [
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://0/",
    "http://localhost/",
    "http://①②⑦.⓪.⓪.①/",
    "http://127。0。0。1/",
    "http://127.0.0.1#@example.com/",
    "http://[::]/",
    "http://[0:0:0:0:0:ffff:a9fe:a9fe]/",
    "https://127.0.0.1/",
]
MALFORMED = [
    "",
    "picture.jpg",
    "http://",
    "http:///x",
    "//127.0.0.1/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "dict://127.0.0.1:6379/info",
    "ftp://127.0.0.1/",
    "jar:http://127.0.0.1!/",
    "data:image/svg+xml,<svg onload=alert(1)>",
    "javascript:alert(1)",
    "unix:///var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
    "http://user@127.0.0.1/",
    "http://example.com@127.0.0.1/",
    "http://example.com:80@127.0.0.1:6379/",
    "http://127.0.0.1\\@example.com/",
    "http://127.0.0.1%00.example.com/",
    "http://127.0.0.1%0d%0aX:1/",
    "http://%31%32%37.0.0.1/",
    "http://example.com/a b",
    "http://example.com/\r\nX: 1",
    "http://example.com:99999/",
    "http://[::1",
    "http://a..b/",
    "http://[fe80::1%25eth0]/",
    "http://example.com/" + "x" * 2000,
]
CLOSED_PORTS = [
    "http://127.0.0.1:6379/",
    "http://example.com:22/",
    "http://redis:6379/",
    "https://example.com:8443/",
]


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Where sockets were told to connect; nothing leaves the machine."""
    seen: list[tuple[str, int]] = []

    def noted(_: socket.socket, address: tuple[str, int]) -> None:
        seen.append(address[:2])
        raise OSError("noted, not connected")

    monkeypatch.setattr(socket.socket, "connect", noted)
    return seen


@contextmanager
def served(*answers: Answer, tls: ssl.SSLContext | None = None) -> Iterator[tuple[str, list[bytes]]]:
    """A web host on this machine that gives ``answers`` in turn: its origin and what it was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for answer in answers:
                with suppress(OSError):
                    plain, _ = listener.accept()
                    with tls.wrap_socket(plain, server_side=True) if tls else plain as connection:
                        asked.append(connection.recv(65536))
                        connection.sendall(answer) if isinstance(answer, bytes) else answer(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", asked
        listener.shutdown(socket.SHUT_RDWR)


def reply(body: bytes = PICTURE, *, status: str = "200 OK", **headers: str) -> bytes:
    lines = {"content-length": str(len(body)), "connection": "close"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


def moved(where: str) -> bytes:
    return reply(b"", status="302 Found", location=where)


def code_of(url: str, **options: Any) -> str:
    with pytest.raises(FetchRefused) as refusal:
        fetch_picture(url, **options)
    return refusal.value.code


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_no_such_address_is_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", PUBLIC, "2606:4700::1111", "2001:4860:4860::8888"])
def test_ordinary_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", [address for address in NOT_PUBLIC if address != "nonsense"])
def test_a_name_of_a_private_address_is_never_connected_to(
    address: str, connected: list[tuple[str, int]]
) -> None:
    assert code_of("http://shop.example/a.jpg", resolve=lambda host, port: [address]) == "blocked_url"
    assert connected == []


@pytest.mark.parametrize("url", ELSEWHERE)
def test_a_disguised_private_address_is_never_connected_to(
    url: str, connected: list[tuple[str, int]]
) -> None:
    assert code_of(url) == "blocked_url"
    assert connected == []


@pytest.mark.parametrize("url", MALFORMED)
def test_what_parsers_could_read_in_two_ways_is_refused(url: str, connected: list[tuple[str, int]]) -> None:
    assert code_of(url) == "bad_url"
    assert connected == []


@pytest.mark.parametrize("url", CLOSED_PORTS)
def test_other_ports_are_refused(url: str, connected: list[tuple[str, int]]) -> None:
    assert code_of(url) == "port_not_allowed"
    assert connected == []


def test_one_private_address_among_public_ones_is_enough_to_refuse(connected: list[tuple[str, int]]) -> None:
    assert code_of("http://shop.example/", resolve=lambda host, port: [PUBLIC, "::1"]) == "blocked_url"
    assert connected == []


def test_a_name_that_changes_its_mind_gains_nothing(connected: list[tuple[str, int]]) -> None:
    answers = iter([[PUBLIC], ["127.0.0.1"]])
    assert code_of("http://shop.example/", resolve=lambda host, port: next(answers)) == "unreachable"
    assert connected == [(PUBLIC, 80)]


def test_chinese_names_and_paths_are_written_for_the_wire() -> None:
    target = parse_target("https://例子.example/图片%20.jpg?q=红")
    assert target.host == "xn--fsqu00a.example"
    assert target.path == "/%E5%9B%BE%E7%89%87%20.jpg?q=%E7%BA%A2"


def test_an_unfit_address_says_which_rule_it_broke() -> None:
    with pytest.raises(UnfitAddressError) as refusal:
        parse_target("http://example.com:8080/")
    assert refusal.value.code == "port_not_allowed"


def test_a_picture_is_fetched_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    with served(reply()) as (origin, asked):
        assert fetch_picture(f"http://{origin}/a.jpg?size=1", allow=(origin,)) == PICTURE
    assert asked[0].startswith(b"GET /a.jpg?size=1 HTTP/1.1\r\n")
    assert b"accept-encoding: identity" in asked[0].lower()


def test_three_redirects_are_followed_and_a_fourth_is_not() -> None:
    with served(moved("/b"), moved("/c"), moved("/d"), reply()) as (origin, asked):
        assert fetch_picture(f"http://{origin}/a", allow=(origin,)) == PICTURE
    assert [line.split()[1] for line in asked] == [b"/a", b"/b", b"/c", b"/d"]
    with served(*[moved("/again")] * 9) as (origin, asked):
        assert code_of(f"http://{origin}/a", allow=(origin,)) == "too_many_redirects"
    assert len(asked) == 4


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ("http://10.0.0.1/", "blocked_url"),
        ("http://169.254.169.254/latest/meta-data/", "blocked_url"),
        ("http://[::ffff:127.0.0.1]/", "blocked_url"),
        ("//localhost/", "blocked_url"),
        ("http://127.0.0.1:6379/", "port_not_allowed"),
        ("file:///etc/passwd", "bad_url"),
        ("http://[", "bad_url"),
    ],
)
def test_a_redirect_passes_the_same_rules(where: str, code: str) -> None:
    with served(moved(where), reply()) as (origin, asked):
        assert code_of(f"http://{origin}/", allow=(origin,)) == code
        assert len(asked) == 1


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (reply(b""), "empty_file"),
        (reply(status="404 Not Found"), "bad_status"),
        (reply(status="206 Partial Content"), "bad_status"),
        (reply(content_encoding="gzip"), "encoded_answer"),
        (reply(b"x" * 1001), "too_large"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n", "too_large"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort", "bad_answer"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: minus\r\n\r\nx", "bad_answer"),
        (b"SSH-2.0-OpenSSH\r\n", "bad_answer"),
        (b"", "bad_answer"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"x" * 200_000, "bad_answer"),
    ],
)
def test_an_answer_that_is_no_picture_is_refused(answer: bytes, code: str) -> None:
    with served(answer) as (origin, _):
        assert code_of(f"http://{origin}/", allow=(origin,), byte_cap=1000) == code


def drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
    for _ in range(100):
        connection.sendall(b"x")
        time.sleep(0.1)


def drip_head(connection: socket.socket) -> None:
    for letter in b"HTTP/1.1 200 OK\r\n" + b"x-slow: 1\r\n" * 20:
        connection.sendall(bytes([letter]))
        time.sleep(0.1)


def pour(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"400\r\n" + b"x" * 1024 + b"\r\n")


@pytest.mark.parametrize("slow", [drip, drip_head, lambda connection: time.sleep(3)])
def test_the_deadline_is_for_the_whole_fetch(slow: Callable[[socket.socket], None]) -> None:
    with served(slow) as (origin, _):
        begun = time.monotonic()
        assert code_of(f"http://{origin}/", allow=(origin,), deadline_s=0.5) == "timeout"
        assert time.monotonic() - begun < 2.5  # each of them goes on for three seconds or more


def test_a_resolver_that_hangs_does_not_outlast_the_deadline() -> None:
    def hang(host: str, port: int) -> list[str]:
        time.sleep(3)
        return [PUBLIC]

    begun = time.monotonic()
    assert code_of("http://shop.example/", resolve=hang, deadline_s=0.3) == "timeout"
    assert time.monotonic() - begun < 2.5


def test_a_stream_without_end_stops_at_the_cap() -> None:
    with served(pour) as (origin, _):
        assert code_of(f"http://{origin}/", allow=(origin,), byte_cap=100_000) == "too_large"


def test_hosts_that_are_not_there_are_told_apart() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror("no such name")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = f"127.0.0.1:{listener.getsockname()[1]}"
    assert code_of("http://shop.example/", resolve=unknown) == "unknown_host"
    assert code_of("http://shop.example/", resolve=lambda host, port: []) == "unknown_host"
    assert code_of(f"http://{closed}/", allow=(closed,)) == "unreachable"


def test_a_host_that_cannot_prove_itself_is_refused() -> None:
    with served(b"I speak no TLS\r\n") as (origin, _):
        assert code_of(f"https://{origin}/", allow=(origin,)) == "tls_failed"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
def test_the_certificate_must_be_trusted_and_of_the_host_asked_for(tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=shop"
    names = ["-addext", "subjectAltName=DNS:shop.example", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(certificate, key)
    trusting = ssl.create_default_context(cafile=str(certificate))
    with served(reply(), reply(), reply(), tls=ours) as (origin, _):
        port = origin.split(":")[1]
        known: dict[str, Any] = {"allow": (f"shop.example:{port}", f"other.example:{port}"), "resolve": here}
        assert fetch_picture(f"https://shop.example:{port}/", tls=trusting, **known) == PICTURE
        assert code_of(f"https://other.example:{port}/", tls=trusting, **known) == "tls_failed"
        assert code_of(f"https://shop.example:{port}/", **known) == "tls_failed"


def here(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]
