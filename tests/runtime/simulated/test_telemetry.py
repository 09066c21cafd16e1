"""What DCGM would say of the GPUs follows from what their engines computed."""

from __future__ import annotations

import pytest

from runtime.replica import Tier
from runtime.simulated.gpus import Gpu
from runtime.simulated.telemetry import REFRESH_S, Telemetry
from runtime.simulated.world import World
from tests.runtime.simulated.fleets import POOL, replicas, run, service, submit_all, target, world


def gpus(telemetry: Telemetry) -> dict[str, Gpu]:
    return {gpu.uuid: gpu for gpus in telemetry.nodes().values() for gpu in gpus}


def held(telemetry: Telemetry, world: World, tier: Tier = Tier.ACTIVE) -> list[Gpu]:
    """The GPUs of all replicas in that tier, read now."""
    names = {r.name for r in replicas(world, tier, settled=False)}
    return [gpu for gpu in gpus(telemetry).values() if gpu.replica in names]


def test_every_gpu_stands_on_its_node() -> None:
    nodes = Telemetry(world(service("chat", room=8), service("code", room=4))).nodes()
    assert {name: len(gpus) for name, gpus in nodes.items()} == {
        **{f"chat-pool-node-00{i}": 8 for i in range(3)},
        **{f"code-pool-node-00{i}": 8 for i in range(2)},
    }


def test_busy_and_idle_gpus_draw_what_they_should() -> None:
    fleet = world(service(active=2))
    telemetry = Telemetry(fleet)
    fleet.submit("chat", 64, 10_000, "chat-0001")
    run(fleet, 20.0)
    busy, idle = held(telemetry, fleet)[0], held(telemetry, fleet)[-1]
    assert busy.busy_ratio == pytest.approx(1.0, abs=0.01)
    assert idle.busy_ratio == 0.0
    assert busy.energy_joules > 3 * idle.energy_joules > 0


def test_prefill_counts_as_compute() -> None:
    """A prompt of 10 thousand tokens at 1 s a thousand is 10 s of prefill in 20."""
    step = type(POOL.step)(a_ms=10.0, b_ms_per_seq=0.0, k_ms_per_1k_kv_tokens=0.0, p_ms_per_1k_prefill_tokens=1000.0)
    fleet = world(service(step=step))
    telemetry = Telemetry(fleet)
    submit_all(fleet, [(10_000, 1)])
    run(fleet, 20.0)
    assert held(telemetry, fleet)[0].prefill_ratio == pytest.approx(0.5, abs=0.01)


def test_looking_often_is_looking_at_the_same_figures() -> None:
    fleet = world()
    telemetry = Telemetry(fleet)
    submit_all(fleet, [(64, 10_000)])
    run(fleet, 10.0)
    first = held(telemetry, fleet)[0].energy_joules
    run(fleet, REFRESH_S / 2)
    assert held(telemetry, fleet)[0].energy_joules == first
    run(fleet, REFRESH_S / 2)
    assert held(telemetry, fleet)[0].energy_joules > first


def test_memory_says_what_the_replica_is_doing() -> None:
    fleet = target(world(), active=1, asleep=1, warm_node=1)
    telemetry = Telemetry(fleet)
    run(fleet, 50.0)
    assert {gpu.memory_ratio for gpu in held(telemetry, fleet, Tier.ASLEEP)} == {0.5}
    run(fleet, 60.0)
    assert {gpu.memory_ratio for gpu in held(telemetry, fleet, Tier.ACTIVE)} == {0.92}
    assert {gpu.memory_ratio for gpu in held(telemetry, fleet, Tier.ASLEEP)} == {0.02}
    assert {gpu.memory_ratio for gpu in held(telemetry, fleet, Tier.WARM_NODE)} == {0.0}
    assert {gpu.memory_ratio for gpu in gpus(telemetry).values() if gpu.replica is None} == {0.0}


def test_an_engine_that_died_and_came_back_never_gives_negative_work() -> None:
    fleet = world()
    telemetry = Telemetry(fleet)
    submit_all(fleet, [(64, 1000)])
    run(fleet, 10.0)
    uuid = held(telemetry, fleet)[0].uuid
    fleet.fail_gpu(uuid, "xid")
    run(fleet, 5.0)
    assert gpus(telemetry)[uuid].busy_ratio == 0.0
    run(fleet, 200.0)
    assert all(gpu.energy_joules > 0 and gpu.busy_ratio == 0 for gpu in gpus(telemetry).values())
