"""Which pools an agent pod holds, and what its agent is told of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from app.errors import UserError
from app.fleets import local_spec
from app.manifests.agentpools import agents_of
from app.manifests.yamlout import document
from app.settings import Settings, load
from runtime.local.spec import Sleep

GIVEN: dict[str, Any] = {"image": "leadtime-agent:0.1.0", "gpus": 8}


def pool(name: str, gpus: int = 2, **launch: Any) -> dict[str, Any]:
    told = {"a_ms": 1, "b_ms_per_seq": 1, "k_ms_per_1k_kv_tokens": 1, "p_ms_per_1k_prefill_tokens": 1}
    return {
        "name": name,
        "gpu": "H100",
        "gpus_per_replica": gpus,
        "price_usd_per_gpu_hour": 2.5,
        "step": told,
        "kv_blocks": 100,
        "lead_times": {"asleep": {"p50_s": 3, "p90_s": 5}},
        "launch": {"model": f"models/{name}", **launch},
    }


def settings(*pools: dict[str, Any], inside: tuple[str, ...] | None = None) -> Settings:
    services = [{"name": f"of-{one['name']}", "pools": [one]} for one in pools]
    names = [one["name"] for one in pools] if inside is None else list(inside)
    cluster = {"namespaces": ["llm"], "agent_pools": names}
    fleet = {"kind": "kubernetes", "token_file": "/secret", "kubernetes": cluster}
    return Settings.model_validate({"fleet": fleet, "services": services})


SHARED = settings(pool("a", sleep="level1", memory_gib=40), pool("b", sleep="level2"), pool("own"), inside=("a", "b"))


def test_the_agent_s_file_loads_and_is_of_the_pools_inside_alone(tmp_path: Path) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text(document(agents_of(SHARED, None, **GIVEN).config))
    spec = local_spec(load(file))
    assert [(engine.service, engine.pool, engine.sleep) for engine in spec.engines] == [
        ("of-a", "a", Sleep.LEVEL1),
        ("of-b", "b", Sleep.LEVEL2),
    ]
    assert [slot.devices for slot in spec.slots] == [("0", "1"), ("2", "3"), ("4", "5"), ("6", "7")]


def test_what_one_pod_is_given_follows_from_what_it_holds() -> None:
    made = agents_of(SHARED, None, **GIVEN, name="shared", replicas=2)
    assert (made.pod.name, made.pod.replicas, made.pod.shm_gib, made.pod.sleep) == ("shared", 2, 64, True)
    assert made.grace_s > made.pod.drain_s == 900


def test_a_pool_names_the_group_that_it_shares_slots_with() -> None:
    several = settings(pool("a"), pool("b", group="big", gpus=4), pool("c"))
    held = [service["pools"][0]["name"] for service in agents_of(several, "c", **GIVEN).config["services"]]
    assert held == ["a", "c"]
    with pytest.raises(UserError, match="of the groups big, default; give --pool NAME"):
        agents_of(several, None, **GIVEN)


@pytest.mark.parametrize(
    ("chosen", "given", "said"),
    [
        (SHARED, {"image": None}, "--image is missing"),
        (SHARED, {"gpus": None}, "--gpus is missing"),
        (SHARED, {"gpus": 7}, "--gpus 7: replicas of a take 2 each"),
        (SHARED, {"start_s": 5.0}, "--start-s is of one engine"),
        (SHARED, {"name": "No_Name"}, "DNS label"),
        (settings(pool("a"), inside=()), {}, "agent_pools is empty"),
        (settings(pool("a"), inside=("x",)), {}, "no pool 'x'; known: a"),
        (settings(pool("a"), pool("b", gpus=4)), {}, r"differ in one group \(a 2, b 4\)"),
        (settings(pool("a") | {"launch": None}), {}, "pool a has no launch"),
    ],
)
def test_a_mistake_is_one_line(chosen: Settings, given: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        agents_of(chosen, None, **GIVEN | given)


def test_a_pool_that_is_in_no_agent_has_none() -> None:
    with pytest.raises(UserError, match=r"--pool own is none of fleet\.kubernetes\.agent_pools; give one of a, b"):
        agents_of(SHARED, "own", **GIVEN)


def test_the_file_says_nothing_of_policies_and_routing() -> None:
    services = yaml.safe_load(document(agents_of(SHARED, None, **GIVEN).config))["services"]
    assert {key for service in services for key in service} == {"name", "pools"}
