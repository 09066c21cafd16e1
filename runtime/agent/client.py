"""A fleet in another process: ``Fleet`` over HTTP, whatever stands behind the address.

Promise: an ``https`` address is asked by TLS or not at all. Whoever shows a certificate that is not trusted gets no
token. It, and who refuses our token, is told apart from one that is silent: a mistake, or a stranger, is no machine
that was lost.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from runtime.agent import messages
from runtime.agent.certificates import date, ends_s, shown
from runtime.fleet import LeadTimeSample, PoolTarget, RackTarget, RackView
from runtime.replica import Replica

LONGEST = 300
"""Characters of a refusal that are told."""

EXPIRED = 10
REMEDIES = {EXPIRED: "renew it", 62: "it must name that host", 64: "it must name that address"}
"""By OpenSSL's code: expired, another host's, another address'."""

REFUSALS = {
    401: "the first line of fleet.token_file must be a token that the agent takes",
    403: "the agent, and a proxy or mesh before it, must let us in",
}
"""By HTTP status: what would be right where who asks is refused, whatever it asked."""

HTTPS_PORT = 443


class Untrusted(httpx.RequestError):
    """Whoever answers is not who was meant, as far as certificates tell; one line that says why."""


class Refused(httpx.HTTPStatusError):
    """Whoever answers does not take our token; one line that says what would be right."""


Apart = Untrusted | Refused
"""Who is there, and can be told nothing."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How an agent was found when it was asked last: ``trouble`` says why it was left as it was, empty where it was
    heard; ``expires_s`` is when its certificate ends, None for one without or not seen yet.
    """

    trouble: str = ""
    expires_s: float | None = None


class RemoteFleet:
    """A ``Fleet`` behind ``url``. Raises httpx.HTTPError where it cannot be reached or refuses the order; ``Refused``
    where it refuses the token; ``Untrusted`` where its certificate is not one that ``trust`` believes, for ``name`` or
    else the host of ``url``.
    """

    def __init__(
        self,
        url: str,
        token: str | Callable[[], str] | None = None,
        timeout_s: float = 10.0,
        *,
        trust: ssl.SSLContext | bool = True,
        name: str = "",
    ) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.AsyncClient(
            base_url=self.url, auth=_signing(token), timeout=timeout_s, trust_env=False, verify=trust
        )
        self._extensions = {"sni_hostname": name} if name else {}
        self._timeout_s = timeout_s
        self.expires_s: float | None = None

    async def replicas(self) -> tuple[Replica, ...]:
        """All replicas, oldest first."""
        return messages.replicas(await self._get("/fleet/replicas"))

    async def apply(self, targets: Sequence[PoolTarget], decision_id: str) -> None:
        """Set targets; the same ones twice change nothing the second time."""
        await self._put("/fleet/targets", messages.order(targets, decision_id))

    async def racks(self) -> tuple[RackView, ...]:
        """GPUs that services share, as the racks are now."""
        return messages.rack_views(await self._get("/fleet/racks"))

    async def hold(self, targets: Sequence[RackTarget], decision_id: str) -> None:
        """Set how many GPUs racks hold; the same targets twice change nothing the second time."""
        await self._put("/fleet/racks", messages.order(targets, decision_id))

    async def lead_times(self) -> tuple[LeadTimeSample, ...]:
        """The newest transitions, newest last."""
        return messages.samples(await self._get("/fleet/lead_times"))

    async def nodes(self) -> tuple[str, ...]:
        """Names of the nodes whose dcgm-exporter answers under ``/nodes/NAME/metrics``."""
        return tuple(await self._get("/fleet/nodes"))

    async def rooms(self) -> dict[str, int]:
        """How many replicas of each pool an agent has slots for."""
        return {str(pool): int(slots) for pool, slots in (await self._get("/fleet/rooms")).items()}

    async def events(self) -> list[dict[str, Any]]:
        """What happened to replicas, oldest first; bounded in number."""
        return list(await self._get("/fleet/events"))

    async def past(self) -> dict[str, list[list[float]]]:
        """The workload before the start, per minute: [at_s, arrivals_per_s, mean input, mean output tokens]."""
        return dict(await self._get("/fleet/past"))

    def standings(self) -> Mapping[str, Standing]:
        """Of the one agent that there is, by its address. Its trouble is an error of whoever asked."""
        return {self.url: Standing(expires_s=self.expires_s)}

    async def close(self) -> None:
        """Release connections."""
        await self._http.aclose()

    async def _get(self, path: str) -> Any:
        return (await self._ask("GET", path)).json()

    async def _put(self, path: str, body: dict[str, Any]) -> None:
        await self._ask("PUT", path, body)

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        try:
            response = await self._http.request(method, path, json=body, extensions=self._extensions)
        except httpx.ConnectError as error:
            if cause := _distrust(error):
                raise Untrusted(f"{self.url}: {await self._why(cause)}", request=error.request) from error
            raise
        stream = response.extensions.get("network_stream")
        if tls := stream.get_extra_info("ssl_object") if stream else None:
            self.expires_s = ends_s(tls.getpeercert(binary_form=True))
        return _taken(response, self.url)

    async def _why(self, cause: ssl.SSLError) -> str:
        """What is wrong with the other's TLS, and what to do."""
        if not isinstance(cause, ssl.SSLCertVerificationError):
            return f"it does not speak TLS as we do ({cause.reason or cause})"
        said = cause.verify_message.rstrip(".")
        if cause.verify_code == EXPIRED:
            said = await self._expired(said)
        remedy = REMEDIES.get(cause.verify_code, "fleet.ca_file must have the authority that signed it")
        return f"its certificate is not trusted ({said}); {remedy}"

    async def _expired(self, said: str) -> str:
        """Since when; the handshake that failed does not tell. Without an answer, what was said."""
        at = self._http.base_url
        try:
            async with asyncio.timeout(self._timeout_s):
                der = await shown(at.host, at.port or HTTPS_PORT, self._extensions.get("sni_hostname", at.host))
            self.expires_s = ends_s(der)
        except (OSError, ValueError):
            return said
        return f"{said} on {date(self.expires_s)}" if self.expires_s < time.time() else "its authority has expired"


def _signing(token: str | Callable[[], str] | None) -> Callable[[httpx.Request], httpx.Request] | None:
    """Puts the token of that moment on each request."""
    if token is None:
        return None

    def signed(request: httpx.Request) -> httpx.Request:
        request.headers["Authorization"] = f"Bearer {token if isinstance(token, str) else token()}"
        return request

    return signed


def _distrust(error: BaseException) -> ssl.SSLError | None:
    """What is wrong with the other's TLS; None where the network is to blame."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
            return cause
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it came from, innermost last."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _taken(response: httpx.Response, url: str) -> httpx.Response:
    """The answer, unless it is a refusal: then its own sentence is the error in one line."""
    if response.is_success:
        return response
    request, said = response.request, f"{response.status_code}, {_sentence(response)}"
    if remedy := REFUSALS.get(response.status_code):
        raise Refused(f"{url}: it refuses our token ({said}); {remedy}", request=request, response=response)
    raise httpx.HTTPStatusError(f"{request.method} {request.url}: {said}", request=request, response=response)


def _sentence(response: httpx.Response) -> str:
    """What a refusal says, as JSON or as text, in one line."""
    try:
        detail = str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        detail = response.text
    return " ".join(detail.split())[:LONGEST] or response.reason_phrase
