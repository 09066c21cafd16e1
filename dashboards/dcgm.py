"""dcgm-exporter's names and units up to 4.8 and from 4.9 on: the one place that knows both.

An expression made here gives the same number, in base units, whichever an exporter uses, and while some nodes have been
upgraded and others not. The collector reads both as well (``collectors.dcgm``); a test holds the two lists together.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Renamed:
    """The name from 4.9 on, and what brings the older unit to that one's."""

    name: str
    times: str = ""


RENAMED = {
    "DCGM_FI_DEV_GPU_TEMP": Renamed("DCGM_FI_DEV_GPU_TEMP_CELSIUS"),
    "DCGM_FI_DEV_POWER_USAGE": Renamed("DCGM_FI_DEV_BOARD_POWER_WATTS"),
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": Renamed("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION_JOULES", " / 1000"),
    "DCGM_FI_DEV_GPU_UTIL": Renamed("DCGM_FI_DEV_GPU_UTIL_RATIO", " / 100"),
    "DCGM_FI_DEV_FB_USED": Renamed("DCGM_FI_DEV_FB_USED_BYTES", " * 1048576"),
    "DCGM_FI_DEV_FB_FREE": Renamed("DCGM_FI_DEV_FB_FREE_BYTES", " * 1048576"),
    "DCGM_FI_DEV_XID_ERRORS": Renamed("DCGM_FI_DEV_XID_ERROR"),
    "DCGM_FI_DEV_ROW_REMAP_FAILURE": Renamed("DCGM_FI_DEV_ROW_REMAP_FAILED"),
    "DCGM_FI_PROF_SM_ACTIVE": Renamed("DCGM_FI_PROF_SM_UTIL_RATIO"),
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": Renamed("DCGM_FI_PROF_TENSOR_UTIL_RATIO"),
    "DCGM_FI_PROF_DRAM_ACTIVE": Renamed("DCGM_FI_PROF_DRAM_UTIL_RATIO"),
}
"""By the older name. How 4.9 spells energy and memory was not seen on an exporter: those three are expected."""


def either(name: str, matchers: str = "", offset: str = "") -> str:
    """A gauge by its older name, in base units."""
    new, more = RENAMED[name], f" offset {offset}" if offset else ""
    return f"({name}{matchers}{more}{new.times} or {new.name}{matchers}{more})"


def rated(name: str, matchers: str, window: str) -> str:
    """A counter by its older name, per second."""
    new = RENAMED[name]
    return f"(rate({name}{matchers}[{window}]){new.times} or rate({new.name}{matchers}[{window}]))"
