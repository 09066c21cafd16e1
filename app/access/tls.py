"""The certificate that a listener of ours shows, and how who knows the files knows it again."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.errors import UserError
from app.renewed import Renewed
from app.tlssettings import TlsSettings


def check(tls: TlsSettings, name: str = "api.tls") -> None:
    """Raise ``UserError``, one line, for files that cannot be read or do not belong together; ``name`` is their key."""
    serving(tls, name)


def serving(tls: TlsSettings, name: str = "api.tls") -> ssl.SSLContext:
    """A server's context (TLS 1.2 and 1.3) with the certificate as it is now; raises as ``check`` does."""
    for key, file in (("cert_file", tls.cert_file), ("key_file", tls.key_file)):
        readable(f"{name}.{key}", file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(tls.cert_file, tls.key_file, password=refused)
    except (ssl.SSLError, ValueError) as error:
        said = str(error)
        raise UserError(
            f"{name}: {tls.cert_file} and {tls.key_file}: {said}; give a PEM certificate and its own key, unencrypted"
        ) from None
    return context


def renewing(tls: TlsSettings, name: str) -> ssl.SSLContext:
    """As ``serving``; who connects after the files have changed is shown the new certificate."""
    current = Renewed((tls.cert_file, tls.key_file), lambda: serving(tls, name))
    first = current()

    def newest(connection: ssl.SSLObject, _asked_for: str | None, _context: ssl.SSLContext) -> None:
        connection.context = current()

    # Called at every handshake, whether or not the client names a host.
    first.sni_callback = newest
    return first


def readable(name: str, file: Path) -> None:
    """Raise ``UserError`` where a file cannot be read."""
    try:
        file.read_bytes()
    except OSError as error:
        raise UserError(f"{name}: {file}: {error.strerror}; give a PEM file that this process can read") from None


def refused() -> str:
    """A key with a password would wait for somebody to type it."""
    raise ValueError("the key is encrypted")


class Following(ssl.SSLContext):
    """Believes whom the newest of the contexts believes: each connection is made by the one of that moment."""

    newest: Callable[[], ssl.SSLContext]

    def wrap_bio(self, *given: Any, **named: Any) -> ssl.SSLObject:
        """As every context. Whoever connects asynchronously comes by here; nobody of ours connects otherwise."""
        return self.newest().wrap_bio(*given, **named)


def following(files: tuple[Path, ...], read: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """As ``read``, which is asked again once the files have changed; raises ``UserError`` as the first reading does."""
    context = Following(ssl.PROTOCOL_TLS_CLIENT)  # of its own it believes nobody
    context.newest = Renewed(files, read)
    return context


def pinned(tls: TlsSettings) -> ssl.SSLContext:
    """Trusts our own certificate and no other, under any name: daemons of one fleet share it and meet by address."""
    context = ssl.create_default_context(cafile=str(tls.cert_file))
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def sharing(tls: TlsSettings, name: str = "api.tls") -> ssl.SSLContext:
    """As ``pinned``, to the certificate of that moment; raises ``UserError`` as ``check`` does."""

    def read() -> ssl.SSLContext:
        check(tls, name)
        return pinned(tls)

    return following((tls.cert_file, tls.key_file), read)


def authorities(ca_file: Path | None, name: str) -> ssl.SSLContext:
    """As ``trusting``, with the authorities that are in the file when somebody connects."""
    if ca_file is None:
        return trusting(None, name)
    return following((ca_file,), lambda: trusting(ca_file, name))


def trusting(ca_file: Path | None, name: str) -> ssl.SSLContext:
    """Trusts the authorities in the file, or else the system's, and checks names; raises ``UserError``, one line.

    A certificate in the file that is no authority's is trusted as itself.
    """
    if ca_file is None:
        return ssl.create_default_context()
    readable(name, ca_file)
    try:
        context = ssl.create_default_context(cafile=str(ca_file))
    except ssl.SSLError as error:
        raise UserError(f"{name}: {ca_file}: {error}; give PEM certificates") from None
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
