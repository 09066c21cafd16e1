"""Which replicas have a sick GPU, and which of them must leave rotation now. Pure.

A replica is as healthy as the worst of its GPUs: under tensor parallelism one bad GPU stops them all. What counts, by
the XID policy that NVIDIA's catalogue gives (``collectors.health``):

- *urgent* (stop routing, drain, then reset or reboot): an XID that asks for more than a new process, a double-bit ECC
  error, a row remap that failed. An NVLink fault takes every replica of more than one GPU on that node with it.
- *wearing* (replace first, drain when the replacement serves): three application XIDs within an hour, or a GPU that
  has been too hot for two minutes. Heat that passes is forgiven.

The XID gauge keeps its last value for ever. So an XID counts against those replicas only that were there before it
appeared: a replica that came up after it, on a GPU that was reset meanwhile, is not punished for the past. What stands
there at the very first look is the past, too. The same XID twice in a row cannot be seen on a gauge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from autoscaler.safety.overrides import duration
from collectors.health import XidAction, xid_action
from collectors.observation import GpuSample
from runtime.replica import Replica, Tier, Transition

HOT_CELSIUS = 90.0
"""GPUs slow down at about this temperature to protect themselves."""

COOL_CELSIUS = 85.0
HOT_FOR_S = 120.0
"""A peak of load heats for a moment; what lasts is a fan, a duct or a neighbour."""

APP_ERRORS = 3
APP_ERRORS_WITHIN_S = 3600.0
LEAVE_AT_ONCE_SHARE = 1 / 3
"""Of the replicas in rotation so many leave at once at most: where all GPUs report a fault it is rather the driver."""


@dataclass(frozen=True, slots=True)
class GpuRecord:
    """What is remembered of a GPU that ever had anything to say; ``since_s`` is when the XID or ECC count changed."""

    uuid: str
    xid: int = 0
    ecc: float = 0.0
    remap_failed: bool = False
    since_s: float | None = None
    app_errors_s: tuple[float, ...] = ()
    hot_since_s: float | None = None


@dataclass(frozen=True, slots=True)
class Sick:
    """A replica with a sick GPU. ``counted`` while its fleet counts it as one of the active ones."""

    replica: str
    gpu: str
    reason: str
    since_s: float
    urgent: bool
    counted: bool = True
    draining: bool = False


@dataclass(frozen=True, slots=True)
class Health:
    """The memory: GPUs with something to say (None before the first look), and the replicas that are sick."""

    gpus: tuple[GpuRecord, ...] | None = None
    sick: tuple[Sick, ...] = ()


@dataclass(frozen=True, slots=True)
class Vitals:
    """One look at all GPUs, laid out once for all services: by UUID, and those that have something to say."""

    by_uuid: Mapping[str, GpuSample] = field(default_factory=dict)
    notable: tuple[str, ...] = ()


def vitals(gpus: Iterable[GpuSample]) -> Vitals:
    """Lay out the samples of a scrape."""
    worst = _by_uuid(gpus)
    return Vitals(worst, tuple(uuid for uuid, gpu in worst.items() if _notable(gpu)))


def examine(before: Health, replicas: Sequence[Replica], seen: Vitals, now_s: float) -> Health:
    """The memory after a look; GPUs that were not seen this time are as they were."""
    known = {record.uuid: record for record in before.gpus or ()}
    first = before.gpus is None
    for uuid in {**dict.fromkeys(known), **dict.fromkeys(seen.notable)}:
        if uuid in seen.by_uuid:
            known[uuid] = _recorded(known.get(uuid, GpuRecord(uuid)), seen.by_uuid[uuid], now_s, first)
    told = tuple(record for record in known.values() if record != GpuRecord(record.uuid))
    patients = {sick.replica: sick for sick in before.sick}
    links = _broken_links(replicas, known)
    found = [_diagnosed(replica, known, links, patients.get(replica.name), now_s) for replica in replicas]
    return Health(told, tuple(sick for sick in found if sick is not None))


def leaving(sick: Sequence[Sick], healthy: int, wanted: int) -> tuple[str, ...]:
    """Names of those that leave rotation now.

    The urgent ones, a bounded share at once; the wearing ones as soon as ``wanted`` healthy ones serve; and whoever
    drains already.
    """
    here = [s for s in sick if not s.draining]
    at_once = max(1, int((healthy + len(here)) * LEAVE_AT_ONCE_SHARE))
    urgent = sorted((s for s in here if s.urgent), key=lambda s: (s.since_s, s.replica))[:at_once]
    spent = [s for s in here if not s.urgent and healthy >= wanted]
    return tuple(sorted(s.replica for s in (*(s for s in sick if s.draining), *urgent, *spent)))


def spoken(sick: Sequence[Sick], now_s: float) -> str:
    """In words, the first three by name."""
    told = [f"{s.replica} ({s.reason}, for {duration(now_s - s.since_s)})" for s in sick[:3]]
    more = f" and {len(sick) - 3} more" if len(sick) > 3 else ""
    return f"sick, and to be replaced: {', '.join(told)}{more}"


def _by_uuid(gpus: Iterable[GpuSample]) -> dict[str, GpuSample]:
    """One sample a GPU: the worst of its MIG slices."""
    worst: dict[str, GpuSample] = {}
    for gpu in gpus:
        other = worst.get(gpu.uuid)
        worst[gpu.uuid] = gpu if other is None else _worse(gpu, other)
    return worst


def _notable(gpu: GpuSample) -> bool:
    hot = gpu.temperature_celsius is not None and gpu.temperature_celsius >= HOT_CELSIUS
    return bool(gpu.xid or gpu.ecc_double_bit or gpu.row_remap_failed) or hot


def _worse(one: GpuSample, other: GpuSample) -> GpuSample:
    def most(field: str) -> float | None:
        told = [value for g in (one, other) if (value := getattr(g, field)) is not None]
        return max(told, default=None)

    return replace(
        one,
        xid=one.xid or other.xid,
        temperature_celsius=most("temperature_celsius"),
        ecc_double_bit=most("ecc_double_bit"),
        row_remap_failed=most("row_remap_failed"),
    )


def _recorded(record: GpuRecord, gpu: GpuSample, now_s: float, first: bool) -> GpuRecord:
    """The record with what this sample adds; what stood there at the first look has no ``since_s``."""
    if gpu.xid is not None and gpu.xid != record.xid:
        errors = record.app_errors_s
        if xid_action(gpu.xid) is XidAction.RESTART_ENGINE and not first:
            errors = (*errors, now_s)
        record = replace(record, xid=gpu.xid, since_s=None if first else now_s, app_errors_s=errors)
    if gpu.ecc_double_bit is not None and gpu.ecc_double_bit != record.ecc:
        grown = gpu.ecc_double_bit > record.ecc and not first
        record = replace(record, ecc=gpu.ecc_double_bit, since_s=now_s if grown else record.since_s)
    if gpu.row_remap_failed is not None:
        record = replace(record, remap_failed=gpu.row_remap_failed > 0)
    recent = tuple(at_s for at_s in record.app_errors_s if now_s - at_s < APP_ERRORS_WITHIN_S)
    return replace(record, app_errors_s=recent, hot_since_s=_hot_since(record, gpu.temperature_celsius, now_s))


def _hot_since(record: GpuRecord, celsius: float | None, now_s: float) -> float | None:
    """Since when it has been hot; between hot and cool it stays what it was."""
    if celsius is None:
        return record.hot_since_s
    if celsius >= HOT_CELSIUS:
        return now_s if record.hot_since_s is None else record.hot_since_s
    return None if celsius < COOL_CELSIUS else record.hot_since_s


def _broken_links(replicas: Sequence[Replica], known: dict[str, GpuRecord]) -> dict[str, GpuRecord]:
    """Nodes with an NVLink fault, as told by the GPUs of our replicas there."""
    broken = {}
    for replica in replicas:
        for record in (known[uuid] for uuid in replica.gpus if uuid in known):
            if xid_action(record.xid) is XidAction.DRAIN_DOMAIN and record.since_s is not None:
                broken[replica.node] = record
    return broken


def _diagnosed(
    replica: Replica, known: dict[str, GpuRecord], links: dict[str, GpuRecord], before: Sick | None, now_s: float
) -> Sick | None:
    """What ails a replica; an urgent diagnosis stays until the replica is gone."""
    if replica.transition is Transition.FAILED:
        return None  # its fleet replaces it as it is
    found = before if before is not None and before.urgent else _ailment(replica, known, links, now_s)
    if found is None:
        return None
    draining = replica.transition is Transition.DRAINING
    since_s = before.since_s if before is not None else found.since_s
    return replace(found, since_s=since_s, draining=draining, counted=replica.tier is Tier.ACTIVE and not draining)


def _ailment(replica: Replica, known: dict[str, GpuRecord], links: dict[str, GpuRecord], now_s: float) -> Sick | None:
    records = [known[uuid] for uuid in replica.gpus if uuid in known]
    urgent = [(record, why) for record in records if (why := _urgent(record, replica.since_s))]
    if not urgent and len(replica.gpus) > 1 and replica.node in links:
        fault = links[replica.node]
        if fault.since_s is not None and fault.since_s >= replica.since_s:
            urgent = [(fault, f"XID {fault.xid} (NVLink) on its node")]
    wearing = [(record, why) for record in records if (why := _wearing(record, now_s))]
    for (record, why), is_urgent in [(found, True) for found in urgent] + [(found, False) for found in wearing]:
        return Sick(replica.name, record.uuid, why, now_s, is_urgent)
    return None


def _urgent(record: GpuRecord, replica_since_s: float) -> str | None:
    """Why a GPU must not be used any more by a replica that has been as it is since then."""
    if record.remap_failed:
        return f"row remap failed on {record.uuid}"
    if record.since_s is None or record.since_s < replica_since_s:
        return None
    action = xid_action(record.xid)
    if record.xid and action not in (XidAction.NONE, XidAction.RESTART_ENGINE):
        return f"XID {record.xid} ({action.value.replace('_', ' ')}) on {record.uuid}"
    return f"double-bit ECC error on {record.uuid}" if record.ecc > 0 else None


def _wearing(record: GpuRecord, now_s: float) -> str | None:
    if record.hot_since_s is not None and now_s - record.hot_since_s >= HOT_FOR_S:
        return f"{record.uuid} is too hot"
    if len(record.app_errors_s) >= APP_ERRORS:
        return f"{len(record.app_errors_s)} engine errors on {record.uuid} within an hour"
    return None
