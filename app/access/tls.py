"""The certificate that the API shows, and how its own daemons know each other by it."""

from __future__ import annotations

import ssl
from pathlib import Path

from app.access.settings import TlsSettings
from app.errors import UserError


def check(tls: TlsSettings) -> None:
    """Raise ``UserError``, one line, for files that cannot be read or do not belong together."""
    for key, file in (("cert_file", tls.cert_file), ("key_file", tls.key_file)):
        readable(f"api.tls.{key}", file)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.cert_file, tls.key_file, password=refused)
    except (ssl.SSLError, ValueError) as error:
        said = str(error)
        raise UserError(
            f"api.tls: {tls.cert_file} and {tls.key_file}: {said}; give a PEM certificate and its own key, unencrypted"
        ) from None


def readable(name: str, file: Path) -> None:
    """Raise ``UserError`` where a file cannot be read."""
    try:
        file.read_bytes()
    except OSError as error:
        raise UserError(f"{name}: {file}: {error.strerror}; give a PEM file that this process can read") from None


def refused() -> str:
    """A key with a password would wait for somebody to type it."""
    raise ValueError("the key is encrypted")


def pinned(tls: TlsSettings) -> ssl.SSLContext:
    """Trusts our own certificate and no other, under any name: daemons of one fleet share it and meet by address."""
    context = ssl.create_default_context(cafile=str(tls.cert_file))
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
