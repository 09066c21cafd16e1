"""Reserved, on demand, spot: exact against brute force, and never dearer than all on demand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.planning.mix import mix
from tests.autoscaler.planning.cases import offer

NEEDED = np.array([4, 2, 1])
SHARE = np.array([0.2, 0.3, 0.5])
PRICES = st.floats(0.1, 10.0) | st.none()


def test_a_replica_is_reserved_where_it_is_used_more_than_its_break_even() -> None:
    """Level 1 is used always, 2 half of the time, 3 and 4 a fifth of it; 1.8 of 3.0 breaks even at 60 %."""
    made = mix(NEEDED, NEEDED, SHARE, 1, offer(3.0, reserved=1.8))
    assert made.reserved == 1 and made.break_even == pytest.approx(0.6) and made.reserved_used == 1.0
    assert made.on_demand_mean == pytest.approx(0.5 + 0.2 + 0.2)
    assert made.usd_per_hour == pytest.approx(1.8 + 0.9 * 3)


def test_a_lower_price_reserves_more() -> None:
    made = mix(NEEDED, NEEDED, SHARE, 1, offer(3.0, reserved=1.4))
    assert made.reserved == 2 and made.reserved_used == pytest.approx(0.75)


def test_without_other_prices_all_is_on_demand() -> None:
    made = mix(NEEDED, np.array([1, 1, 1]), SHARE, 2, offer(3.0))
    assert (made.reserved, made.spot_mean, made.spot_peak, made.break_even) == (0, 0.0, 0, None)
    assert made.usd_per_hour == made.all_on_demand_usd == pytest.approx(1.9 * 6)


def test_spot_stands_above_what_must_be_firm() -> None:
    made = mix(NEEDED, np.array([3, 2, 1]), SHARE, 1, offer(3.0, spot=1.0))
    assert made.spot_mean == pytest.approx(0.2) and made.spot_peak == 1
    assert made.usd_per_hour == pytest.approx(1.7 * 3 + 0.2)


def test_spot_dearer_than_on_demand_is_not_taken() -> None:
    assert mix(NEEDED, np.array([1, 1, 1]), SHARE, 1, offer(3.0, spot=4.0)).spot_mean == 0


def test_reserving_where_spot_would_serve_must_beat_spot() -> None:
    """Level 2 is never firm, so reserved at 1.1 it competes with spot at 1.0 half of the time."""
    firm = np.array([1, 1, 1])
    assert mix(NEEDED, firm, SHARE, 1, offer(3.0, spot=1.0, reserved=1.1)).reserved == 1


def test_a_commitment_can_be_fixed() -> None:
    made = mix(NEEDED, NEEDED, SHARE, 1, offer(3.0, reserved=1.8), reserved=3)
    assert made.reserved == 3 and made.reserved_usd == pytest.approx(5.4)
    assert made.reserved_used == pytest.approx((1 + 0.5 + 0.2) / 3)


def test_a_commitment_beyond_every_need_is_paid_for() -> None:
    made = mix(NEEDED, NEEDED, SHARE, 1, offer(3.0, reserved=1.8), reserved=6)
    assert made.usd_per_hour == pytest.approx(6 * 1.8) and made.on_demand_mean == 0 and made.spot_peak == 0


@given(
    st.lists(st.tuples(st.integers(1, 8), st.integers(0, 8), st.floats(0.01, 1)), min_size=1, max_size=6),
    PRICES,
    PRICES,
)
def test_no_other_number_of_reserved_replicas_costs_less(
    steps: list[tuple[int, int, float]], spot: float | None, reserved: float | None
) -> None:
    needed = np.array([need for need, _, _ in steps])
    firm = np.minimum(needed, [firm for _, firm, _ in steps])
    share = np.array([share for _, _, share in steps])
    share = share / share.sum()
    price = offer(3.0, spot, reserved)
    best = mix(needed, firm, share, 2, price)
    every = [mix(needed, firm, share, 2, price, reserved=r).usd_per_hour for r in range(10)]
    assert best.usd_per_hour <= best.all_on_demand_usd + 1e-9
    if reserved is not None:
        assert best.usd_per_hour <= min(every) + 1e-9


@given(st.lists(st.integers(1, 8), min_size=1, max_size=6), PRICES, PRICES)
def test_the_parts_are_all_that_is_needed(counts: list[int], spot: float | None, reserved: float | None) -> None:
    needed, share = np.array(counts), np.full(len(counts), 1 / len(counts))
    made = mix(needed, needed // 2, share, 1, offer(3.0, spot, reserved))
    used = (made.reserved_used or 0.0) * made.reserved
    assert used + made.on_demand_mean + made.spot_mean == pytest.approx(needed.mean())
    assert made.usd_per_hour == pytest.approx(made.reserved_usd + made.on_demand_usd + made.spot_usd)
    assert made.saving == pytest.approx(1 - made.usd_per_hour / made.all_on_demand_usd)
