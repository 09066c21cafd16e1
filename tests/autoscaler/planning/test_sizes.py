"""The same GPUs cut in different ways."""

from __future__ import annotations

import pytest

from autoscaler.planning.candidates import Refusal, Way, build, ways
from autoscaler.planning.prices import cheapest, shipped
from autoscaler.planning.sizes import Size, sizes
from autoscaler.planning.splits import Split
from autoscaler.planning.traffic import of_numbers
from runtime.catalog.models import model
from tests.autoscaler.planning.cases import asked, candidate

LLAMA = model("Llama-3.1-70B")
TRAFFIC = of_numbers(10.0, 1000.0, 200.0)


def cut(precision: str, gpus: int = 8) -> list[Size | Refusal]:
    built = list(build(LLAMA.name, "vllm", ways(LLAMA, ["H100"], [precision], 16), cheapest(shipped())))
    return sizes(built, "H100-SXM", precision, gpus, TRAFFIC, asked())


def test_from_one_large_replica_to_many_small_ones() -> None:
    made = cut("fp8")
    assert [one.replicas for one in made if isinstance(one, Size)] == [1, 2, 4, 8]
    idle = [one.carried.idle_tpot_s for one in made if isinstance(one, Size)]
    assert idle == sorted(idle)


def test_what_does_not_fit_stays_in_the_table() -> None:
    refused = [one for one in cut("bf16") if isinstance(one, Refusal)]
    assert [one.way for one in refused] == [Way("H100-SXM", "bf16", Split(1))]


def test_only_what_divides_the_gpus_without_stages() -> None:
    assert [one.replicas for one in cut("fp8", 2) if isinstance(one, Size)] == [1, 2]


def test_the_figures_of_a_cut_by_hand() -> None:
    """Four replicas at 0.6 of 99.4 ms a request are 24.1 requests/s, for 24 USD an hour."""
    (one,) = sizes([candidate()], "H100-SXM", "fp8", 8, TRAFFIC, asked())
    assert isinstance(one, Size) and one.replicas == 4
    assert one.rps == pytest.approx(4 * 0.6 / 0.0994)
    assert one.usd_per_million(TRAFFIC) == pytest.approx(24 / (one.rps * 1200 * 3600 / 1e6))
