"""Splits: what the links allow, and nothing else."""

from __future__ import annotations

from autoscaler.planning.splits import Split, domain, splits
from runtime.catalog import hardware
from runtime.catalog.models import model

DENSE, EXPERTS, LATENT = (model(name) for name in ("Llama-3.1-70B", "gpt-oss-120b", "DeepSeek-R1"))


def names(shape: object, gpu: str, most: int = 8) -> list[str]:
    return [one.name for one in splits(shape, hardware.gpu(gpu), most)]  # type: ignore[arg-type]


def test_nvlink_joins_a_node_or_a_rack_and_pcie_four() -> None:
    assert [domain(hardware.gpu(gpu)) for gpu in ("H100", "GB200", "L4", "H100-PCIE")] == [8, 72, 4, 4]


def test_a_dense_model_in_a_node() -> None:
    assert names(DENSE, "H100") == ["TP1", "TP2", "TP4", "TP8"]


def test_stages_begin_where_tensor_parallelism_ends() -> None:
    assert names(DENSE, "H100", 32)[-2:] == ["TP8 PP2", "TP8 PP4"]
    assert "TP4 PP2" in names(DENSE, "L4") and "TP8" not in names(DENSE, "L4")
    assert "TP8 PP2" not in names(DENSE, "GB200", 16)


def test_experts_may_be_split_and_latent_attention_shared_by_groups() -> None:
    assert "TP4 EP4" in names(EXPERTS, "H100") and "DP4 EP4" not in names(EXPERTS, "H100")
    assert "DP8 EP8" in names(LATENT, "H200") and "TP8 EP8" in names(LATENT, "H200")


def test_no_replica_is_larger_than_allowed() -> None:
    assert all(one.gpus <= 4 for gpu in hardware.GPUS for one in splits(LATENT, hardware.gpu(gpu), 4))


def test_a_split_is_a_configuration_of_the_catalogue() -> None:
    groups = Split(1, data=8, experts=8).configuration("vllm", LATENT, "fp8", "H200-SXM")
    assert groups.name.endswith("/tp1-dp8-ep8") and groups.gpus == 8
    assert Split(8).configuration("vllm", EXPERTS, "fp4", "H100-SXM").moe_tensor == 8
    assert Split(4, 2).configuration("vllm", DENSE, "fp8", "L4").gpus == 4
