"""What the tables of engines make of pages: a recorded one and small ones of other engines and versions."""

from __future__ import annotations

import math

import pytest

from collectors.engines import ENGINES, blank, read_engine
from collectors.observation import ReplicaSample
from tests.collectors.pages import FIXTURE


def reasons(engine: str, page: bytes) -> list[str]:
    return [gap.reason for gap in read_engine(engine, "r", page, 0.0)[1]]


def read(engine: str, page: bytes) -> ReplicaSample:
    return read_engine(engine, "r", page, 7.0)[0]


def histogram(name: str, labels: str = "") -> str:
    comma = f"{labels}," if labels else ""
    parts = {"_count": 4, "_sum": 8}
    buckets = [f'{name}_bucket{{{comma}le="{le}"}} {n}\n' for le, n in (("1", 1), ("2.5", 3), ("+Inf", 4))]
    return "".join(buckets + [f"{name}{part}{{{labels}}} {value}\n" for part, value in parts.items()])


def test_the_recorded_page() -> None:
    sample, gaps = read_engine("vllm", "r", FIXTURE, 7.0)
    assert gaps == ()
    assert (sample.replica, sample.at_s, sample.sleeping) == ("r", 7.0, False)
    assert (sample.running, sample.waiting, sample.kv_usage_ratio) == (0, 0, 0)
    assert (sample.input_tokens, sample.cached_tokens, sample.output_tokens) == (43212, 35456, 12737)
    assert (sample.completed, sample.aborted, sample.rejected, sample.preemptions) == (101, 0, 0, 0)
    assert (sample.kv_capacity_tokens, sample.iterations) == (128 * 16384, 325)


def test_the_recorded_histograms() -> None:
    sample = read("vllm", FIXTURE)
    assert sample.ttft and sample.itl and sample.tpot and sample.output_lengths
    assert (len(sample.ttft.bounds), sample.ttft.bounds[-1]) == (23, math.inf)
    assert (sample.ttft.counts[4], sample.ttft.counts[-1], sample.ttft.total) == (6, 101, 6.110805034637451)
    assert (sample.itl.counts[-1], sample.tpot.counts[-1]) == (12636, 101)
    assert sample.output_lengths.total == sample.output_tokens


def test_data_parallel_engines_add_up() -> None:
    two = FIXTURE + FIXTURE.replace(b'engine="0"', b'engine="1"')
    one, both = read("vllm", FIXTURE), read("vllm", two)
    assert both.completed == 202
    assert both.kv_capacity_tokens == 2 * (one.kv_capacity_tokens or 0)
    assert both.ttft and one.ttft
    assert both.ttft.counts == tuple(2 * count for count in one.ttft.counts)


def test_usage_of_data_parallel_engines_is_their_mean() -> None:
    page = b'vllm:kv_cache_usage_perc{engine="0"} 0.2\nvllm:kv_cache_usage_perc{engine="1"} 0.6\n'
    assert read("vllm", page).kv_usage_ratio == pytest.approx(0.4)


def test_names_of_old_vllm() -> None:
    page = 'vllm:gpu_cache_usage_perc{model_name="m"} 0.5\n' + histogram("vllm:time_per_output_token_seconds")
    sample = read("vllm", (page + "vllm:gpu_prefix_cache_hits_total 9\n").encode())
    assert (sample.kv_usage_ratio, sample.cached_tokens) == (0.5, 9)
    assert sample.itl and sample.itl.counts == (1, 3, 4)
    assert sample.tpot is None


def test_new_names_win_over_old_ones() -> None:
    page = b"vllm:gpu_cache_usage_perc 0.9\nvllm:kv_cache_usage_perc 0.1\n"
    assert read("vllm", page).kv_usage_ratio == 0.1


def test_aborted_requests_are_not_completed() -> None:
    rows = {"stop": 5, "length": 2, "abort": 3, "error": 1}
    page = "".join(f'vllm:request_success_total{{finished_reason="{r}"}} {n}\n' for r, n in rows.items())
    sample = read("vllm", page.encode())
    assert (sample.completed, sample.aborted) == (8, 3)


@pytest.mark.parametrize(("awake", "sleeping"), [(1, False), (0, True)])
def test_sleep_state(awake: int, sleeping: bool) -> None:
    states = {"awake": awake, "discard_all": 1 - awake}
    page = "".join(f'vllm:engine_sleep_state{{sleep_state="{s}"}} {v}\n' for s, v in states.items())
    assert read("vllm", page.encode()).sleeping is sleeping


def test_capacity_before_profiling_is_unknown() -> None:
    page = b'vllm:cache_config_info{block_size="16",num_gpu_blocks="None"} 1\n'
    assert read("vllm", page).kv_capacity_tokens is None


