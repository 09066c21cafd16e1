"""dcgm-exporter in its generations: the same GPU must come out whichever way it is spelt."""

from __future__ import annotations

import re

import pytest

from collectors.dcgm import LABELS, pattern, read_dcgm
from collectors.observation import GpuSample

LEGACY = {
    "DEV_GPU_UTIL": 40,
    "PROF_SM_ACTIVE": 0.5,
    "PROF_PIPE_TENSOR_ACTIVE": 0.3,
    "PROF_DRAM_ACTIVE": 0.7,
    "DEV_FB_USED": 1000,
    "DEV_FB_FREE": 3000,
    "DEV_POWER_USAGE": 310.5,
    "DEV_TOTAL_ENERGY_CONSUMPTION": 5_000_000,
    "DEV_GPU_TEMP": 61,
    "DEV_XID_ERRORS": 79,
    "DEV_ECC_DBE_VOL_TOTAL": 0,
    "DEV_ROW_REMAP_FAILURE": 1,
}
CANONICAL = {
    "DEV_GPU_UTIL_RATIO": 0.4,
    "PROF_SM_UTIL_RATIO": 0.5,
    "PROF_TENSOR_UTIL_RATIO": 0.3,
    "PROF_DRAM_UTIL_RATIO": 0.7,
    "DEV_FB_USED_BYTES": 1000 * 1024**2,
    "DEV_FB_FREE_BYTES": 3000 * 1024**2,
    "DEV_BOARD_POWER_WATTS": 310.5,
    "DEV_TOTAL_ENERGY_CONSUMPTION_JOULES": 5000,
    "DEV_GPU_TEMP_CELSIUS": 61,
    "DEV_XID_ERROR": 79,
    "DEV_ECC_DBE_VOL_TOTAL": 0,
    "DEV_ROW_REMAP_FAILED": 1,
}
LABEL_SETS = {
    "4.8.2": 'gpu="0",UUID="GPU-1",modelName="H100",Hostname="n",pod="p"',
    "4.8.4": 'gpu="0",UUID="GPU-1",modelName="H100",hostname="n",pod="p"',
    "helm": 'gpu="0",UUID="GPU-1",modelName="H100",hostname="n",pod="exporter-x",exported_pod="p"',
    "old namespace": 'gpu="0",uuid="GPU-1",modelName="H100",pod_name="p"',
    "nvlink": 'gpu="0",gpu_uuid="GPU-1",model_name="H100",pod="p"',
}


def page(values: dict[str, float], labels: str = LABEL_SETS["4.8.2"]) -> bytes:
    return "".join(f"DCGM_FI_{name}{{{labels}}} {value}\n" for name, value in values.items()).encode()


def read(body: bytes) -> tuple[GpuSample, ...]:
    return read_dcgm("node", body, 9.0)[0]


@pytest.mark.parametrize("values", [LEGACY, CANONICAL], ids=["legacy", "canonical"])
@pytest.mark.parametrize("labels", LABEL_SETS.values(), ids=LABEL_SETS)
def test_every_generation_reads_alike(values: dict[str, float], labels: str) -> None:
    (gpu,) = read(page(values, labels))
    assert (gpu.uuid, gpu.node, gpu.at_s, gpu.index, gpu.model, gpu.pod) == ("GPU-1", "node", 9, "0", "H100", "p")
    assert gpu.util_ratio == pytest.approx(0.4)
    assert gpu.row_remap_failed == 1
    assert (gpu.sm_active_ratio, gpu.tensor_active_ratio, gpu.dram_active_ratio) == (0.5, 0.3, 0.7)
    assert (gpu.memory_used_bytes, gpu.memory_free_bytes) == (1000 * 1024**2, 3000 * 1024**2)
    assert (gpu.power_watts, gpu.energy_joules, gpu.temperature_celsius) == (310.5, 5000, 61)
    assert (gpu.xid, gpu.ecc_double_bit) == (79, 0)


def test_a_ratio_beyond_one_is_a_percentage_on_the_whole_page() -> None:
    rows = [f'DCGM_FI_DEV_GPU_UTIL_RATIO{{UUID="GPU-{n}"}} {value}\n' for n, value in enumerate((1, 80))]
    assert [gpu.util_ratio for gpu in read("".join(rows).encode())] == [0.01, 0.8]


def test_an_idle_legacy_percentage_is_not_a_ratio() -> None:
    assert read(page({"DEV_GPU_UTIL": 1}))[0].util_ratio == pytest.approx(0.01)


@pytest.mark.parametrize("blank", [9223372036854775794, 2147483632, 140737488355328.0])
def test_blank_values_are_no_values(blank: float) -> None:
    (gpu,) = read(page({"DEV_GPU_TEMP": 50, "DEV_POWER_USAGE": blank}))
    assert gpu.power_watts is None


def test_nan_is_a_gap() -> None:
    gpus, gaps = read_dcgm("node", page({"DEV_GPU_TEMP": float("nan")}), 0.0)
    assert gpus[0].temperature_celsius is None
    assert "is nan" in gaps[0].reason


def test_mig_slices_are_kept_apart() -> None:
    rows = [f'DCGM_FI_PROF_SM_ACTIVE{{UUID="GPU-1",GPU_I_ID="{n}"}} 0.{n}\n' for n in (1, 2)]
    gpus = read("".join(rows).encode())
    assert [(gpu.uuid, gpu.mig, gpu.sm_active_ratio) for gpu in gpus] == [("GPU-1", "1", 0.1), ("GPU-1", "2", 0.2)]


def test_an_absent_xid_is_unknown() -> None:
    assert read(page({"DEV_GPU_TEMP": 50}))[0].xid is None


def test_the_exporters_own_pod_is_nobodys_workload() -> None:
    busy = page({"DEV_GPU_TEMP": 50}, LABEL_SETS["helm"])
    idle = page({"DEV_GPU_TEMP": 40}, 'UUID="GPU-2",pod="exporter-x"')
    assert [gpu.pod for gpu in read(busy + idle)] == ["p", None]


def test_limits_are_not_mistaken_for_readings() -> None:
    values = {"DEV_BOARD_POWER_WATTS": 300, "DEV_BOARD_POWER_LIMIT_ENFORCED_WATTS": 700}
    assert read(page(values))[0].power_watts == 300


def test_a_row_without_uuid_is_a_gap() -> None:
    gpus, gaps = read_dcgm("node", b'DCGM_FI_DEV_GPU_TEMP{gpu="0"} 50\n', 0.0)
    assert gpus == ()
    assert "UUID" in gaps[0].reason


def test_another_page_is_a_gap() -> None:
    assert read_dcgm("node", b"up 1\n", 0.0) == ((), read_dcgm("node", b"", 0.0)[1])
    assert read_dcgm("node", b"", 0.0)[1][0].subject == "node"


def test_the_query_pattern_finds_all_that_is_read() -> None:
    assert all(re.fullmatch(pattern(), f"DCGM_FI_{name}") for name in (*LEGACY, *CANONICAL))
    assert {"UUID", "exported_pod", "GPU_I_ID"} <= set(LABELS)
