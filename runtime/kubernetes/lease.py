"""Leading: acquire the Lease, renew it, stop when it is lost, give it back at the end.

``leads`` is the fence that every write passes (``Api(may_write=lease.leads)``); it needs no answer from anybody, so it
holds while the server is away. A process that has lost its lead should end: what it had begun belongs to another now.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import structlog

from runtime.kubernetes.client import Api
from runtime.kubernetes.election import Ask, Election, Terms, record
from runtime.kubernetes.errors import AlreadyExists, Conflict, KubeError, NotFound
from runtime.kubernetes.resource import LEASES

log = structlog.get_logger(__name__)


class LostLease(Exception):
    """We led and do no more: one line that says who does."""


class Lease:
    """The Lease ``name`` in ``namespace``. ``sleep`` waits for seconds; ``monotonic`` never jumps."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        name: str,
        identity: str,
        sleep: Callable[[float], Awaitable[None]],
        terms: Terms | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._all = LEASES.at(namespace)
        self._one = LEASES.at(namespace, name)
        self._name = (name, namespace)
        self._sleep = sleep
        self._monotonic = monotonic
        self.state = Election(identity, terms or Terms())

    def leads(self) -> bool:
        """Whether a write may begin now."""
        return self.state.leads(self._monotonic())

    @property
    def holder(self) -> str:
        """Who leads, as last seen."""
        return self.state.holder

    async def acquire(self) -> None:
        """Wait until we lead, through whatever goes wrong meanwhile."""
        while not self.leads():
            await self._try()
            if not self.leads():
                await self._sleep(self.state.wait_s(self._monotonic()))

    async def keep(self) -> None:
        """Renew for ever. Raises ``LostLease``."""
        while True:
            await self._sleep(self.state.terms.retry_s)
            await self._try()
            self.state.check(self._monotonic())
            if self.state.lost:
                raise LostLease(f"lease {'/'.join(reversed(self._name))}: held by {self.holder or 'nobody'} now")

    async def release(self) -> None:
        """Give it back, if it is ours; whoever waits takes it at its next look."""
        body = self.state.release(*self._name, await self._api.clock.now())
        if body is not None:
            try:
                await self._api.claim(self._one, body)
            except KubeError as error:
                log.warning("lease not released", why=str(error))

    async def _try(self) -> None:
        """One attempt: a read, a write, or a read that shows that a write is due."""
        try:
            if self.state.ask(self._monotonic()) is Ask.READ:
                await self._read()
            ask = self.state.ask(self._monotonic())
            if ask is not Ask.READ and not self.state.lost:
                await self._write(ask)
        except KubeError as error:
            log.warning("lease", why=str(error))

    async def _read(self) -> None:
        try:
            found = record(await self._api.get(self._one, urgent=True))
        except NotFound:
            found = None
        self.state.read(found, self._monotonic())

    async def _write(self, ask: Ask) -> None:
        body = self.state.body(*self._name, await self._api.clock.now())
        asked_s = self._monotonic()
        try:
            if ask is Ask.CREATE:
                said = await self._api.ask(self._all, body, urgent=True)
            else:
                said = await self._api.claim(self._one, body)
        except (Conflict, AlreadyExists, NotFound):
            self.state.refused()
            await self._read()  # now, not a look later: the wait for another's lead counts from when it was seen
            return
        self.state.granted(record(said), asked_s, self._monotonic())
