"""The strip: verdicts follow the numbers, unknown stays unknown, the worst comes first."""

from __future__ import annotations

from app.api.schemas.fleet import AttentionItem, GpuCounts
from app.console import tiles
from tests.app.console.conftest import NOW_S
from tests.app.console.fake_api import World, fleet, row
from tests.app.console.fake_fleet import SERVICES

VIEW = fleet(World(lambda: NOW_S))
EMPTY = fleet(World(lambda: NOW_S, mode="empty"))
ROW = row(World(lambda: NOW_S), SERVICES[0])


def test_the_worst_service_speaks_for_attainment() -> None:
    rows = [
        ROW.model_copy(update={"attainment": share, "service": name})
        for name, share in (("a", 0.999), ("b", 0.9), ("c", None))
    ]
    tile = tiles.attainment_tile(VIEW.model_copy(update={"services": rows}))
    assert (tile.value, tile.note, tile.verdict) == ("90 %", "b", "bad")


def test_an_empty_fleet_knows_nothing_and_says_so() -> None:
    values = {tile.label: (tile.value, tile.verdict) for tile in tiles.fleet_tiles(EMPTY)}
    assert values["Worst attainment"] == ("–", "unknown")
    assert values["Risk of shortfall"] == ("–", "unknown")
    assert values["Replicas → wanted"] == ("0 → –", "unknown")


def test_risk_is_graded_in_words() -> None:
    said = [(tile.note, tile.verdict) for tile in (tiles.shortfall_tile(p, ()) for p in (0.0, 0.1, 0.5, None))]
    assert said == [("low", "good"), ("raised", "warning"), ("high", "bad"), ("no forecast yet", "unknown")]


def test_replicas_on_their_way_are_counted() -> None:
    view = VIEW.model_copy(update={"replicas_active": 4, "replicas_desired": 6})
    assert tiles.replica_tile(view).note == "2 on their way"
    assert tiles.replica_tile(view.model_copy(update={"replicas_desired": 3})).note == "1 to go"


def test_faulty_gpus_are_bad_news() -> None:
    view = VIEW.model_copy(update={"gpus": GpuCounts(busy=1, idle_held=1, idle=1, faulty=2)})
    assert (tiles.gpu_tile(view).note, tiles.gpu_tile(view).verdict) == ("2 faulty", "bad")


def test_a_sparkline_without_a_known_point_is_none() -> None:
    view = VIEW.model_copy(update={"sparklines": {"attainment": [None, None], "gpus_busy": [None, 2.0]}})
    assert tiles.sparkline(view, "attainment") == ()
    assert tiles.sparkline(view, "gpus_busy") == (None, 2.0)


def test_attention_is_worst_first_and_stable() -> None:
    items = [
        AttentionItem(severity=severity, service=name, text="x")
        for severity, name in (("info", "a"), ("critical", "b"), ("warning", "c"), ("critical", "d"))
    ]
    assert [item.service for item in tiles.ordered(items)] == ["b", "d", "c", "a"]


def test_findings_in_words() -> None:
    short = ROW.model_copy(update={"offered_erlangs": 6.0, "capacity_erlangs": 5.0})
    assert tiles.headroom_words(short) == "20 % short"
    assert tiles.headroom_words(short.model_copy(update={"offered_erlangs": 4.0})) == "20 % headroom"
    assert tiles.headroom_words(short.model_copy(update={"offered_erlangs": None})) == "headroom not known"
    assert tiles.latency_words(2.5, 2.0) == "P90 2.5 s, above the target of 2 s"
    assert tiles.latency_words(None, 2.0) == "P90 not known, target 2 s"


def test_a_service_is_judged_in_words() -> None:
    rows = [ROW.model_copy(update={"attainment": share}) for share in (0.999, 0.97, 0.8, None)]
    said = [tiles.service_tiles(row)[0].note for row in rows]
    assert said == ["well", "slipping", "too low", "no requests judged yet"]
