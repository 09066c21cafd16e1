"""When a node is closed, when it is opened again, and that neither happens unless somebody allowed it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kubernetes.faults import OPEN_AFTER_S, FaultyNodes, Verdict
from app.kubernetes.fleet import ClusterFleet
from collectors.observation import GpuSample
from tests.app.kubernetes.conftest import Setting

FELL_OFF_THE_BUS, ENGINE_ERROR = 79, 13


def gpu(node: str = "node-0", index: int = 0, **changes: Any) -> GpuSample:
    return GpuSample(f"GPU-{node}-{index}", node, 0.0, xid=0, ecc_double_bit=0.0, row_remap_failed=0.0, **changes)


def sick(one: GpuSample, xid: int = FELL_OFF_THE_BUS) -> GpuSample:
    return replace(one, xid=xid)


HEALTHY = [gpu(f"node-{i}", j) for i in range(6) for j in range(2)]
NOTHING = Verdict({}, ())


def ill(*nodes: str) -> list[GpuSample]:
    return [sick(one) if one.node in nodes and one.uuid.endswith("-0") else one for one in HEALTHY]


def test_a_fault_that_appears_closes_its_node_and_says_why() -> None:
    nodes = FaultyNodes()
    assert nodes.judge(HEALTHY, (), 0.0) == NOTHING
    verdict = nodes.judge(ill("node-3"), (), 15.0)
    assert verdict.close == {"node-3": "XID 79 (reboot node) on GPU-node-3-0"}
    assert nodes.judge(ill("node-3"), ("node-3",), 30.0) == NOTHING


def test_what_stood_there_at_the_first_look_is_the_past() -> None:
    nodes = FaultyNodes()
    assert nodes.judge(ill("node-3"), (), 0.0) == NOTHING == nodes.judge(ill("node-3"), (), 15.0)


def test_an_error_of_an_application_is_no_fault_of_the_node() -> None:
    nodes = FaultyNodes()
    nodes.judge(HEALTHY, (), 0.0)
    assert nodes.judge([sick(HEALTHY[0], ENGINE_ERROR), *HEALTHY[1:]], (), 15.0) == NOTHING


def test_most_nodes_stay_open_whatever_is_told() -> None:
    nodes = FaultyNodes()
    nodes.judge(HEALTHY, (), 0.0)
    everywhere = ill(*(f"node-{i}" for i in range(6)))
    assert sorted(nodes.judge(everywhere, (), 15.0).close) == ["node-0", "node-1"]
    assert nodes.judge(everywhere, ("node-0", "node-1"), 30.0) == NOTHING


def test_a_node_is_opened_when_it_has_been_well_for_long_and_not_on_silence() -> None:
    """Even by a daemon that did not close it: the taint says that it was one of ours."""
    nodes, closed = FaultyNodes(), ("node-3",)
    assert nodes.judge(ill("node-3"), closed, 0.0) == NOTHING
    without = [one for one in HEALTHY if one.node != "node-3"]
    assert nodes.judge(HEALTHY, closed, 15.0) == NOTHING == nodes.judge(HEALTHY, closed, 14 + OPEN_AFTER_S)
    assert nodes.judge(without, closed, 20 + OPEN_AFTER_S) == NOTHING
    assert nodes.judge(HEALTHY, closed, 30 + OPEN_AFTER_S) == NOTHING
    assert nodes.judge(HEALTHY, closed, 30 + 2 * OPEN_AFTER_S) == Verdict({}, ("node-3",))


def test_a_fault_that_comes_back_closes_it_again() -> None:
    nodes = FaultyNodes()
    for at_s, here in enumerate((HEALTHY, ill("node-3"), HEALTHY)):
        nodes.judge(here, (), float(at_s))
    assert "node-3" in nodes.judge(ill("node-3"), (), 20.0).close


@given(st.lists(st.sets(st.integers(0, 5)), min_size=1, max_size=8))
def test_no_node_is_closed_and_opened_at_once_and_none_without_data(looks: list[set[int]]) -> None:
    nodes, closed = FaultyNodes(), set[str]()
    for i, faults in enumerate(looks):
        seen = ill(*(f"node-{j}" for j in faults)) if i % 3 else []
        verdict = nodes.judge(seen, closed, i * OPEN_AFTER_S)
        assert not set(verdict.close) & set(verdict.open) and (seen or verdict == NOTHING)
        closed = (closed | set(verdict.close)) - set(verdict.open)
        assert len(closed) <= 2


async def told(setting: Setting, allowed: bool = True, may_write: bool = True) -> ClusterFleet:
    fleet = setting.fleet(lambda: may_write)
    fleet._faults = FaultyNodes() if allowed else None
    await fleet.replicas()
    await fleet.judge(HEALTHY, 0.0)
    return fleet


def taints(setting: Setting) -> list[str]:
    nodes = setting.cluster.server.all("nodes")
    return [f"{one['metadata']['name']} {taint['key']}" for one in nodes for taint in one["spec"].get("taints", ())]


async def test_a_node_is_tainted_once_and_untainted_when_it_is_well(setting: Setting) -> None:
    fleet = await told(setting)
    for at_s in (15.0, 30.0):
        await fleet.judge(ill("node-1"), at_s)
        for _ in range(30):
            await setting.cluster.clock.sleep_until(0)
    assert taints(setting) == ["node-1 leadtime.dev/faulty-gpu"]
    assert [method for method, path, _ in setting.cluster.server.writes if "/nodes/" in path] == ["PATCH"]
    for at_s in (60.0, 60.0 + OPEN_AFTER_S):
        await fleet.judge(HEALTHY, at_s)
    assert taints(setting) == []


@pytest.mark.parametrize(("allowed", "may_write"), [(False, True), (True, False)])
async def test_unless_it_is_allowed_nothing_is_touched(setting: Setting, allowed: bool, may_write: bool) -> None:
    fleet = await told(setting, allowed, may_write)
    await fleet.judge(ill("node-1"), 15.0)
    assert taints(setting) == [] and setting.cluster.server.writes == []


async def test_a_right_that_is_missing_spoils_nothing(setting: Setting) -> None:
    fleet = await told(setting)

    def forbidden(request: httpx.Request) -> httpx.Response | None:
        said = {"kind": "Status", "reason": "Forbidden", "message": "nodes is forbidden", "code": 403}
        return httpx.Response(403, json=said) if request.method == "PATCH" else None

    setting.cluster.server.faults.append(forbidden)
    await fleet.judge(ill("node-1"), 15.0)
    setting.cluster.server.faults.remove(forbidden)
    await fleet.judge(ill("node-1"), 30.0)
    assert taints(setting) == ["node-1 leadtime.dev/faulty-gpu"]
