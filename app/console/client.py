"""The console's only door to data: a typed client of the HTTP API.

Reads are kept for a moment, because several live fragments ask for the same thing within one refresh; writes forget
everything. While nothing answers, reads give what was answered last, for an operator in an outage needs the last that
was known; only ``probe`` never does, and the header, which asks by it, says so and greys the page. Safe to share
between sessions. Every failure is an ``ApiError`` that says in one line what happened and what to do.
"""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from app.api.schemas.access import Me
from app.api.schemas.audit import AuditDetail, AuditRow, AuditVerdict
from app.api.schemas.capacity import CapacityView
from app.api.schemas.decisions import DecisionRow
from app.api.schemas.fleet import FleetView, RackRow
from app.api.schemas.forecasts import ForecastAccuracy, ForecastView
from app.api.schemas.overrides import FreezeWrite, OverrideLift, OverrideView, OverrideWrite
from app.api.schemas.policies import PolicyCheck, PolicyDiff, PolicyRollback, PolicyVersion, PolicyWrite
from app.api.schemas.services import ReplicaView, Series, ServiceRow
from app.api.schemas.trials import ShadowPromotion, ShadowStart, ShadowView, Signed, WatchView

T = TypeVar("T")

REMEMBERED = 32
"""Questions whose last answer is remembered for an outage: those of the pages that are looked at."""


class ApiError(Exception):
    """The API did not give what was asked."""


class ApiDown(ApiError):
    """Nothing answers at the address."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"No answer from the API at {address}. Start it with `leadtime up` (everything, simulated fleet) "
            "or `leadtime daemon --config fleet.yaml`; this page reconnects by itself."
        )


class ApiRefused(ApiError):
    """The API answered with an error status; ``detail`` is its own words."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"The API refused ({status}): {detail}")
        self.status = status
        self.detail = detail


class ApiUnable(ApiError):
    """What was asked for could not be computed."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The API could not compute this: {why}")


class ApiUnreadable(ApiError):
    """The answer is not of the agreed form."""

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(f"{url} does not answer like this version's Leadtime API: {problem}")


def detail_of(response: httpx.Response) -> str:
    """The reason an error response gives: FastAPI's ``detail`` as text or list, else the status phrase."""
    try:
        detail = response.json().get("detail")
    except (ValueError, AttributeError):
        detail = None
    if isinstance(detail, list):
        return "; ".join(error_line(item) for item in detail)
    return str(detail or response.reason_phrase or "no reason given")


def error_line(item: object) -> str:
    """One validation error of FastAPI as ``field: what is wrong``."""
    if not isinstance(item, dict):
        return str(item)
    where = ".".join(str(part) for part in item.get("loc", ()) if part != "body")
    return f"{where}: {item.get('msg', '')}" if where else str(item.get("msg", item))


def question(path: str, params: dict[str, Any] | None) -> str:
    """What is asked, whenever it is asked: of a range of time only how long it is."""
    asked = dict(params or {})
    if "start" in asked and "end" in asked:
        asked["span"] = round(asked.pop("end") - asked.pop("start"))
    return f"{path}?{asked}"


