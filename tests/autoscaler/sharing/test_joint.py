"""What several services need together: never more than apart, never less than now, and right on cases one can count."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.capacity import RhoMax
from autoscaler.sharing.joint import Claim, comovement, need, scenarios
from forecasting.history import History
from tests.autoscaler.cases import forecast

RHO = RhoMax(0.5, "tpot", {"tpot": 0.5})


def claim(erlangs: float, spread: float = 1.0, active: int = 0, gpus: int = 1) -> Claim:
    return Claim("chat", forecast(erlangs, spread), RHO, gpus, active, 1000)


def test_one_service_alone_needs_what_its_own_quantile_asks_for() -> None:
    alone = claim(4.0)
    told = alone.forecast.quantile(180.0, 0.95) if alone.forecast else 0.0
    both = need([alone], np.eye(1), 180.0, 0.95)
    assert both.together == both.apart == pytest.approx(told / 0.5, abs=1)


def test_services_that_have_nothing_to_do_with_each_other_insure_each_other() -> None:
    apart = need([claim(4.0)] * 9, np.eye(9), 180.0, 0.95)
    same = need([claim(4.0)] * 9, np.full((9, 9), 0.999), 180.0, 0.95)
    assert apart.together < 0.93 * apart.apart
    assert same.together == pytest.approx(same.apart, rel=0.02)


claims = st.lists(
    st.builds(claim, st.floats(0, 20), st.floats(0, 3), st.integers(0, 30), st.sampled_from([1, 2, 4])),
    min_size=1,
    max_size=6,
)


@given(claims, st.floats(0.5, 0.99), st.floats(0, 5))
def test_never_below_what_is_wanted_now_never_above_all_apart_and_more_load_never_needs_fewer(
    those: list[Claim], tau: float, more: float
) -> None:
    found = need(those, np.eye(len(those)), 180.0, tau)
    assert found.active <= found.together
    busier = [replace(c, forecast=forecast(c.forecast.values[0][0] + more)) if c.forecast else c for c in those]
    calmer = [replace(c, forecast=forecast(c.forecast.values[0][0])) if c.forecast else c for c in those]
    least, most = (need(each, np.eye(len(those)), 180.0, tau).together for each in (calmer, busier))
    assert least <= most


def test_without_a_forecast_a_service_claims_what_it_has_and_nothing_is_known() -> None:
    found = need([replace(claim(4.0, active=3, gpus=2), forecast=None)], np.eye(1), 180.0, 0.95)
    assert (found.together, found.known) == (6, False)


def test_services_that_rise_together_are_found_out_and_those_that_do_not_too() -> None:
    rng = np.random.default_rng(1)
    common, own = (np.abs(np.cumsum(rng.normal(0, 0.1, 9000)) + 5) for _ in range(2))
    histories = [History(60.0, 0, roots) for roots in (common, common + rng.normal(0, 0.02, 9000), own)]
    found = comovement(histories, 10)
    assert found[0, 1] > 0.8 and abs(found[0, 2]) < 0.15
    assert (found == found.T).all() and (np.diag(found) == 1).all()


def test_too_little_history_and_gaps_say_nothing() -> None:
    short, gone = History(60.0, 0, np.ones(5)), History(60.0, 0, np.full(9000, np.nan))
    assert (comovement([short, gone, History(60.0, 0, np.full(9000, 2.0))], 10) == np.eye(3)).all()


def test_scenarios_are_uniform_for_each_service_and_joined_as_asked() -> None:
    ranks = scenarios(np.array([[1.0, 0.7], [0.7, 1.0]]))
    assert np.quantile(ranks, [0.1, 0.5, 0.9], axis=0) == pytest.approx(
        np.array([[0.1] * 2, [0.5] * 2, [0.9] * 2]), abs=0.01
    )
    assert np.corrcoef(ranks.T)[0, 1] == pytest.approx(0.68, abs=0.03)


def test_the_risk_that_idle_gpus_cover_is_told_by_service_and_sums_to_them() -> None:
    found = need([claim(8.0, spread=3.0, active=10), claim(2.0, active=2)], np.eye(2), 180.0, 0.95)
    assert found.risk[0] > found.risk[1]
    assert sum(found.risk) == pytest.approx(found.together - found.active, abs=1.5)


def test_who_has_enough_bears_no_risk() -> None:
    assert need([claim(4.0), claim(0.1, active=30)], np.eye(2), 180.0, 0.95).risk[1] == 0
