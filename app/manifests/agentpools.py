"""The pools of ``fleet.yaml`` that live in agent pods, as those pods: which GPUs they share, what agents are told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.errors import UserError
from app.fleetsettings import LaunchSettings
from app.manifests.agent import CERTIFICATE, ENGINE_PORTS, HOME, PORT, TOKEN, AgentPods
from app.manifests.engine import Engine
from app.settings import PoolSettings, ServiceSettings, Settings
from runtime.local.spec import Sleep

OF_AN_ENGINE = ("model", "service", "args", "nodes", "start_s", "warm", "sleep", "policy")
"""Options that say something of one engine, which launch in the pool says here."""

NEEDED = {"image": "one with vLLM and leadtime, as deploy/Containerfile.agent makes", "gpus": "the GPUs of a pod"}
NAME = "leadtime-agents"
SHM_GIB = 16
"""Of one slot: its engine's workers have it to themselves while it is awake."""

Lane = tuple[ServiceSettings, PoolSettings, LaunchSettings]


def agents_of(settings: Settings, pool: str | None, **given: Any) -> AgentPods:
    """The pods of the slots that ``pool`` shares with others; without it there must be one group of slots alone.

    Raises ``UserError``, one line, for what cannot be.
    """
    if wrong := [key for key in OF_AN_ENGINE if given.get(key)]:
        raise UserError(
            f"--{wrong[0].replace('_', '-')} is of one engine; with --agent give it under the pool's launch"
        )
    for key, what in NEEDED.items():
        if not given.get(key):
            raise UserError(f"--{key} is missing; with --agent give {what}")
    lanes = group(lanes_of(settings), pool)
    size = size_of(lanes)
    if given["gpus"] % size:
        raise UserError(f"--gpus {given['gpus']}: replicas of {lanes[0][1].name} take {size} each; give a multiple")
    name = given.get("name") or NAME
    told = {
        "shm_gib": SHM_GIB * given["gpus"] // size,
        "drain_s": max(service.policy.scale_in.drain_deadline_s for service, _, _ in lanes),
        **{key: value for key, value in given.items() if key not in OF_AN_ENGINE},
        "name": name,
        "service": name,
        "model": "agent",
        "sleep": any(launch.sleep in (Sleep.LEVEL1, Sleep.LEVEL2) for _, _, launch in lanes),
    }
    tls_secret = told.pop("tls_secret", None)
    try:
        pod = Engine(**told)
    except ValueError as error:
        raise UserError(str(error)) from None
    made = config(lanes, pod.gpus, size, pod.drain_s)
    return AgentPods(pod, encrypted(made) if tls_secret else made, tls_secret=tls_secret)


def lanes_of(settings: Settings) -> list[Lane]:
    """Pools that live in agents, with how they are launched."""
    named = settings.fleet.kubernetes.agent_pools if settings.fleet.kubernetes else []
    if not named:
        raise UserError("fleet.kubernetes.agent_pools is empty; name the pools that live in agent pods")
    found = [(service, pool) for service in settings.services for pool in service.pools if pool.name in named]
    if bare := [pool.name for _, pool in found if pool.launch is None]:
        raise UserError(f"pool {bare[0]} has no launch, so no agent can start it; give launch: {{model: NAME}}")
    if not found:
        raise UserError(
            f"fleet.kubernetes.agent_pools: no pool {named[0]!r}; known: {', '.join(settings.pool_names())}"
        )
    return [(service, pool, pool.launch) for service, pool in found if pool.launch is not None]


def group(lanes: Sequence[Lane], pool: str | None) -> list[Lane]:
    """Those whose replicas take the same slots."""
    names = {launch.group for _, each, launch in lanes if pool in (None, each.name)}
    if not names:
        raise UserError(
            f"--pool {pool} is none of fleet.kubernetes.agent_pools; give one of {', '.join(_pools(lanes))}"
        )
    if len(names) > 1:
        raise UserError(
            f"agent_pools are of the groups {', '.join(sorted(names))}; give --pool NAME, one of each group's"
        )
    return [lane for lane in lanes if lane[2].group in names]


def size_of(lanes: Sequence[Lane]) -> int:
    """GPUs of a slot. Raises ``UserError`` where replicas of one group differ: a slot could not take them in turn."""
    sizes = {pool.gpus_per_replica for _, pool, _ in lanes}
    if len(sizes) > 1:
        told = ", ".join(f"{pool.name} {pool.gpus_per_replica}" for _, pool, _ in lanes)
        raise UserError(f"GPUs of a replica differ in one group ({told}); give their launch a group each")
    return sizes.pop()


def config(lanes: Sequence[Lane], gpus: int, size: int, drain_s: float) -> dict[str, Any]:
    """The agents' ``fleet.yaml``; name and address of a pod are told on its command line."""
    first = lanes[0][2]
    slots = [{"gpus": [str(gpu) for gpu in range(at, at + size)], "group": first.group} for at in range(0, gpus, size)]
    local = {"slots": slots, "home": HOME, "ports": list(ENGINE_PORTS), "drain_s": drain_s}
    services: dict[str, list[dict[str, Any]]] = {}
    for service, pool, _ in lanes:
        services.setdefault(service.name, []).append(pool.model_dump(mode="json", exclude_unset=True))
    return {
        "fleet": {"kind": "local", "url": f"http://0.0.0.0:{PORT}", "token_file": TOKEN, "local": local},
        "services": [{"name": name, "pools": pools} for name, pools in services.items()],
    }


def encrypted(config: dict[str, Any]) -> dict[str, Any]:
    """The same file with HTTPS, by the files that a Secret of a certificate has."""
    fleet = config["fleet"]
    pair = {"cert_file": f"{CERTIFICATE}/tls.crt", "key_file": f"{CERTIFICATE}/tls.key"}
    told = {"url": f"https://0.0.0.0:{PORT}", "local": fleet["local"] | {"tls": pair}}
    return config | {"fleet": fleet | told}


def _pools(lanes: Sequence[Lane]) -> list[str]:
    return [pool.name for _, pool, _ in lanes]
