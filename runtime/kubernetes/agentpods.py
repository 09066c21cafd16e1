"""Which pods run an agent, where it answers, and whether they are there to stay: read off their label. Pure.

An agent pod owns its GPUs whatever runs on them, so that it is the agent and not the pod that is moved. It leaves when
its node is cordoned, which comes before a drain, or when somebody sets its label; a pod that terminates ends.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from runtime.agent.split import Stay
from runtime.kubernetes.names import AGENT_LABEL, AGENT_LEAVING, AGENT_PORT
from runtime.kubernetes.pods import GONE, Situation, state

Json = dict[str, Any]

PORT = 8900
"""Of an agent whose container names none."""


@dataclass(frozen=True, slots=True)
class AgentPod:
    """One agent. ``url`` is empty until the pod has an address; ``ready`` says that it has answered its probe.

    ``host`` is its name in the cluster's DNS, which its certificate is for: addresses come and go. It is empty where no
    headless Service gives it one. ``owner`` is kind and name of what made the pod; empty where nobody did.
    """

    namespace: str
    name: str
    uid: str
    url: str
    host: str
    node: str
    ready: bool
    stay: Stay
    owner: tuple[str, str]


def found(pods: Iterable[Json], cordoned: Collection[str] = (), tls: bool = False) -> list[AgentPod]:
    """Agents among these pods, by name, at HTTPS addresses with ``tls``: whoever asks them says so and no pod does.
    What has ended is none; what terminates is one until it is gone.
    """
    made = [
        _agent(pod, cordoned, "https" if tls else "http")
        for pod in pods
        if (pod["metadata"].get("labels") or {}).get(AGENT_LABEL)
    ]
    return sorted((one for one in made if one is not None), key=lambda one: (one.namespace, one.name))


def _agent(pod: Json, cordoned: Collection[str], scheme: str) -> AgentPod | None:
    seen = state(pod)
    if seen.situation in GONE and seen.situation is not Situation.TERMINATING:
        return None
    owners = pod["metadata"].get("ownerReferences") or [{"kind": "", "name": ""}]
    return AgentPod(
        namespace=seen.namespace,
        name=seen.name,
        uid=seen.uid,
        url=_url(pod, scheme),
        host=_host(pod),
        node=seen.node,
        ready=seen.ready,
        stay=_stay(seen.situation, seen.labels, seen.node in cordoned),
        owner=(owners[0]["kind"], owners[0]["name"]),
    )


def _stay(situation: Situation, labels: Mapping[str, str], cordoned: bool) -> Stay:
    if situation is Situation.TERMINATING:
        return Stay.ENDING
    return Stay.LEAVING if cordoned or labels[AGENT_LABEL] == AGENT_LEAVING else Stay.STAYS


def _url(pod: Json, scheme: str) -> str:
    address = (pod.get("status") or {}).get("podIP", "")
    ports = [port for container in pod["spec"].get("containers") or () for port in container.get("ports") or ()]
    named = [port["containerPort"] for port in ports if port.get("name") == AGENT_PORT]
    host = f"[{address}]" if ":" in address else address
    return f"{scheme}://{host}:{(named or [PORT])[0]}" if address else ""


def _host(pod: Json) -> str:
    spec = pod["spec"]
    names = spec.get("hostname"), spec.get("subdomain"), pod["metadata"]["namespace"]
    return ".".join((*names, "svc")) if all(names) else ""
