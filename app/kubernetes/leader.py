"""The cluster's Lease as the daemon knows leaders, with a connection of its own: renewals wait for nothing else."""

from __future__ import annotations

import asyncio
import socket
import uuid

from runtime.kubernetes.client import Api
from runtime.kubernetes.lease import Lease


class ClusterLeader(Lease):
    """``app.daemon.leading.Leader``; one that is made again is another contender."""

    def __init__(self, api: Api, namespace: str, name: str) -> None:
        super().__init__(api, namespace, name, f"{socket.gethostname()}_{uuid.uuid4()}", asyncio.sleep)

    async def close(self) -> None:
        """Release connections."""
        await self._api.close()
