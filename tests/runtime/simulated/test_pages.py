"""An engine's page against a recorded scrape of vLLM 0.32, and all pages against a parser that is not ours."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from runtime.simulated.gpus import Gpu
from runtime.simulated.pages import engine_page, gateway_page, node_page
from runtime.simulated.telemetry import Telemetry
from runtime.simulated.world import World
from tests.runtime.simulated.fleets import START_S, STEP_S, replicas, run, service, submit_all, talk, world

RECORDED = Path(__file__).parents[2] / "collectors" / "fixtures" / "vllm-0.32-metrics.txt"


def families(text: str, prefix: str = "") -> dict[str, Metric]:
    return {f.name: f for f in text_string_to_metric_families(text) if f.name.startswith(prefix)}


def page(world: World, index: int = 0, asleep: bool = False) -> str:
    replica = replicas(world)[index]
    return engine_page(world.state, replica.row, world.services[replica.service].pool, asleep, replica.created_s)


def ours() -> dict[str, Metric]:
    return families(page(world()), "vllm:")


@dataclass(frozen=True)
class Values:
    """The values of a page, by name and the labels that tell series of one family apart.

    The parser puts ``_total`` behind DCGM's counters, which have none.
    """

    page: str

    def __call__(self, name: str, **labels: str) -> float:
        found = [
            sample.value
            for family in families(self.page).values()
            for sample in family.samples
            if sample.name in (name, f"{name}_total") and labels.items() <= sample.labels.items()
        ]
        assert len(found) == 1, (name, labels, found)
        return found[0]


RECORDING = families(RECORDED.read_text(), "vllm:")


def labels_of(family: Metric) -> set[frozenset[str]]:
    return {frozenset(sample.labels) for sample in family.samples}


def bounds_of(family: Metric) -> list[str]:
    return [s.labels["le"] for s in family.samples if s.name.endswith("_bucket")]


def test_the_families_and_their_types_are_those_of_the_recording() -> None:
    assert {f.name: f.type for f in ours().values()} == {f.name: f.type for f in RECORDING.values()}


@pytest.mark.parametrize("name", sorted(RECORDING))
def test_labels_samples_and_bounds_are_those_of_the_recording(name: str) -> None:
    mine, theirs = ours()[name], RECORDING[name]
    if name == "vllm:cache_config_info":
        assert next(iter(labels_of(mine))) <= next(iter(labels_of(theirs)))
        return
    assert labels_of(mine) == labels_of(theirs)
    assert bounds_of(mine) == bounds_of(theirs)
    kept = [(s.name, {k: v for k, v in s.labels.items() if k != "model_name"}) for s in theirs.samples]
    assert sorted(map(str, kept)) == sorted(
        str((s.name, {k: v for k, v in s.labels.items() if k != "model_name"})) for s in mine.samples
    )


def test_every_series_is_told_once_and_every_line_is_understood() -> None:
    lines = [line for line in page(world()).splitlines() if not line.startswith("#")]
    series = [line.rsplit(" ", 1)[0] for line in lines]
    assert len(series) == len(set(series))
    assert len(lines) == sum(len(f.samples) for f in ours().values())


def served() -> Values:
    """Three requests that have ended: 64 + 32 + 1 output tokens on prompts of 100, 200 and 300."""
    fleet = world()
    submit_all(fleet, [(100, 64), (200, 32), (300, 1)])
    return Values(page(run(fleet, 10.0)))


def test_counters_after_known_requests() -> None:
    value = served()
    assert value("vllm:prompt_tokens_total") == 600
    assert value("vllm:generation_tokens_total") == 97
    assert value("vllm:prefix_cache_queries_total") == 600
    assert value("vllm:prompt_tokens_by_source_total", source="local_compute") == 600
    assert value("vllm:request_success_total", finished_reason="stop") == 3
    assert value("vllm:request_success_total", finished_reason="abort") == 0
    assert value("vllm:num_preemptions_total") == 0


def test_what_the_prefix_cache_saved_is_told() -> None:
    """Turns of 160, 320 and 480 tokens, of which the last one each time is computed anew with its block."""
    value = Values(page(run(world(workload=talk(3)), 30.0)))
    assert value("vllm:prefix_cache_queries_total") == value("vllm:prompt_tokens_total") == 960
    assert value("vllm:prefix_cache_hits_total") == value("vllm:prompt_tokens_cached_total") == 160 + 320
    assert value("vllm:prompt_tokens_by_source_total", source="local_compute") == 480
    assert value("vllm:prompt_tokens_by_source_total", source="local_cache_hit") == 480
    assert value("vllm:prompt_tokens_cached_by_source_total", source="device") == 480
    assert value("vllm:request_prefill_kv_computed_tokens_sum") == 480
    assert value("vllm:kv_cache_usage_perc") == 0


def test_a_pool_that_caches_no_prefixes_says_so() -> None:
    fleet = run(world(service(prefix_caching=False), workload=talk(3)), 30.0)
    value = Values(page(fleet))
    assert value("vllm:prefix_cache_queries_total") == value("vllm:prompt_tokens_cached_total") == 0
    assert value("vllm:cache_config_info", enable_prefix_caching="False") == 1


def test_histograms_after_known_requests() -> None:
    """All three prompts fit into the first step; 63 and 31 tokens follow, one each 62.5 ms."""
    value = served()
    assert value("vllm:request_prompt_tokens_sum") == 600
    assert value("vllm:request_generation_tokens_bucket", le="50.0") == 2
    assert value("vllm:request_generation_tokens_bucket", le="+Inf") == 3
    assert value("vllm:time_to_first_token_seconds_count") == 3
    assert value("vllm:time_to_first_token_seconds_sum") == pytest.approx(3 * STEP_S)
    assert value("vllm:inter_token_latency_seconds_count") == 63 + 31
    assert value("vllm:inter_token_latency_seconds_sum") == pytest.approx(94 * STEP_S)
    assert value("vllm:inter_token_latency_seconds_bucket", le="0.05") == 0
    assert value("vllm:inter_token_latency_seconds_bucket", le="0.075") == 94
    assert value("vllm:request_time_per_output_token_seconds_sum") == pytest.approx(2 * STEP_S)
    assert value("vllm:e2e_request_latency_seconds_sum") == pytest.approx((64 + 32 + 1) * STEP_S)
    assert value("vllm:request_queue_time_seconds_sum") == 0
    assert value("vllm:iteration_tokens_total_count") == 64


def test_gauges_while_requests_run_and_wait() -> None:
    """One sequence at a time: 160 prompt tokens and what came since, in blocks of 16; 1,000 blocks can be used."""
    fleet = world(service(max_num_seqs=1))
    submit_all(fleet, [(160, 5000), (16, 16), (16, 16)])
    value = Values(page(run(fleet, 1.01)))
    assert value("vllm:num_requests_running") == 1
    assert value("vllm:num_requests_waiting") == 2
    assert value("vllm:num_requests_waiting_by_reason", reason="capacity") == 2
    assert value("vllm:kv_cache_usage_perc") == pytest.approx((10 + 1) / 1000, abs=0.001)
    assert value("vllm:generation_tokens_total") == 16


def test_an_aborted_request_is_counted_as_such() -> None:
    fleet = world()
    fleet.forget(fleet.submit("chat", 16, 5000))
    value = Values(page(run(fleet, 1.0)))
    assert value("vllm:request_success_total", finished_reason="abort") == 1
    assert value("vllm:kv_cache_usage_perc") == 0


def test_the_state_of_sleep_is_told() -> None:
    for asleep in (False, True):
        value = Values(page(world(), asleep=asleep))
        assert value("vllm:engine_sleep_state", sleep_state="awake") == (not asleep)
        assert value("vllm:engine_sleep_state", sleep_state="weights_offloaded") == asleep


def test_the_cache_is_described() -> None:
    info = ours()["vllm:cache_config_info"].samples[0].labels
    assert (info["num_gpu_blocks"], info["block_size"], info["kv_cache_size_tokens"]) == ("1001", "16", "16016")


def test_each_replica_has_its_own_figures_and_all_carry_the_name_of_the_model() -> None:
    fleet = world(service(active=2), service("code"))
    fleet.submit("chat", 100, 4, "chat-0002")
    run(fleet, 5.0)
    assert [Values(page(fleet, i))("vllm:prompt_tokens_total") for i in range(3)] == [0, 100, 0]
    models = [families(page(fleet, i))["vllm:num_requests_running"].samples[0].labels["model_name"] for i in range(3)]
    assert models == ["chat", "chat", "code"]


def test_the_time_of_creation_is_that_of_the_start_and_survives_a_nap() -> None:
    fleet = world()
    replica = replicas(fleet)[0]
    run(fleet, 10.0)
    fleet.replicas.sleep(replica, fleet.now_s)
    fleet.replicas.wake(replica, fleet.now_s)
    run(fleet, 10.0)
    assert Values(page(fleet))("vllm:prompt_tokens_created") == START_S


# --- nodes and gateway -------------------------------------------------------------------------------------------


def node(fleet: World) -> tuple[list[Gpu], Values]:
    gpus = Telemetry(fleet).nodes()["chat-pool-node-000"]
    return gpus, Values(node_page(gpus))


def metrics(values: Iterable[Metric]) -> dict[str, str]:
    return {family.name: family.type for family in values}


def test_a_node_tells_every_family_of_every_gpu_with_the_labels_of_dcgm_exporter() -> None:
    gpus, value = node(world())
    parsed = families(value.page)
    assert all(len(family.samples) == len(gpus) == 8 for family in parsed.values())
    assert parsed["DCGM_FI_DEV_XID_ERRORS"].type == "gauge"
    assert parsed["DCGM_FI_DEV_GPU_UTIL"].samples[0].labels == {
        "gpu": "0",
        "UUID": "GPU-chat-pool-000-0",
        "device": "nvidia0",
        "modelName": "NVIDIA H100 80GB HBM3",
        "Hostname": "chat-pool-node-000",
        "container": "engine",
        "namespace": "default",
        "pod": "chat-0001",
    }
    assert "pod" not in parsed["DCGM_FI_DEV_GPU_UTIL"].samples[-1].labels


def test_the_figures_of_a_gpu_are_in_the_units_of_dcgm() -> None:
    fleet = world()
    gpu = replicas(fleet)[0].gpus[0]
    gpu.busy_ratio, gpu.prefill_ratio, gpu.memory_ratio, gpu.energy_joules = 0.5, 0.25, 0.5, 12.5
    gpu.xid, gpu.ecc_double_bit = 48, 1
    _, value = node(fleet)
    assert value("DCGM_FI_DEV_GPU_UTIL", gpu="0") == 50
    assert value("DCGM_FI_PROF_GR_ENGINE_ACTIVE", gpu="0") == 0.5
    assert value("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", gpu="0") == 12_500
    assert value("DCGM_FI_DEV_FB_USED", gpu="0") + value("DCGM_FI_DEV_FB_FREE", gpu="0") == gpu.spec.memory_mib
    assert value("DCGM_FI_DEV_POWER_USAGE", gpu="0") == gpu.power_watts
    assert value("DCGM_FI_DEV_XID_ERRORS", gpu="0") == 48
    assert value("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", gpu="0") == 1
    assert 0 < value("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", gpu="0") < value("DCGM_FI_PROF_DRAM_ACTIVE", gpu="0") < 0.5


def test_the_gateway_counts_per_service() -> None:
    value = Values(gateway_page([("chat", 3, 2, 100, 90, 80), ("code", 0, 0, 7)]))
    assert value("leadtime_gateway_requests_held", service="chat") == 3
    assert value("leadtime_gateway_requests_rejected_total", service="chat") == 2
    assert value("leadtime_gateway_requests_arrived_total", service="code") == 7
    assert value("leadtime_gateway_requests_attained_total", service="chat") == 80
    assert metrics(families(value.page).values()) == {
        "leadtime_gateway_requests_held": "gauge",
        "leadtime_gateway_requests_rejected": "counter",
        "leadtime_gateway_requests_arrived": "counter",
        "leadtime_gateway_requests_ended": "counter",
        "leadtime_gateway_requests_attained": "counter",
    }
