"""The cluster's Lease as the daemon knows leaders, with a connection of its own: renewals wait for nothing else."""

from __future__ import annotations

import asyncio
import socket
import uuid

from app.fleetsettings import LOOPBACK
from runtime.kubernetes.client import Api
from runtime.kubernetes.lease import Lease

EVERYWHERE = ("0.0.0.0", "::", "")


class ClusterLeader(Lease):
    """``app.daemon.leading.Leader``; one that is made again is another contender.

    Its name in the Lease tells the others where its API is: ``HOST_ADDRESS_ID``, the address empty where there is none.
    """

    def __init__(self, api: Api, namespace: str, name: str, address: str = "", scheme: str = "http") -> None:
        self._scheme = scheme
        identity = f"{socket.gethostname()}_{address}_{uuid.uuid4()}"
        super().__init__(api, namespace, name, identity, asyncio.sleep)

    @property
    def address(self) -> str:
        """Where the API of who leads is; empty where it has not said."""
        parts = self.holder.split("_")
        return f"{self._scheme}://{parts[1]}" if len(parts) == 3 and parts[1] else ""

    async def close(self) -> None:
        """Release connections."""
        await self._api.close()


def reached_at(host: str, port: int) -> str:
    """The address under which others reach what listens there; empty where they cannot."""
    if host in LOOPBACK:
        return ""
    if host not in EVERYWHERE:
        return f"{host}:{port}"
    try:
        return f"{socket.gethostbyname(socket.gethostname())}:{port}"
    except OSError:  # a machine that does not know its own name
        return ""
