"""GPUs by name."""

from __future__ import annotations

import pytest

from runtime.catalog.errors import CatalogError
from runtime.catalog.hardware import GPUS, gpu


@pytest.mark.parametrize(
    ("said", "name"),
    [("h100_sxm", "H100-SXM"), ("H100", "H100-SXM"), ("A100-SXM-80GB", "A100-SXM"), ("l40s", "L40S"), ("L4", "L4")],
)
def test_names_are_read_as_people_write_them(said: str, name: str) -> None:
    assert gpu(said).name == name


@pytest.mark.parametrize("name", ["L4", "L40S", "A100", "H100", "H200", "B200"])
def test_gpus_of_the_day_are_there(name: str) -> None:
    found = gpu(name)
    assert found.source and found.tflops_at("bf16") > 0


def test_a_precision_it_lacks_runs_as_bf16() -> None:
    assert gpu("A100").tflops_at("fp8") == gpu("A100").tflops_at("bf16") == 312
    assert gpu("H100").tflops_at("fp8") == 1979


def test_rates_are_dense() -> None:
    assert gpu("H100").tflops_at("bf16") < 1000
    assert all(g.tflops.get("fp8", 0) <= 2.1 * g.tflops["bf16"] for g in GPUS.values())


def test_an_unknown_gpu_is_answered_with_near_ones() -> None:
    with pytest.raises(CatalogError, match=r"'H900' is not known; near names: .*H100-SXM"):
        gpu("H900")
