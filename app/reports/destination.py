"""Whether a webhook's address may be posted to: never the inside of our own network unless somebody allowed it.

https alone, but for loopback; no user or password in it; and every address that its name stands for must be public, or
loopback, or private where ``private`` allows that. Link-local addresses are never allowed: clouds keep credentials
there (169.254.169.254). The connection then goes to the very address that was checked, so a name that changes its
mind in between (DNS rebinding) gains nothing, and redirects are not followed.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
Resolve = Callable[[str, int], Sequence[str]]


class Forbidden(Exception):
    """An address that is not posted to; one line that says why, without the address's secret path."""


@dataclass(frozen=True, slots=True)
class Destination:
    """An address that was checked: connect to ``ip``, speak to ``host``."""

    scheme: str
    host: str
    port: int
    path: str
    ip: str

    @property
    def url(self) -> str:
        """With the address that was checked in the place of the name."""
        shown = f"[{self.ip}]" if ":" in self.ip else self.ip
        return f"{self.scheme}://{shown}:{self.port}{self.path}"

    @property
    def host_header(self) -> str:
        """As the other side expects it."""
        usual = {"https": 443, "http": 80}[self.scheme]
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == usual else f"{name}:{self.port}"


def resolved(host: str, port: int) -> list[str]:
    """The addresses of a name."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def destination(url: str, private: bool = False, resolve: Resolve = resolved) -> Destination:
    """What may be connected to; raises ``Forbidden`` for anything that may not, and for a name without address."""
    parts = urlsplit(url.strip())
    host = parts.hostname
    if parts.scheme not in ("https", "http") or not host:
        raise Forbidden("webhook: not an address; give https://HOST/PATH")
    if parts.username or parts.password:
        raise Forbidden(f"webhook {host}: has a user name in it; give the address without")
    try:
        port = parts.port or {"https": 443, "http": 80}[parts.scheme]
        addresses = [ipaddress.ip_address(text.split("%")[0]) for text in resolve(host, port)]
    except (OSError, ValueError) as error:
        raise Forbidden(f"webhook {host}: has no address ({error})") from None
    if not addresses:
        raise Forbidden(f"webhook {host}: has no address")
    for address in addresses:
        checked(host, parts.scheme, plain(address), private)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Destination(parts.scheme, host, port, path, str(addresses[0]))


def plain(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, if it stands for one."""
    if not isinstance(address, ipaddress.IPv6Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def checked(host: str, scheme: str, address: Address, private: bool) -> None:
    """Raise ``Forbidden`` for an address that may not be posted to."""
    if address.is_loopback:
        return
    if scheme != "https":
        raise Forbidden(f"webhook {host}: http is for loopback alone; give https")
    if address.is_link_local or address.is_multicast or address.is_unspecified:
        raise Forbidden(f"webhook {host}: {address} is never posted to")
    if not address.is_global and not private:
        raise Forbidden(f"webhook {host}: {address} is within a private network; set private: true to allow it")
