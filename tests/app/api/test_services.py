"""The fleet and its services as the API shows them."""

from __future__ import annotations

import httpx
import pytest

from app.api.capacity import capacity_view
from app.daemon.parts import Daemon
from runtime.fleet import LeadTimeSample
from runtime.replica import Tier
from tests.app.daemon.test_tick import ticks
from tests.app.fakes import INTERVAL_S, START_S, World


async def test_the_fleet_is_one_screen(api: httpx.AsyncClient) -> None:
    view = (await api.get("/api/v1/fleet")).json()
    (row,) = view["services"]
    assert row["service"] == "chat"
    assert row["offered_erlangs"] > 0
    assert view["replicas_active"] == row["replicas"]["active"]
    assert view["gpus"]["busy"] == 1
    assert len(view["sparklines"]["replicas_active"]) == 4
    assert not view["stale"]


async def test_data_grows_stale_by_itself(daemon: Daemon, api: httpx.AsyncClient) -> None:
    assert daemon.memory.told_at_monotonic_s is not None
    daemon.memory.told_at_monotonic_s -= 500
    row = (await api.get("/api/v1/services/chat")).json()
    assert row["stale"] and row["data_age_s"] > 400
    items = (await api.get("/api/v1/fleet")).json()["attention"]
    assert items[0]["severity"] == "critical" and "s old" in items[0]["text"]


async def test_series_are_points_of_named_signals(api: httpx.AsyncClient) -> None:
    params = {"start": START_S, "end": START_S + 60, "signals": "arrivals_per_s,replicas_active"}
    series = (await api.get("/api/v1/services/chat/series", params=params)).json()
    assert list(series["signals"]) == ["arrivals_per_s", "replicas_active"]
    points = series["signals"]["arrivals_per_s"]
    assert [at_s for at_s, _ in points] == [START_S + i * INTERVAL_S for i in range(4)]
    assert points[0][1] is None and points[1][1] == pytest.approx(20.0)


async def test_the_fleet_has_series_of_its_own(api: httpx.AsyncClient) -> None:
    series = (await api.get("/api/v1/services/_fleet/series", params={"start": START_S - 60})).json()
    assert [value for _, value in series["signals"]["gpus_busy"]] == [1.0] * 4


@pytest.mark.parametrize(
    ("params", "status", "said"),
    [
        ({"signals": "arrivals"}, 422, "no signal 'arrivals'"),
        ({"start": 200, "end": 100}, 422, "start 200 is not before end 100"),
        ({"max_points": 1}, 422, "max_points"),
        ({"end": "inf"}, 422, "end"),
        ({"start": "yesterday"}, 422, "start"),
    ],
)
async def test_a_wrong_question_is_one_sentence(
    api: httpx.AsyncClient, params: dict[str, str], status: int, said: str
) -> None:
    answer = await api.get("/api/v1/services/chat/series", params=params)
    assert answer.status_code == status
    assert said in answer.json()["detail"]


@pytest.mark.parametrize(
    "path", ["", "/series", "/forecast", "/forecast/accuracy", "/replicas", "/capacity", "/decisions"]
)
async def test_an_unknown_service_names_the_known(api: httpx.AsyncClient, path: str) -> None:
    answer = await api.get(f"/api/v1/services/chatt{path}")
    assert answer.status_code == 404
    assert "no service 'chatt'; known: chat" in answer.json()["detail"]


async def test_replicas_carry_what_their_engines_say(api: httpx.AsyncClient) -> None:
    replicas = (await api.get("/api/v1/services/chat/replicas")).json()
    assert replicas[0]["name"] == "chat-0"
    assert replicas[0]["kv_usage_ratio"] == 0.25


async def test_capacity_is_as_decided_and_lead_times_rest_on_what_was_measured(world: World) -> None:
    daemon = await world.start()
    world.fleet.measured = tuple(LeadTimeSample("chat-h100", Tier.COLD, 300.0, START_S) for _ in range(20))
    await ticks(daemon, 2)
    known = daemon.memory.services["chat"]
    view = capacity_view("chat", known)
    assert known.decision and view.rho_max == known.decision.rho_max == view.rho_max_configured
    assert (view.binding, view.law.a_ms) == (known.decision.rho_binding, 10.0)
    assert view.learned and view.learned.factors["a"] == 1.0
    assert sum(view.learned.refused.values()) == 1
    standby, cold = view.lead_times
    assert (standby.tier, standby.transition, standby.measured) == ("standby", "waking", 0)
    assert (cold.tier, cold.transition, cold.measured) == ("cold", "launching", 20)
    assert cold.configured_p50_s == 60 < 150 < cold.p50_s < 300
    assert (standby.p50_s, standby.p90_s) == (standby.configured_p50_s, standby.configured_p90_s)


async def test_capacity_can_be_asked_for(api: httpx.AsyncClient) -> None:
    answer = (await api.get("/api/v1/services/chat/capacity")).json()
    assert answer["rho_max"] > 0
    assert [row["tier"] for row in answer["lead_times"]] == ["standby", "cold"]


async def test_a_service_without_a_replica_is_decided_on_at_once(daemon: Daemon, api: httpx.AsyncClient) -> None:
    assert (await api.post("/api/v1/services/chat/wake")).json() == {"called": False}
    daemon.memory.services["chat"].replicas = ()
    answer = await api.post("/api/v1/services/chat/wake", json={"service": "chat", "held": 3})
    assert (answer.status_code, answer.json(), daemon.memory.called.is_set()) == (202, {"called": True}, True)
    assert (await api.post("/api/v1/services/nobody/wake")).status_code == 404
