"""The peers of the forecast benchmark: told from what was known, and as their own libraries would tell it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autoscaler.peers.dynamo.predictors import Kalman
from benchmarks import forecast_peers
from benchmarks.forecast_peers import AHEAD, DynamoArima, DynamoKalman, Floats, Mstl, Peer, Statsforecast

RNG = np.random.default_rng(5)
VALUES = 20 + np.cumsum(RNG.normal(0, 0.3, 260))
FIRST = 240


class Flat:
    """A trend forecaster that says: as now."""

    def forward(self, values: Floats, ahead: int, level: Any = None) -> dict[str, Floats]:
        mean = np.full(ahead, values[-1])
        return {"mean": mean} | {f"hi-{one}": mean + one for one in level or ()}


def arima() -> DynamoArima:
    pmdarima = pytest.importorskip("pmdarima")
    return DynamoArima(model=pmdarima.ARIMA((1, 1, 1)).fit(VALUES[:FIRST]))


def peers() -> list[Peer]:
    season = np.arange(forecast_peers.TAIL) % 7.0
    return [DynamoKalman(), Mstl(trend=Flat(), season=season), Statsforecast("flat", "Flat", model=Flat())]


@pytest.mark.parametrize("peer", peers(), ids=lambda peer: peer.name)
def test_nobody_knows_what_comes(peer: Peer) -> None:
    changed = VALUES.copy()
    changed[-1] += 9
    said, other = (peer.paths(values, FIRST).middle for values in (VALUES, changed))
    assert said.shape == (len(VALUES) - FIRST, AHEAD)
    assert np.array_equal(said[:-1], other[:-1]) and not np.array_equal(said[-1], other[-1])


def test_arima_is_filtered_as_pmdarima_predicts() -> None:
    peer = arima()
    told = peer.paths(VALUES, FIRST - 1).middle
    assert told[0] == pytest.approx(peer.model.predict(AHEAD), rel=1e-6)
    peer.model.arima_res_ = peer.model.arima_res_.apply(VALUES)
    assert told[-1] == pytest.approx(peer.model.arima_res_.forecast(AHEAD), rel=1e-6)


def test_kalman_one_step_ahead_is_dynamos() -> None:
    filtered = Kalman()
    for value in VALUES:
        filtered.add(float(value))
    assert DynamoKalman().paths(VALUES, FIRST).middle[-1, 0] == pytest.approx(filtered.predict())


def test_the_season_is_that_of_the_minute() -> None:
    season = np.arange(forecast_peers.TAIL, dtype=float)
    peer = Mstl(trend=Flat(), season=season, phase=200 % forecast_peers.TAIL)
    values = np.concatenate([season[-200:], season, season])[: forecast_peers.TAIL + 300]
    # What repeats exactly is told exactly.
    told = peer.paths(values, 300).middle
    assert told[0] == pytest.approx(values[301 : 301 + AHEAD])


def test_own_intervals_are_ordered_as_levels() -> None:
    upper = Statsforecast("flat", "Flat", model=Flat()).paths(VALUES, FIRST).upper
    assert upper is not None and upper[0, 0] - VALUES[FIRST] == pytest.approx(forecast_peers.LEVELS)


def test_gaps_are_filled_from_before() -> None:
    gappy = np.array([np.nan, 1.0, np.nan, 3.0, np.nan])
    assert forecast_peers.filled(gappy).tolist() == [1, 1, 1, 3, 3]


def test_who_is_missing_is_told_in_a_line() -> None:
    told = forecast_peers.missing(Statsforecast("X", "X", package="no_such_package"))
    assert told is not None and told.startswith("X: skipped, no_such_package does not import") and "\n" not in told
    assert forecast_peers.missing(DynamoKalman()) is None
