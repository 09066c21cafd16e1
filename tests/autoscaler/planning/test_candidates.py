"""Candidates: what could run a model, and the number that says why the rest cannot."""

from __future__ import annotations

from autoscaler.planning.candidates import Candidate, Refusal, build, sensible, ways
from autoscaler.planning.prices import cheapest, shipped
from runtime.catalog import find, hardware
from runtime.catalog.models import model

LLAMA, GPT = model("Llama-3.1-70B"), model("gpt-oss-120b")
OFFERS = cheapest(shipped())


def built(gpu: str, precision: str, most: int = 8) -> dict[str, Candidate | Refusal]:
    made = build(LLAMA.name, "vllm", ways(LLAMA, [gpu], [precision], most), OFFERS)
    return {one.way.split.name: one for one in made}


def test_weights_that_do_not_fit_are_refused_with_their_size() -> None:
    one = built("H100", "bf16")["TP1"]
    assert isinstance(one, Refusal) and one.limit == "memory" and one.way.name == "H100-SXM bf16 TP1"
    assert one.reason == ("weights 131.4 and overhead 3.6 GiB do not fit the 73.2 GiB that an engine may use of 79.6")


def test_a_measured_way_is_the_catalogues_pool() -> None:
    one = built("H100", "fp8")["TP2"]
    assert isinstance(one, Candidate) and one.basis.measured
    entry = find("vllm/meta-llama/Llama-3.1-70B/fp8/H100-SXM/tp2")
    assert one.pool.step == entry.step and one.pool.gpus_per_replica == 2
    assert one.pool.kv_tokens == (entry.kv_tokens or 0) // 16 * 16
    assert one.pool.price_usd_per_gpu_hour == OFFERS["H100-SXM"].on_demand_usd


def test_a_pipeline_takes_the_gpus_of_all_its_stages() -> None:
    one = built("L40S", "fp8")["TP4 PP2"]
    assert isinstance(one, Candidate) and one.pool.gpus_per_replica == 8 and one.pool.name.endswith("l40s-tp4-pp2")


def test_a_gpu_without_a_price_is_refused() -> None:
    (one,) = build(LLAMA.name, "vllm", ways(LLAMA, ["H200"], ["fp8"], 1), {})
    assert isinstance(one, Refusal) and one.reason == "no price is known; give --price H200-SXM=USD"


def test_four_bits_where_the_gpu_has_them_or_somebody_measured_them() -> None:
    assert sensible(LLAMA, hardware.gpu("H100")) == ["bf16", "fp8"]
    assert sensible(LLAMA, hardware.gpu("B200")) == ["bf16", "fp8", "fp4"]
    assert sensible(GPT, hardware.gpu("H100")) == ["bf16", "fp8", "fp4"]


def test_ways_are_every_gpu_precision_and_split_once() -> None:
    found = ways(LLAMA, ["H100", "B200"], [], 8)
    assert len(found) == len(set(found)) == 2 * 4 + 3 * 4
