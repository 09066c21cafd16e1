"""Payloads as tables: gaps stay gaps, times are UTC, joins lose nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd

from app.api.schemas.forecasts import ForecastView
from app.api.schemas.services import ReplicaView, Series
from app.console import frames
from collectors.downsample import thin
from tests.app.console.conftest import NOW_S
from tests.app.console.fake_api import World, row
from tests.app.console.fake_fleet import SERVICES


def series(**signals: list[tuple[float, float | None]]) -> Series:
    return Series(service="s", start_s=0, end_s=60, step_s=15, signals=signals)


def forecast() -> ForecastView:
    return ForecastView(
        service="s",
        made_at_s=NOW_S,
        model="profile",
        horizons_s=[60.0, 300.0],
        taus=[0.5, 0.9, 0.99],
        erlangs=[[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]],
        weights={"profile": 1.0},
        history_s=7200.0,
        fitted_at_s=None,
        trouble=None,
    )


def test_wide_joins_signals_on_time_and_keeps_gaps() -> None:
    frame = frames.wide(series(a=[(0.0, 1.0), (15.0, None)], b=[(15.0, 5.0)]), ["a", "b", "absent"])
    assert frame["time"].tolist() == [pd.Timestamp(s, unit="s", tz="UTC") for s in (0, 15)]
    assert frame["a"].isna().tolist() == [False, True]
    assert frame["b"].tolist()[1] == 5.0
    assert frame["absent"].isna().all()


def test_signals_thinned_at_moments_of_their_own_are_whole_lines() -> None:
    rng = np.random.default_rng(3)
    times = 15.0 * np.arange(2000)
    load, count = rng.uniform(1, 9, 2000), np.repeat(rng.integers(1, 9, 20), 100).astype(float)
    load[1000:1100] = np.nan
    signals = {"offered_erlangs": thin(times, load, 600), "replicas_active": thin(times, count, 600)}
    frame = frames.wide(series(**signals), list(signals))
    seconds = frame["time"].map(pd.Timestamp.timestamp)
    beside = seconds.between(times[980], times[1120])
    assert frame["offered_erlangs"].notna()[~beside][1:-1].all() and frame["offered_erlangs"].isna()[beside].any()
    own = dict(signals["offered_erlangs"])
    assert all(own[at] == value for at, value in zip(seconds, frame["offered_erlangs"], strict=True) if own.get(at))
    truth = dict(zip(times, count, strict=True))
    assert frame["replicas_active"].tolist() == [truth[at] for at in seconds]


def test_wide_of_nothing_is_empty_and_still_has_its_columns() -> None:
    frame = frames.wide(series(), ["a"])
    assert list(frame.columns) == ["time", "a"]
    assert not frames.has_points(frame)


def test_fan_opens_at_the_load_now_and_interpolates_quantiles() -> None:
    fan = frames.fan(forecast(), 0.8)
    assert fan["time"].iloc[0] == pd.Timestamp(NOW_S, unit="s", tz="UTC")
    assert fan.iloc[0][["p50", "p95", "p99"]].tolist() == [0.8, 0.8, 0.8]
    assert abs(fan["p95"].iloc[1] - (2 + (0.95 - 0.9) / 0.09)) < 1e-9


def test_fan_without_forecast_is_empty() -> None:
    assert frames.fan(None, 1.0).empty
    assert len(frames.fan(forecast(), None)) == 2
    assert len(frames.fan(forecast(), None, reach_s=100.0)) == 1


def test_last_known_skips_gaps() -> None:
    frame = frames.wide(series(a=[(0.0, 1.0), (15.0, 2.0), (30.0, None)]), ["a"])
    assert frames.last_known(frame, "a") == 2.0
    assert frames.last_known(frames.wide(series(), ["a"]), "a") is None


def test_fleet_line_links_to_its_service_and_leaves_gaps_out_of_the_sparkline() -> None:
    found = row(World(lambda: NOW_S), SERVICES[0])
    line = frames.fleet_line(found.model_copy(update={"demand_sparkline": [1.0, None, 2.0]}))
    assert line["service"] == "service?service=chat-70b"
    assert line["demand"] == [1.0, 2.0]
    assert line["data"] == "fresh"


def test_load_is_unknown_without_capacity() -> None:
    found = row(World(lambda: NOW_S), SERVICES[0])
    assert frames.load_share(found.model_copy(update={"capacity_erlangs": 0.0})) is None
    assert frames.load_share(found.model_copy(update={"offered_erlangs": None})) is None


def test_replica_table_shows_the_transition_where_there_is_one() -> None:
    replica = ReplicaView(
        name="r", service="s", pool="p", tier="active", transition="launching", since_s=90, node="n", gpus=["g"]
    )
    line = frames.replica_table([replica], 100.0).iloc[0]
    assert (line["state"], line["for_s"], line["gpus"]) == ("launching", 10.0, 1)
