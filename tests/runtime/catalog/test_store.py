"""The shipped catalogue, and files like it."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

import runtime.catalog as silicon
from runtime.catalog import CatalogError, Entry
from runtime.catalog.entry import fitted
from runtime.catalog.store import Catalog, configuration, read, shipped, write
from runtime.pool import LeadTime
from runtime.replica import Tier
from tests.runtime.catalog.samples import LLAMA_70B, UNKNOWN, row, rows

LEAD_TIMES = {Tier.COLD: LeadTime(150, 240)}


def made(*entries: Entry | None) -> Catalog:
    return Catalog(tuple(entry for entry in entries if entry is not None))


def test_what_is_written_is_read_again() -> None:
    catalog = made(fitted(rows(), "a test, with a comma"), fitted(rows(UNKNOWN), "a test"))
    file = io.StringIO()
    write(catalog.entries, file)
    again, file_again = read(io.StringIO(file.getvalue())), io.StringIO()
    write(again.entries, file_again)
    assert file.getvalue() == file_again.getvalue()
    assert [e.configuration for e in again.entries] == [LLAMA_70B, UNKNOWN]
    assert again.entries[1].kv_tokens is None


def test_nothing_to_write_is_said() -> None:
    with pytest.raises(CatalogError, match="nothing to write"):
        write([], io.StringIO())


def test_everything_that_ships_has_source_range_and_errors() -> None:
    assert len(shipped().entries) > 100
    for entry in shipped().entries:
        assert "AIConfigurator" in entry.source and entry.name.endswith(entry.configuration.engine_version)
        assert entry.quality is not None and entry.validity is not None
        assert entry.validity.rows >= 5 and entry.validity.concurrency[0] >= 1
        assert 0 <= entry.quality.in_sample <= entry.quality.left_out < 1


def test_the_reference_configuration_ships() -> None:
    """The table of the reference, 4.4, has 16.55, 0.041, 0.0581, 68.7 for it."""
    entry = silicon.find("vllm/meta-llama/Llama-3.1-70B/fp8/H100-SXM/tp2")
    assert entry.step.a_ms == pytest.approx(16.55, rel=0.02)
    assert entry.step.k_ms_per_1k_kv_tokens == pytest.approx(0.0581, rel=0.02)
    assert entry.step.p_ms_per_1k_prefill_tokens == pytest.approx(68.7, rel=0.12)
    assert entry.kv_tokens is not None and 210_000 < entry.kv_tokens < 245_000


def test_find_takes_words_when_they_are_enough() -> None:
    assert silicon.find("vllm llama-3.1-70b h100 tp2").configuration == LLAMA_70B
    with pytest.raises(CatalogError, match="matches 3 entries; near names: vllm/meta-llama"):
        silicon.find("70b/h100")
    with pytest.raises(CatalogError, match="is not in the catalogue; near names: vllm/meta-llama/Llama-3"):
        silicon.find("vllm/meta-llama/Llama-3.1-70B/fp8/H100-SXM/tp3")


def test_an_8b_on_an_l4_is_transferred() -> None:
    entry = silicon.transfer("meta-llama/Llama-3.1-8B", "fp8", gpu="L4", tp=1)
    assert entry.quality is None and entry.validity is None and entry.source.startswith("transferred from ")
    # 8 GB of weights at 0.3 TB/s are 26.8 ms; its FLOPs at 242 TFLOPS 66 ms per 1,000 tokens.
    assert 26.8 < entry.step.a_ms < 40
    assert 66 < entry.step.p_ms_per_1k_prefill_tokens < 150
    assert entry.pool("chat", 0.8, LEAD_TIMES).kv_tokens == pytest.approx(78_000, rel=0.1)


def test_of_several_versions_the_newest_is_found() -> None:
    older, newer = replace(LLAMA_70B, engine_version="0.9.1"), replace(LLAMA_70B, engine_version="0.12.0")
    late = [replace(r, measured="2026-01-01") for r in rows(newer)]
    catalog = made(fitted(late, "a test"), fitted(rows(older), "a test"))
    assert catalog.find(LLAMA_70B.name).configuration == newer
    assert catalog.find(older.name).configuration == older
    found = catalog.lookup(replace(LLAMA_70B, engine_version="0.10.0"))
    assert found is not None and found.configuration == newer
    assert catalog.lookup(replace(LLAMA_70B, tensor_parallel=4)) is None


@pytest.mark.parametrize(
    ("model", "precision", "gpu", "tp", "said"),
    [
        ("acme/Secret-9B", "fp8", "L4", 1, "model 'acme/Secret-9B' is not known"),
        ("Qwen/Qwen3-32B", "fp9", "L4", 1, "precision 'fp9' is not known; give one of bf16"),
        ("Qwen/Qwen3-32B", "fp8", "TPU", 1, "GPU 'TPU' is not known"),
        ("Qwen/Qwen3-32B", "fp8", "L4", 0, "tp 0 is no number of GPUs"),
    ],
)
def test_what_is_not_known_is_said(model: str, precision: str, gpu: str, tp: int, said: str) -> None:
    with pytest.raises(CatalogError, match=said):
        configuration(model, precision, gpu, tp)


def test_a_pool_is_made_of_an_entry() -> None:
    pool = silicon.pool("vllm/meta-llama/Llama-3.1-70B/fp8/H100-SXM/tp2", "chat", 2.69, LEAD_TIMES)
    assert (pool.name, pool.service, pool.gpu) == ("llama-3.1-70b-fp8-h100-sxm-tp2", "chat", "H100-SXM")
    assert (pool.gpus_per_replica, pool.max_batched_tokens, pool.max_num_seqs) == (2, 8192, 1024)
    assert pool.replica_usd_per_hour == pytest.approx(5.38) and pool.lead_times == LEAD_TIMES


def test_a_pool_needs_room_for_its_cache() -> None:
    too_large = silicon.transfer("meta-llama/Llama-3.1-70B", "bf16", gpu="L4", tp=1)
    with pytest.raises(CatalogError, match="weights leave room for 0 KV tokens"):
        too_large.pool("chat", 0.8, {})
    unknown = fitted(rows(UNKNOWN), "a test")
    assert unknown is not None
    with pytest.raises(CatalogError, match="model's shape is not known"):
        unknown.pool("chat", 0.8, {})
    assert unknown.pool("chat", 0.8, {}, kv_tokens=160_000).kv_blocks == 10_000


def test_too_few_rows_make_no_entry_and_bound_ones_are_set_aside() -> None:
    assert fitted(rows()[:4], "a test") is None
    entry = fitted([*rows(), row(ttft_ms=30_000)], "a test")
    assert entry is not None and entry.validity is not None
    assert (entry.validity.rows, entry.validity.bound_rows, entry.validity.shapes) == (21, 1, 7)
    assert entry.validity.identified and entry.validity.input_tokens == (128, 8192)
