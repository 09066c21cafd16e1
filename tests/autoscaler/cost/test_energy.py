"""Joules from counters that reset and GPUs that keep silent; a gap is never a zero."""

from __future__ import annotations

import pytest

from autoscaler.cost.energy import Energy, Grid, energy, of_gpus, taken
from autoscaler.cost.meter import Used
from collectors.observation import GpuSample


def gpu(joules: float | None = None, watts: float | None = None, uuid: str = "a") -> GpuSample:
    return GpuSample(uuid, "n", 0.0, energy_joules=joules, power_watts=watts)


def test_growth_of_the_counter() -> None:
    assert taken([gpu(100.0)], [gpu(4600.0)], 15) == {"a": 4500.0}


@pytest.mark.parametrize("before", [[gpu(9000.0, 200)], [gpu(None)], []])
def test_power_stands_in_where_the_counter_does_not_tell(before: list[GpuSample]) -> None:
    assert taken(before, [gpu(5.0, 200.0)], 15) == {"a": 3000.0}


def test_what_cannot_be_is_left_out() -> None:
    assert taken([gpu(0.0)], [gpu(1e9)], 15) == {}
    assert taken([gpu(0.0)], [gpu()], 15) == {}


def test_gpus_together() -> None:
    assert of_gpus({"a": 3.0, "b": 4.0}, ["a", "b", "c", "d"]) == (7.0, 0.5)
    assert of_gpus({}, ["a"]) == (None, 0.0)


def test_energy_of_hours() -> None:
    hour = Used(0, "chat", 10, 10, 0, 900.0, 0.0, 100.0, 1.0, joules=3.6e6, joules_gpu_ms=1000)
    made = energy([hour], 2000, Grid(400.0, 1.25))
    assert made == Energy(3.6e6, 0.5, 7200.0, 2000.0, 1000.0)


def test_nothing_read_is_a_gap() -> None:
    assert energy([Used(0, "chat", 10)], 2000, Grid(400.0)) == Energy(None, 0.0, None, None, None)
    assert energy([Used(0, "chat", 10, joules=5.0, joules_gpu_ms=10)], 10, None).grams_co2 is None
