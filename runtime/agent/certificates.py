"""Until when a certificate is valid, read off the certificate itself.

The standard library tells the dates of a certificate only once it is trusted. Promise: of one that is not, its date can
be told too; nothing is sent to who shows it.
"""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime

VERSION, UTC_TIME = 0xA0, 0x17
VALIDITY = 3
"""Place among the fields of a certificate, the version not counted: serial, algorithm, issuer, validity."""


def ends_s(der: bytes) -> float:
    """The last moment a certificate (DER) is valid, UTC epoch seconds; RFC 5280, 4.1.2.5. Raises ValueError for what is
    no certificate.
    """
    try:
        signed = _parts(_parts(der)[0][1])[0][1]
        fields = [content for tag, content in _parts(signed) if tag != VERSION]
        tag, content = _parts(fields[VALIDITY])[1]
    except IndexError:
        raise ValueError("not a certificate") from None
    text = content.decode("ascii")
    if tag == UTC_TIME:  # two digits of the year: 50 is 1950
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def date(at_s: float) -> str:
    """As people read it, to the minute."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M UTC")


async def shown(host: str, port: int, name: str) -> bytes:
    """The certificate (DER) that is shown there to who asks for ``name``. Raises OSError where none is."""
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection(host, port, ssl=anyone, server_hostname=name)
    der: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return der


def _parts(data: bytes) -> list[tuple[int, bytes]]:
    """Tag and content of each element in a row (X.690, DER)."""
    found, at = [], 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(data[at : at + size], "big"), at + size
        found.append((tag, data[at : at + length]))
        at += length
    return found
