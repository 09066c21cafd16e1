"""What fleets say to each other over HTTP: the protocol's values as JSON, and back.

Every fleet that is served, be it simulated or of real engines, speaks this; one client understands them all. Reading
raises ValueError with one line for anything that does not fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from runtime.fleet import LeadTimeSample, PoolTarget, RackTarget, RackView
from runtime.replica import Replica

_POOLS = TypeAdapter(list[PoolTarget])
_RACKS = TypeAdapter(list[RackTarget])
_VIEWS = TypeAdapter(list[RackView])
_REPLICAS = TypeAdapter(list[Replica])
_SAMPLES = TypeAdapter(list[LeadTimeSample])

COUNTS = ("active", "standby", "asleep", "warm_node")


def order(targets: Sequence[PoolTarget] | Sequence[RackTarget], decision_id: str) -> dict[str, Any]:
    """The body of an order."""
    return {"decision_id": decision_id, "targets": [asdict(target) for target in targets]}


def pool_targets(body: Any) -> list[PoolTarget]:
    """Targets of an order to move replicas; none of the numbers is below zero."""
    targets = _read(_POOLS, _targets(body, PoolTarget))
    for target in targets:
        for name in COUNTS:
            if getattr(target, name) < 0:
                raise ValueError(f"pool {target.pool}: {name} {getattr(target, name)} is below 0")
    return targets


def rack_targets(body: Any) -> list[RackTarget]:
    """Targets of an order to hold GPUs."""
    return _read(_RACKS, _targets(body, RackTarget))


def rack_views(rows: Any) -> tuple[RackView, ...]:
    """Racks as a fleet told them."""
    return tuple(_read(_VIEWS, rows))


def replicas(rows: Any) -> tuple[Replica, ...]:
    """Replicas as a fleet told them."""
    return tuple(_read(_REPLICAS, rows))


def samples(rows: Any) -> tuple[LeadTimeSample, ...]:
    """Measured transitions as a fleet told them."""
    return tuple(_read(_SAMPLES, rows))


def rows(values: Iterable[Any]) -> list[dict[str, Any]]:
    """Values of the protocol, ready to be written as JSON."""
    return [asdict(value) for value in values]


def _targets(body: Any, kind: type[PoolTarget] | type[RackTarget]) -> Any:
    """The order's rows; a key that the protocol does not have may be a number that somebody counts on."""
    if not isinstance(body, Mapping) or "targets" not in body:
        raise ValueError("no targets in the order; give decision_id and targets")
    known = {field.name for field in fields(kind)}
    for row in body["targets"] if isinstance(body["targets"], list) else []:
        if isinstance(row, Mapping) and (strange := sorted(set(row) - known)):
            raise ValueError(f"{strange[0]}: no such key in a target; there is {', '.join(sorted(known))}")
    return body["targets"]


def _read(adapter: TypeAdapter[list[Any]], rows: Any) -> list[Any]:
    try:
        return adapter.validate_python(rows)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{where}: {first['msg']}") from None