def test_nan_is_a_gap_and_no_number() -> None:
    page = FIXTURE.replace(b'num_requests_running{engine="0",model_name="tiny"} 0.0', b"num_requests_running NaN")
    sample, gaps = read_engine("vllm", "r", page, 0.0)
    assert sample.running is None
    assert [gap.reason for gap in gaps] == ["running is nan"]


def test_a_required_signal_that_is_missing_is_a_gap() -> None:
    page = FIXTURE.replace(b"vllm:num_requests_waiting{", b"vllm:renamed_again{")
    assert reasons("vllm", page) == ["waiting is missing"]


def test_a_histogram_without_its_last_bucket_is_dropped_and_named() -> None:
    page = FIXTURE.replace(b'time_to_first_token_seconds_bucket{engine="0",le="+Inf"', b'x{engine="0",le="+Inf"')
    assert read("vllm", page).ttft is None
    assert reasons("vllm", page) == ["vllm:time_to_first_token_seconds: lacks a bucket"]


def test_a_histogram_without_its_count_is_dropped_and_named() -> None:
    page = FIXTURE.replace(b"vllm:time_to_first_token_seconds_count", b"x")
    assert read("vllm", page).ttft is None
    assert "lacks its sum, its count" in reasons("vllm", page)[0]


@pytest.mark.parametrize("at", [20_000, 25_000, 30_000, 35_000, 40_000])
def test_a_cut_recorded_page_never_makes_a_wrong_number(at: int) -> None:
    whole, (cut, gaps) = read("vllm", FIXTURE), read_engine("vllm", "r", FIXTURE[:at], 7.0)
    assert gaps
    for name in ReplicaSample.__slots__:
        assert getattr(cut, name) in (None, getattr(whole, name))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_page_of_something_else_is_one_gap(engine: str) -> None:
    sample, gaps = read_engine(engine, "r", b"<html>hello</html>\n", 0.0)
    assert blank(sample)
    assert [gap.reason for gap in gaps] == [f"no {engine} metric on its page"]


def test_sglang() -> None:
    page = """sglang:num_running_reqs{tp_rank="0",dp_rank="0"} 4
sglang:num_running_reqs{tp_rank="1",dp_rank="0"} 4
sglang:num_running_reqs{tp_rank="0",dp_rank="1"} 3
sglang:num_queue_reqs 2
sglang:token_usage 0.28
sglang:max_total_num_tokens 161721
sglang:prompt_tokens_total 800
sglang:generation_tokens_total 75
sglang:num_requests_total 11
"""
    sample, gaps = read_engine("sglang", "r", page.encode(), 0.0)
    assert gaps == ()
    assert sample.running == 7, "ranks of tensor parallelism tell the same number, ranks of data parallelism add"
    assert (sample.waiting, sample.kv_usage_ratio, sample.kv_capacity_tokens) == (2, 0.28, 161721)
    assert (sample.input_tokens, sample.output_tokens, sample.completed) == (800, 75, 11)


def test_tgi() -> None:
    page = "tgi_batch_current_size 3\ntgi_queue_size 1\ntgi_request_success 9\n"
    page += 'tgi_request_failure{err="overloaded"} 2\ntgi_request_failure{err="validation"} 5\n'
    page += histogram("tgi_request_generated_tokens") + "tgi_request_input_length_sum 70\n"
    sample, gaps = read_engine("tgi", "r", page.encode(), 0.0)
    assert gaps == ()
    assert (sample.running, sample.waiting, sample.completed, sample.rejected) == (3, 1, 9, 2)
    assert (sample.input_tokens, sample.output_tokens) == (70, 8)
    assert sample.output_lengths and sample.output_lengths.counts == (1, 3, 4)


def test_tensorrt_llm_behind_triton() -> None:
    kv = {"fraction": 0.25, "max": 100, "tokens_per": 64, "used": 25}
    page = "".join(f'nv_trt_llm_kv_cache_block_metrics{{kv_cache_block_type="{k}"}} {v}\n' for k, v in kv.items())
    page += 'nv_trt_llm_request_metrics{request_type="scheduled"} 5\n'
    page += 'nv_trt_llm_request_metrics{request_type="waiting"} 2\n'
    sample, gaps = read_engine("trtllm", "r", page.encode(), 0.0)
    assert gaps == ()
    assert (sample.running, sample.waiting, sample.kv_usage_ratio, sample.kv_capacity_tokens) == (
        5,
        2,
        0.25,
        6400,
    )


def test_tensorrt_llm_behind_its_own_server() -> None:
    page = "trtllm_num_requests_running 5\ntrtllm_num_requests_waiting 0\ntrtllm_kv_cache_utilization 0.5\n"
    page += "trtllm_kv_cache_max_blocks 10\ntrtllm_kv_cache_tokens_per_block 32\n"
    sample, gaps = read_engine("trtllm", "r", page.encode(), 0.0)
    assert gaps == ()
    assert (sample.running, sample.waiting, sample.kv_capacity_tokens) == (5, 0, 320)
