"""Which pods are agents, where they answer, and whether they stay."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.agent.split import Stay
from runtime.kubernetes.agentpods import found

READY = [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-21T00:00:00Z"}]


def pod(name: str = "shared-0", **changes: Any) -> dict[str, Any]:
    meta = {
        "name": name,
        "namespace": "llm",
        "uid": f"uid-{name}",
        "creationTimestamp": "2026-11-21T00:00:00Z",
        "labels": {"leadtime.dev/agent": changes.pop("label", "in")},
        "ownerReferences": [{"kind": "StatefulSet", "name": "shared"}],
        **changes.pop("meta", {}),
    }
    ports = [{"name": "metrics", "containerPort": 9000}, {"name": "agent", "containerPort": 8901}]
    spec = {"nodeName": "node-0", "containers": [{"name": "agent", "ports": ports}]}
    return {"metadata": meta, "spec": spec, "status": {"phase": "Running", "podIP": "10.0.0.7", "conditions": READY}}


def test_an_agent_answers_at_its_named_port_and_is_of_its_stateful_set() -> None:
    (one,) = found([pod(), {"metadata": {"name": "other", "namespace": "llm"}}])
    assert (one.url, one.node, one.ready, one.stay) == ("http://10.0.0.7:8901", "node-0", True, Stay.STAYS)
    assert one.owner == ("StatefulSet", "shared")


def test_it_is_asked_by_https_under_its_name_where_that_is_wanted() -> None:
    named = pod()
    named["spec"] |= {"hostname": "shared-0", "subdomain": "shared"}
    (one,) = found([named], tls=True)
    assert (one.url, one.host) == ("https://10.0.0.7:8901", "shared-0.shared.llm.svc")
    assert [(bare.url, bare.host) for bare in found([pod()], tls=True)] == [("https://10.0.0.7:8901", "")]


@pytest.mark.parametrize(("address", "url"), [("", ""), ("fd00::7", "http://[fd00::7]:8900")])
def test_one_without_an_address_cannot_be_asked_yet_and_without_a_port_the_usual_one_is(address: str, url: str) -> None:
    bare = pod()
    bare["status"]["podIP"], bare["spec"]["containers"] = address, []
    assert [one.url for one in found([bare])] == [url]


@pytest.mark.parametrize(
    ("changes", "cordoned", "stay"),
    [
        ({"label": "leaving"}, (), Stay.LEAVING),
        ({}, ("node-0",), Stay.LEAVING),
        ({}, ("node-1",), Stay.STAYS),
        ({"meta": {"deletionTimestamp": "2026-11-21T00:10:00Z"}}, (), Stay.ENDING),
        ({"meta": {"deletionTimestamp": "2026-11-21T00:10:00Z"}}, ("node-0",), Stay.ENDING),
    ],
)
def test_whether_it_stays(changes: dict[str, Any], cordoned: tuple[str, ...], stay: Stay) -> None:
    assert [one.stay for one in found([pod(**changes)], cordoned)] == [stay]


def test_what_has_ended_is_no_agent() -> None:
    ended = pod()
    ended["status"]["phase"] = "Failed"
    assert found([ended]) == []
