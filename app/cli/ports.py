"""Ports that are taken, found before anything is started."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from app.errors import UserError


def refuse_used(ports: Mapping[str, tuple[str, int]]) -> None:
    """Raise ``UserError`` naming the first address that is taken or cannot be listened on."""
    for name, (host, port) in ports.items():
        problem = problem_of(host, port)
        if problem:
            raise UserError(f"{host}:{port}: {problem}; give the {name} another port or stop what uses it")


def problem_of(host: str, port: int) -> str | None:
    """Why nothing could listen there; None where it could."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, proto) as probe:
            # As servers do: an address still in TIME_WAIT is free, one that is listened on is not.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return "port in use" if error.errno == 98 else f"cannot listen ({error.strerror or error})"
    return None
