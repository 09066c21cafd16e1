"""The metrics' page has what is exported: every name of the catalogue, with its type, labels and help."""

from __future__ import annotations

import pytest

from app.reference.metrics import Family, engine, exporters, read
from dashboards.names import AGENT, DAEMON, ROUTER, Metric


@pytest.fixture(scope="module")
def families() -> dict[str, dict[str, Family]]:
    return {title: {each.name: each for each in of} for title, _, of in exporters()}


@pytest.mark.parametrize(("title", "listed"), [("Daemon", DAEMON), ("Router", ROUTER), ("Agent", AGENT)])
def test_every_metric_of_the_catalogue(
    families: dict[str, dict[str, Family]], title: str, listed: tuple[Metric, ...]
) -> None:
    told = families[title]
    for metric in listed:
        assert metric.name in told, metric
        found = told[metric.name]
        assert (found.kind, set(found.labels)) == (metric.kind, set(metric.labels))


def test_every_metric_says_what_it_means(families: dict[str, dict[str, Family]]) -> None:
    assert all(each.text for of in families.values() for each in of.values())


def test_names_are_those_of_the_samples() -> None:
    told = {each.name: each for each in read(engine())}
    assert told["vllm:num_preemptions_total"].kind == "counter"
    assert told["vllm:time_to_first_token_seconds"].kind == "histogram"
    assert not [name for name in told if name.endswith("_created")]


def test_the_simulated_fleets_pages_are_there(families: dict[str, dict[str, Family]]) -> None:
    assert "DCGM_FI_DEV_XID_ERRORS" in families["Simulated fleet: GPUs"]
    assert "leadtime_gateway_requests_held" in families["Simulated fleet: gateway"]
