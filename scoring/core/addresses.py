"""Web addresses and IP addresses: which are well formed, which are public. Pure, no look-ups."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

ADDRESS_CHARS = 2000
HOST_CHARS = 253  # RFC 1035
PORTS = frozenset({80, 443})
SCHEME_PORTS = {"http": 80, "https": 443}

# Every network that is not the public internet, written out because ipaddress.is_global differs between
# versions of Python: the IANA special-purpose registries (RFC 6890), with 6to4 relays (RFC 7526), NAT64
# (RFC 6052, 8215), 6to4 (RFC 3056), Teredo and ORCHID (RFC 4380, 7343), site-local (RFC 3879),
# documentation (RFC 9637) and SRv6 (RFC 9602). 168.63.129.16 is a cloud's control address for its guests.
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
        "5f00::/16",
        "fec0::/10",
    )
)
_UNICAST_V6 = ipaddress.IPv6Network("2000::/3")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\x9f\\<>\"{}|^`\u2028\u2029]")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?")


class UnfitAddressError(ValueError):
    """The address is not to be fetched. ``code`` is bad_url or port_not_allowed."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Target:
    """An address taken apart and found well formed. ``host`` is ASCII, without brackets."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def address(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


def parse_target(url: str, allow: Collection[str] = ()) -> Target:
    """The address taken apart. Raises UnfitAddressError: bad_url, port_not_allowed.

    Strict on purpose: what two parsers could read in two ways (a backslash, a user name, a per cent
    sign in the host) is refused rather than mended.
    """
    if len(url) > ADDRESS_CHARS or _FORBIDDEN.search(url.strip()):
        raise UnfitAddressError("bad_url")
    try:
        parts = urlsplit(url.strip())
        port = parts.port or SCHEME_PORTS.get(parts.scheme, 0)
        host = _ascii_host(parts.hostname or "")
    except (ValueError, UnicodeError) as fault:
        raise UnfitAddressError("bad_url") from fault
    if parts.scheme not in SCHEME_PORTS or "@" in parts.netloc or not host:
        raise UnfitAddressError("bad_url")
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~-._?[]")
    target = Target(parts.scheme, host, port, f"{path}?{query}" if query else path)
    if port not in PORTS and target.origin not in allow:
        raise UnfitAddressError("port_not_allowed")
    return target


def _ascii_host(host: str) -> str:
    """The host in ASCII, or "" where it is none: letters, digits and dots, or an IPv6 address."""
    if ":" in host:
        return str(ipaddress.IPv6Address(host)) if "%" not in host else ""
    name = host if host.isascii() else host.encode("idna").decode("ascii")
    name = name.casefold()
    return name if _HOST.fullmatch(name) and len(name) <= HOST_CHARS else ""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, and carries no other address inside."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if not found.is_global or found.is_multicast or found.is_reserved or found.is_unspecified:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found not in _UNICAST_V6:
        return False
    return not any(found.version == network.version and found in network for network in _NOT_PUBLIC)
