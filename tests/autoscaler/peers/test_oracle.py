"""The bound below everybody: brute force and a linear program on tiny loads, and what must hold on any."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from autoscaler.peers.oracle import Bound, Oracle, least
from tests.autoscaler.peers.fleets import signals

BIN_S = 10.0

Loads = npt.NDArray[np.float64]


def bound(load: Loads, **changes: Any) -> Bound:
    terms = {"bin_s": BIN_S, "rho_max": 0.5, "lead_s": 25.0, "min_replicas": 0, "max_replicas": 3, **changes}
    return least(load, **terms)


def billed(schedule: Any, lead_s: float) -> float:
    """Replica-seconds of a schedule of serving replicas, launches included."""
    steps = [max(0, b - a) * min(lead_s, (t + 1) * BIN_S) for t, (a, b) in enumerate(pairwise(schedule))]
    return float(sum(schedule) * BIN_S + sum(steps))


def carried(load: Loads, schedule: Any, rho_max: float = 0.5) -> float:
    total = load.sum()
    return float(np.minimum(load, np.asarray(schedule) * rho_max).sum() / total) if total > 0 else 1.0


def tiny() -> st.SearchStrategy[Loads]:
    return st.lists(st.integers(0, 20), min_size=1, max_size=5).map(lambda tenths: np.array(tenths) / 10)


def long() -> st.SearchStrategy[Loads]:
    return st.lists(st.integers(0, 8000), min_size=1, max_size=60).map(lambda thousandths: np.array(thousandths) / 1000)


LEADS = st.sampled_from([0.0, 5.0, 25.0, 100.0])
SHARES = st.sampled_from([0.5, 0.8, 0.95, 1.0])


@settings(max_examples=60, deadline=None)
@given(tiny(), LEADS, SHARES, st.integers(0, 1))
def test_between_the_bound_and_the_schedule_lies_the_optimum(
    load: Loads, lead_s: float, share: float, low: int
) -> None:
    got = bound(load, lead_s=lead_s, attainment=share, min_replicas=low)
    reachable = min(share, carried(load, [3] * load.size))
    optimum = min(
        billed(schedule, lead_s)
        for schedule in product(range(low, 4), repeat=load.size)
        if carried(load, schedule) >= reachable - 1e-9
    )
    assert got.replica_s <= optimum + 1e-6
    assert optimum <= got.schedule_replica_s + 1e-6
    if share == 1.0:
        assert got.replica_s == pytest.approx(optimum)


@settings(max_examples=40, deadline=None)
@given(tiny(), LEADS, st.sampled_from([0.5, 0.8, 0.95]))
def test_the_bound_is_the_linear_relaxation(load: Loads, lead_s: float, share: float) -> None:
    if carried(load, [3] * load.size) <= share or load.sum() == 0:
        return
    assert bound(load, lead_s=lead_s, attainment=share).replica_s == pytest.approx(
        relaxed(load, lead_s, share), abs=1e-6
    )


def relaxed(load: Loads, lead_s: float, share: float) -> float:
    """Levels up to a fraction, x[k, t] and launches y[k, t], as one linear program."""
    levels, bins = 3, load.size
    size = levels * bins
    value = np.clip(load[None, :] - 0.5 * np.arange(levels)[:, None], 0, 0.5).ravel()
    launch = np.tile(np.minimum(lead_s, np.arange(bins) * BIN_S), levels)
    rows = [np.concatenate([-value, np.zeros(size)])]
    limits = [-share * load.sum()]
    for k, t in product(range(levels), range(1, bins)):
        row = np.zeros(2 * size)
        row[k * bins + t], row[k * bins + t - 1], row[size + k * bins + t] = 1.0, -1.0, -1.0
        rows.append(row)
        limits.append(0.0)
    cost = np.concatenate([np.full(size, BIN_S), launch])
    solved = linprog(cost, A_ub=np.array(rows), b_ub=limits, bounds=[(0, 1)] * size + [(0, None)] * size)
    return float(solved.fun)


@settings(deadline=None)
@given(long(), LEADS, SHARES)
def test_never_above_static_peak(load: Loads, lead_s: float, share: float) -> None:
    peak = max(1, int(np.ceil(load.max() / 0.5 - 1e-9)))
    got = bound(load, lead_s=lead_s, attainment=share, min_replicas=1, max_replicas=peak)
    assert got.schedule_replica_s <= peak * load.size * BIN_S + 1e-6
    assert got.replica_s <= got.schedule_replica_s + 1e-6


@settings(deadline=None)
@given(long(), LEADS, st.lists(st.floats(0.3, 1.0), min_size=2, max_size=4))
def test_more_attainment_and_a_longer_lead_never_cost_less(load: Loads, lead_s: float, shares: list[float]) -> None:
    costs = [bound(load, lead_s=lead_s, attainment=share, max_replicas=16).replica_s for share in sorted(shares)]
    assert costs == sorted(costs) or np.allclose(costs, sorted(costs))
    later = bound(load, lead_s=lead_s + 7.0, attainment=max(shares), max_replicas=16).replica_s
    assert later >= costs[-1] - 1e-6


@settings(deadline=None)
@given(long(), st.integers(0, 2), st.integers(2, 20))
def test_without_a_lead_time_it_follows_the_load(load: Loads, low: int, high: int) -> None:
    got = bound(load, lead_s=0.0, min_replicas=low, max_replicas=high)
    followed = np.clip(np.ceil(load / 0.5 - 1e-9), low, high)
    assert got.replica_s == pytest.approx(followed.sum() * BIN_S)
    assert got.schedule.tolist() == followed.tolist()


@settings(deadline=None)
@given(long(), LEADS, SHARES)
def test_the_schedule_keeps_its_word(load: Loads, lead_s: float, share: float) -> None:
    got = bound(load, lead_s=lead_s, attainment=share, max_replicas=16)
    assert got.schedule_replica_s == pytest.approx(billed(got.schedule.tolist(), lead_s))
    assert got.attainment == pytest.approx(carried(load, got.schedule))
    assert got.attainment >= share - 1e-9


def test_a_short_gap_is_bridged_and_a_long_one_is_not() -> None:
    load = np.array([0.5, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.5])
    assert bound(load, lead_s=25.0).schedule.tolist() == [1, 1, 1, 1, 0, 0, 0, 1]


def test_what_the_maximum_cannot_carry_is_said() -> None:
    got = bound(np.array([1.0, 4.0]), max_replicas=2)
    assert got.attainment == pytest.approx(2 / 5)
    assert got.replica_s == 40.0


def test_no_load_needs_the_minimum() -> None:
    got = bound(np.zeros(4), min_replicas=1)
    assert (got.replica_s, got.attainment) == (40.0, 1.0)


@pytest.mark.parametrize(
    ("load", "changes", "word"),
    [
        (np.array([np.nan]), {}, "finite"),
        (np.array([-1.0]), {}, "0 or more"),
        (np.ones(2), {"bin_s": 0.0}, "bin_s"),
        (np.ones(2), {"min_replicas": 5}, "min_replicas"),
        (np.ones(2), {"attainment": 0.0}, "attainment"),
    ],
)
def test_nonsense_is_refused(load: Loads, changes: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        bound(load, **changes)


def test_the_rule_launches_a_lead_time_ahead() -> None:
    got = bound(np.array([0.5, 0.5, 0.5, 0.5, 1.5, 0.5]), lead_s=20.0)
    rule = Oracle(got, start_s=100.0, bin_s=BIN_S, lead_s=20.0)
    assert [rule.desired(signals(100.0 + BIN_S * t, 1, [])) for t in range(8)] == [1, 1, 3, 3, 3, 1, 1, 1]
