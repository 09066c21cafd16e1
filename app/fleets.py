"""From settings to fleets: the one place that knows what stands behind each kind."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from app.access.tls import authorities
from app.agenttokens import shown
from app.daemon.leading import Alone
from app.errors import UserError
from app.fleetsettings import GIB, LOOPBACK, LaunchSettings, LocalSettings, SlotSettings
from app.kubernetes.faults import FaultyNodes
from app.kubernetes.fleet import ClusterFleet
from app.kubernetes.leader import ClusterLeader, reached_at
from app.kubernetes.policies import PolicyResources
from app.kubernetes.settings import KubernetesSettings, TargetSettings
from app.settings import PoolSettings, Settings
from runtime.agent.client import RemoteFleet
from runtime.agent.many import ManyAgents
from runtime.clock import WallClock
from runtime.kubernetes.agentpods import AgentPod
from runtime.kubernetes.client import Api, Limits
from runtime.kubernetes.connection import NoCluster, load
from runtime.kubernetes.plan import Rules
from runtime.kubernetes.spec import FleetSpec, TargetSpec
from runtime.local.spec import UNBOUND, EngineSpec, Kind, LocalSpec, Sleep, Slot
from runtime.simulated.client import SimulatedClock, SimulatedFleet

if TYPE_CHECKING:
    from app.daemon.leading import Leader
    from app.daemon.parts import HttpFleet, PacedClock


FIRST_S = 10.0
"""A tick waits so long for the first picture of the cluster; without it that tick is a gap."""

AGENT_TIMEOUT_S = 3.0
"""An agent pod that takes longer is silent: one on a lost node would hold up every tick."""

LEASE_TIMEOUT_S = 4.0
"""A renewal that takes longer is tried again, well before the deadline."""


def never() -> bool:
    """Whether who only looks may write."""
    return False


def fleet_of(settings: Settings, may_write: Callable[[], bool] = never) -> HttpFleet:
    """What moves the replicas; in a cluster only while ``may_write`` says so. Raises ``UserError`` for a token or
    authorities that cannot be read, for a cluster that is not there.
    """
    if settings.fleet.kind == "simulated":
        return SimulatedFleet(settings.fleet.url)
    if settings.fleet.kind == "kubernetes":
        spec, exporters = cluster_spec(settings), settings.source.kind == "prometheus"
        api = api_of(cluster(settings), may_write)
        faults = FaultyNodes() if cluster(settings).taint_faulty_nodes else None
        return ClusterFleet(api, spec, WallClock(), exporters=exporters, call=caller(settings), faults=faults)
    chosen, secret = settings.fleet, shown(settings.fleet.token_file)
    trust = authorities(chosen.ca_file, "fleet.ca_file")
    if chosen.agents:
        return ManyAgents({m: RemoteFleet(url, secret, trust=trust) for m, url in chosen.agents.items()}, WallClock())
    return RemoteFleet(chosen.url, secret, trust=trust)


def caller(settings: Settings) -> Callable[[AgentPod], RemoteFleet]:
    """How agent pods are reached; raises ``UserError`` for a token or authorities that cannot be read."""
    secret = shown(settings.fleet.token_file)
    trust = authorities(settings.fleet.ca_file, "fleet.ca_file")
    return lambda pod: RemoteFleet(pod.url, secret, AGENT_TIMEOUT_S, trust=trust, name=pod.host)


def cluster(settings: Settings) -> KubernetesSettings:
    """The cluster of a file whose fleet is one."""
    assert settings.fleet.kubernetes is not None, "checked when the file was read"
    return settings.fleet.kubernetes


def api_of(chosen: KubernetesSettings, may_write: Callable[[], bool] = never, limits: Limits | None = None) -> Api:
    """The API server. Raises ``UserError``, one line, where none can be found."""
    try:
        return Api(load(chosen.kubeconfig, chosen.context), WallClock(), limits, may_write=may_write)
    except NoCluster as error:
        raise UserError(f"fleet.kubernetes: {error}") from None


def leader_of(settings: Settings) -> Leader:
    """Who tells whether a daemon may act: a Lease, if the file names one. Raises ``UserError`` as ``api_of`` does."""
    chosen = settings.fleet.kubernetes
    if settings.fleet.kind != "kubernetes" or chosen is None or chosen.lease is None:
        return Alone()
    api = api_of(chosen, limits=Limits(timeout_s=LEASE_TIMEOUT_S))
    where = reached_at(settings.api.host, settings.api.port)
    namespace = chosen.lease_namespace or api.connection.namespace
    return ClusterLeader(api, namespace, chosen.lease, where, settings.api.scheme)


def resources_of(settings: Settings, fleet: ClusterFleet) -> PolicyResources:
    """Policies as resources, in the namespaces that the fleet watches, through its connection."""
    chosen = cluster(settings)
    return PolicyResources(fleet.api, chosen.namespaces, fleet, committed=chosen.gitops)


def cluster_spec(settings: Settings) -> FleetSpec:
    """What is scaled in the cluster; raises ``UserError``, one line, for what cannot be."""
    chosen = cluster(settings)
    if settings.racks:
        raise UserError(
            f"racks: a fleet of kind kubernetes has none; remove rack {settings.racks[0].name}, and let pools that "
            "share GPUs live in agent pods: fleet.kubernetes.agent_pools"
        )
    pools = {pool.name: (service.name, pool) for service in settings.services for pool in service.pools}
    for target in chosen.targets:
        if target.pool not in pools:
            known = ", ".join(pools)
            raise UserError(f"fleet.kubernetes.targets: {target.name}: no pool {target.pool!r}; known: {known}")
    if strange := [pool for pool in chosen.agent_pools if pool not in pools]:
        raise UserError(f"fleet.kubernetes.agent_pools: no pool {strange[0]!r}; known: {', '.join(pools)}")
    try:
        return FleetSpec(
            agent_tls=settings.fleet.ca_file is not None,
            agent_pools=tuple((pools[pool][0], pool) for pool in chosen.agent_pools),
            targets=tuple(_target(target, *pools[target.pool], chosen.namespaces[0]) for target in chosen.targets),
            discover=tuple(chosen.namespaces) if chosen.discover else (),
            rules=Rules(chosen.settle_s, chosen.drain_limit_s),
            stale_s=chosen.stale_s,
            first_s=FIRST_S,
            nodes=chosen.nodes,
            instance=socket.gethostname(),
        )
    except ValueError as error:
        raise UserError(f"fleet.kubernetes.targets: {error}") from None


def _target(target: TargetSettings, service: str, pool: PoolSettings, namespace: str) -> TargetSpec:
    told = pool.launch.sleep if pool.launch else Sleep.NONE
    return TargetSpec(
        service,
        target.pool,
        target.namespace or namespace,
        target.name,
        target.resource,
        warm=target.warm,
        sleep=told if target.sleep is None else target.sleep,
        served_name=target.served_name,
    )


def clock_of(settings: Settings) -> PacedClock:
    """Whose time it is: a simulated fleet has its own."""
    return SimulatedClock(settings.fleet.url) if settings.fleet.kind == "simulated" else WallClock()


def local_spec(settings: Settings) -> LocalSpec:
    """What the agent of this machine runs; raises ``UserError``, one line, for what cannot be."""
    local = settings.fleet.local
    if local is None:
        raise UserError("fleet.local is missing; give python and slots of this machine")
    launched = [
        (service.name, pool, pool.launch)
        for service in settings.services
        for pool in service.pools
        if pool.launch is not None
    ]
    if not launched:
        raise UserError("services: no pool has launch; give launch: {model: FOLDER} to those that run here")
    try:
        return LocalSpec(
            tuple(_engine(service, pool, launch, local) for service, pool, launch in launched),
            tuple(_slot(i, slot) for i, slot in enumerate(local.slots)),
            home=local.home.expanduser().resolve(),
            ports=local.ports,
            node=local.node,
            ready_within_s=local.ready_within_s,
            drain_s=local.drain_s,
            drain_limit_s=local.drain_limit_s,
            hang_s=local.hang_s,
            orphan_s=local.orphan_s,
        )
    except ValueError as error:
        raise UserError(f"fleet.local: {error}") from None


def _engine(service: str, pool: PoolSettings, launch: LaunchSettings, local: LocalSettings) -> EngineSpec:
    return EngineSpec(
        service,
        pool.name,
        launch.model,
        python=local.python,
        # The engine's last word counts, so that its own args may still say otherwise.
        args=(*(() if local.address in LOOPBACK else ("--host", "0.0.0.0")), *launch.args),
        env=launch.env,
        group=launch.group,
        gpus_per_replica=pool.gpus_per_replica,
        memory_bytes=round(launch.memory_gib * GIB),
        sleep=launch.sleep,
        load_format=launch.load_format,
    )


def _slot(index: int, slot: SlotSettings) -> Slot:
    kind = Kind.GPU if slot.gpus else Kind.CPU
    devices = slot.gpus or [UNBOUND if cores == "any" else cores for cores in slot.cores]
    return Slot(f"slot{index}", tuple(devices), kind, slot.group, round(slot.memory_gib * GIB))
