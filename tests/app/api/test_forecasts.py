"""What is expected, the state of the model, and how past forecasts fared."""

from __future__ import annotations

import httpx
import pytest

from app.daemon.parts import Daemon
from tests.app.api.conftest import app_of
from tests.app.daemon.test_tick import ticks
from tests.app.fakes import INTERVAL_S, START_S, World

PATH = "/api/v1/services/chat/forecast"


async def test_the_forecast_is_quantiles_over_horizons(api: httpx.AsyncClient) -> None:
    view = (await api.get(PATH)).json()
    assert len(view["erlangs"]) == len(view["horizons_s"])
    assert all(len(row) == len(view["taus"]) for row in view["erlangs"])


async def test_the_forecast_says_who_spoke_and_how_its_model_is(daemon: Daemon, api: httpx.AsyncClient) -> None:
    view = (await api.get(PATH)).json()
    assert sum(view["weights"].values()) == pytest.approx(1)
    assert view["history_s"] == 2 * INTERVAL_S
    assert view["fitted_at_s"] is None and view["trouble"] is None
    daemon.memory.services["chat"].fitted_at_s = START_S + 5
    daemon.memory.services["chat"].fit_trouble = "took longer than 120 s"
    view = (await api.get(PATH)).json()
    assert (view["fitted_at_s"], view["trouble"]) == (START_S + 5, "took longer than 120 s")


async def test_no_forecast_yet_is_said(world: World) -> None:
    transport = httpx.ASGITransport(app_of(await world.start()))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        answer = await client.get(PATH)
        accuracy = (await client.get(f"{PATH}/accuracy")).json()
    assert answer.status_code == 404 and "no forecast yet" in answer.json()["detail"]
    assert accuracy["outcomes"] == accuracy["scores"] == []


async def test_past_forecasts_stand_against_what_came(daemon: Daemon, api: httpx.AsyncClient) -> None:
    await ticks(daemon, 60, first=4)
    view = (await api.get(f"{PATH}/accuracy", params={"span_s": 3600})).json()
    assert view["horizon_s"] == 60 or view["horizon_s"] == 180
    assert view["lead_s"] == 120
    known = [outcome for outcome in view["outcomes"] if outcome["state"] == "known"]
    assert known and view["outcomes"][-1]["state"] == "ahead"
    assert {score["windows"] for score in view["scores"]} == {len(known)}
    assert [score["tau"] for score in view["scores"]] == view["taus"]
    assert all(len(outcome["weights"]) == len(view["experts"]) > 0 for outcome in known)
    # The load is constant, so no quantile is ever passed by more than rounding.
    assert view["scores"][-1]["coverage"] > 0.9


async def test_the_horizon_asked_for_is_rounded_to_one_that_is_told(daemon: Daemon, api: httpx.AsyncClient) -> None:
    view = (await api.get(f"{PATH}/accuracy", params={"horizon_s": 500})).json()
    assert view["horizon_s"] == 600


@pytest.mark.parametrize("params", [{"span_s": 0}, {"span_s": 1e9}, {"horizon_s": -1}, {"horizon_s": "inf"}])
async def test_a_wrong_question_is_one_sentence(api: httpx.AsyncClient, params: dict[str, str]) -> None:
    answer = await api.get(f"{PATH}/accuracy", params=params)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(f"query.{next(iter(params))}: ")


async def test_the_quantile_taken_stands_with_each_decision(api: httpx.AsyncClient) -> None:
    rows = (await api.get("/api/v1/services/chat/decisions")).json()
    (forecast,) = (c for c in rows[0]["constraints"] if c["name"] == "forecast")
    assert [(q["horizon_s"], 0.5 <= q["tau"] <= 0.99) for q in forecast["quantiles"]] == [(135.0, True)]


async def test_days_ahead_need_a_day_and_tell_every_hour(daemon: Daemon, api: httpx.AsyncClient) -> None:
    answer = await api.get(f"{PATH}/days")
    assert answer.status_code == 404 and "less than a day" in answer.json()["detail"]
    minutes = range(-3 * 1440, 0)
    load = {m: 2.0 + (m // 60 % 24 == 12) for m in minutes}
    daemon.history.append_many([("chat", START_S + 60 * m, {"offered_erlangs": load[m]}) for m in minutes])
    view = (await api.get(f"{PATH}/days", params={"days": 2})).json()
    assert len(view["erlangs"]) == 48 and view["step_s"] == 3600
    middle = [row[0] for row in view["erlangs"]]
    assert max(middle) > 2.5 and min(middle) == pytest.approx(2.0, rel=0.1)