class Api:
    """Reads and writes under ``/api/v1`` of ``base_url``; an answer to a read is reused for ``ttl_s`` seconds.

    It asks as whoever holds ``token``, so what is kept is theirs: one client per token, never one for two people.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str | None = None,
        ttl_s: float = 1.0,
        transport: httpx.BaseTransport | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._http = httpx.Client(
            base_url=f"{self.base_url}/api/v1",
            timeout=httpx.Timeout(10.0, connect=2.0),
            transport=transport,
            headers={} if token is None else {"Authorization": f"Bearer {token}"},
        )
        self._ttl_s = ttl_s
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, Any]] = {}
        self._last: OrderedDict[str, Any] = OrderedDict()
        self._answered_s: float | None = None
        self._down = False

    def me(self) -> Me | None:
        """Whom the API takes us for; None from an API that does not say."""
        return self._maybe("/me", Me)

    def fleet(self) -> FleetView:
        """The five-second screen."""
        return self._get("/fleet", FleetView)

    def probe(self) -> FleetView:
        """The same, or ``ApiDown``: never what was known before."""
        return self._get("/fleet", FleetView, remembering=False)

    def racks(self) -> list[RackRow]:
        """GPUs that several services share."""
        return self._get("/racks", list[RackRow])

    def service(self, service: str) -> ServiceRow:
        """One service, now."""
        return self._get(f"/services/{service}", ServiceRow)

    def series(
        self, service: str, signals: tuple[str, ...], start_s: float, end_s: float, max_points: int = 600
    ) -> Series:
        """Points of ``signals`` between two times, UTC seconds."""
        params = {"start": start_s, "end": end_s, "signals": ",".join(signals), "max_points": max_points}
        return self._get(f"/services/{service}/series", Series, params)

    def forecast(self, service: str) -> ForecastView | None:
        """The latest forecast; None before the first."""
        return self._maybe(f"/services/{service}/forecast", ForecastView)

    def accuracy(self, service: str, span_s: float, horizon_s: float | None) -> ForecastAccuracy:
        """How the forecasts of the last ``span_s`` fared at a horizon; None is the launch lead time."""
        params = {"span_s": span_s} | ({} if horizon_s is None else {"horizon_s": horizon_s})
        return self._get(f"/services/{service}/forecast/accuracy", ForecastAccuracy, params)

    def replicas(self, service: str) -> list[ReplicaView]:
        """The replicas of a service."""
        return self._get(f"/services/{service}/replicas", list[ReplicaView])

    def capacity(self, service: str) -> CapacityView:
        """What one replica carries, and the lead times of its tiers."""
        return self._get(f"/services/{service}/capacity", CapacityView)

    def decisions(self, service: str, limit: int) -> list[DecisionRow]:
        """The latest decisions, newest first."""
        return self._get(f"/services/{service}/decisions", list[DecisionRow], {"limit": limit})

    def policy(self, service: str) -> PolicyVersion:
        """The policy in force."""
        return self._get(f"/policies/{service}", PolicyVersion)

    def policy_history(self, service: str) -> list[PolicyVersion]:
        """All versions of a policy."""
        return self._get(f"/policies/{service}/history", list[PolicyVersion])

    def policy_diff(self, service: str, old: int, new: int) -> PolicyDiff:
        """What changes from version ``old`` to version ``new``."""
        return self._get(f"/policies/{service}/diff", PolicyDiff, {"from": old, "to": new})

    def policy_schema(self) -> dict[str, Any]:
        """The policy's JSON Schema."""
        schema: dict[str, Any] = self._get("/schema", dict[str, Any])["policy"]
        return schema

    def overrides(self) -> list[OverrideView]:
        """What is held by hand now, of all services and of the fleet."""
        return self._get("/overrides", list[OverrideView])

    def override(self, service: str, wish: OverrideWrite) -> OverrideView:
        """Hold a service by hand."""
        path = f"/services/{service}/overrides"
        return self._send("POST", path, OverrideView, wish.model_dump(mode="json"))

    def freeze_fleet(self, wish: FreezeWrite) -> OverrideView:
        """Freeze everything."""
        return self._send("POST", "/freezes", OverrideView, wish.model_dump(mode="json"))

    def lift(self, id: str, by: OverrideLift) -> OverrideView:
        """End an override early."""
        return self._send("POST", f"/overrides/{id}/lift", OverrideView, by.model_dump(mode="json"))

    def check_policy(self, service: str, policy: dict[str, Any]) -> PolicyCheck:
        """Validate a draft and compare it with the policy in force; changes nothing."""
        return self._send("POST", f"/policies/{service}/check", PolicyCheck, {"policy": policy})

    def apply_policy(self, service: str, write: PolicyWrite) -> PolicyVersion:
        """Make a draft the next version; ``ApiRefused`` with status 409 where somebody was faster."""
        return self._send("PUT", f"/policies/{service}", PolicyVersion, write.model_dump(mode="json"))

    def roll_back(self, service: str, rollback: PolicyRollback) -> PolicyVersion:
        """Make an older version's content the next version; 409 as above."""
        return self._send("POST", f"/policies/{service}/rollback", PolicyVersion, rollback.model_dump(mode="json"))

    def watch(self, service: str) -> WatchView | None:
        """The newest watch over a policy of the service; None where it never had one."""
        return self._maybe(f"/policies/{service}/watch", WatchView)

    def shadow(self, service: str) -> ShadowView | None:
        """The service's newest candidate; None where it never had one."""
        return self._maybe(f"/policies/{service}/shadow", ShadowView)

    def start_shadow(self, service: str, start: ShadowStart) -> ShadowView:
        """Let a candidate decide in shadow; 409 where there is one already."""
        return self._send("PUT", f"/policies/{service}/shadow", ShadowView, start.model_dump(mode="json"))

    def stop_shadow(self, service: str, by: Signed) -> ShadowView:
        """End the candidate."""
        path = f"/policies/{service}/shadow/stop"
        return self._send("POST", path, ShadowView, by.model_dump(mode="json"))

    def promote_shadow(self, service: str, change: ShadowPromotion) -> PolicyVersion:
        """Make the candidate the next version; 409 where somebody was faster."""
        path = f"/policies/{service}/shadow/promote"
        return self._send("POST", path, PolicyVersion, change.model_dump(mode="json"))

    def read(self, path: str, kind: type[T], params: dict[str, Any] | None = None) -> T:
        """An answer of a route that has no method here; pages name the route themselves."""
        return self._get(path, kind, params)

    def send(self, method: str, path: str, kind: type[T], body: dict[str, Any]) -> T:
        """A change by a route that has no method here."""
        return self._send(method, path, kind, body)

    def audit(self, wanted: dict[str, str], limit: int) -> list[AuditRow]:
        """Changes, newest first; ``wanted`` may name action, who, subject and text."""
        return self._get("/audit", list[AuditRow], {**wanted, "limit": limit})

    def audit_entry(self, seq: int) -> AuditDetail:
        """One change, whole."""
        return self._get(f"/audit/{seq}", AuditDetail)

    def audit_verdict(self) -> AuditVerdict:
        """Whether the record of all changes holds."""
        return self._get("/audit/verify", AuditVerdict)

    def compute(self, path: str, kind: type[T], body: dict[str, Any], progress: Callable[[float], object]) -> T:
        """An answer that takes a while; ``progress`` hears which share of it is done. See ``app.api.computed``."""
        try:
            with self._http.stream("POST", path, json=body, timeout=httpx.Timeout(60.0, connect=2.0)) as response:
                if response.is_error:
                    response.read()
                    raise ApiRefused(response.status_code, detail_of(response))
                for line in response.iter_lines():
                    told = json.loads(line)
                    if "error" in told:
                        raise ApiUnable(str(told["error"]))
                    if "result" in told:
                        return TypeAdapter(kind).validate_python(told["result"])
                    progress(float(told["progress"]))
        except httpx.TransportError as error:
            raise ApiDown(self.base_url) from error
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise ApiUnreadable(path, error_line(dict(first))) from error
        raise ApiUnable("the API ended its answer before the result")

    @property
    def down(self) -> bool:
        """Whether nothing answered when it was asked last, so that reads are of what was known before."""
        return self._down

    @property
    def silent_s(self) -> float | None:
        """Seconds since the API answered last; None where it never did."""
        return None if self._answered_s is None else self._monotonic() - self._answered_s

    def forget(self) -> None:
        """Ask the API anew from now on."""
        with self._lock:
            self._kept.clear()

    def _get(self, path: str, kind: type[T], params: dict[str, Any] | None = None, remembering: bool = True) -> T:
        key, asked = f"{path}?{params}", question(path, params)
        now = self._monotonic()
        with self._lock:
            self._kept = {k: kept for k, kept in self._kept.items() if kept[0] > now}
            if key in self._kept:
                kept: T = self._kept[key][1]
                return kept
            last: T | None = self._last.get(asked) if remembering else None
        if self._down and last is not None:
            return last
        try:
            answer = self._request("GET", path, kind, params=params)
        except ApiDown:
            if last is None:
                raise
            return last
        with self._lock:
            self._kept[key] = (now + self._ttl_s, answer)
            self._last[asked] = answer
            self._last.move_to_end(asked)
            if len(self._last) > REMEMBERED:
                self._last.popitem(last=False)
        return answer

    def _maybe(self, path: str, kind: type[T]) -> T | None:
        """A read of something that need not be there."""
        try:
            return self._get(path, kind)
        except ApiRefused as refusal:
            if refusal.status == httpx.codes.NOT_FOUND:
                return None
            raise

    def _send(self, method: str, path: str, kind: type[T], body: dict[str, Any]) -> T:
        try:
            return self._request(method, path, kind, json=body)
        finally:
            self.forget()

    def _request(self, method: str, path: str, kind: type[T], **options: Any) -> T:
        try:
            response = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            self._down = True
            raise ApiDown(self.base_url) from error
        self._down, self._answered_s = False, self._monotonic()
        if response.is_error:
            raise ApiRefused(response.status_code, detail_of(response))
        try:
            return TypeAdapter(kind).validate_json(response.content)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise ApiUnreadable(str(response.url), error_line(dict(first))) from error
