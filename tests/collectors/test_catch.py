"""What is kept of pages, by kind of target."""

from __future__ import annotations

from collectors.catch import Catch, wanted
from collectors.exposition import Page
from collectors.observation import Gap
from collectors.source import Target


def test_who_reads_what() -> None:
    kinds = [("engine", "vllm"), ("engine", "sglang"), ("dcgm", ""), ("gateway", "")]
    assert all(wanted(Target(kind, "x", "", engine)) is not None for kind, engine in kinds)
    assert wanted(Target("engine", "x", "", "abacus")) is None
    assert wanted(Target("oven", "x", "")) is None


def test_a_page_that_says_nothing_is_a_gap_and_no_sample() -> None:
    catch = Catch()
    for kind in ("engine", "dcgm", "gateway"):
        catch.add(Target(kind, f"the-{kind}", ""), Page({}), 1.0)
    scrape = catch.scrape(1.0)
    assert (scrape.replicas, scrape.gpus, scrape.gateway) == ({}, (), {})
    assert [gap.subject for gap in scrape.gaps] == ["the-engine", "the-dcgm", "gateway"]


def test_the_gateways_gap_is_everybodys() -> None:
    catch = Catch()
    catch.miss(Target("gateway", "router-7", ""), "refused")
    assert catch.gaps == [Gap("gateway", "refused")]
