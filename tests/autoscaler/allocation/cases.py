"""Small allocations to try everything on."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

from hypothesis import strategies as st

from autoscaler.allocation import Demand, Line, Market, Option
from runtime.replica import Tier

ACTIVE, STANDBY, ASLEEP, WARM = Tier.ACTIVE, Tier.STANDBY, Tier.ASLEEP, Tier.WARM_NODE

A = Option("a", "H100", Fraction(1), 1.0, {ACTIVE: 4.0})
B = Option("b", "L4", Fraction(1), 0.5, {ACTIVE: 1.0})
SHARED = Option("a", "H100", Fraction(1), 1.0, {ACTIVE: 4.0, STANDBY: 1.0}, {STANDBY: 1.0})
SPOT = replace(A, pool="spot", usd_per_hour={ACTIVE: 1.5}, spot="zone-1")


def demand(erlangs: float, *options: Option, slow: float | None = None, **changes: object) -> Demand:
    """A service with a fast line and, where given, a slow one."""
    lines = (Line("fast", erlangs, 0.0), *([] if slow is None else [Line("slow", slow, 10.0)]))
    return replace(Demand("chat", options or (A,), lines), **changes)  # type: ignore[arg-type]


quarters = st.integers(0, 8).map(lambda n: n / 4)
sizes = st.sampled_from([Fraction(1), Fraction(2), Fraction(3), Fraction(1, 2), Fraction(2, 7), Fraction(3, 7)])


@st.composite
def options(draw: st.DrawFn, index: int) -> Option:
    """A pool with up to two tiers."""
    tiers = draw(st.sampled_from([(), (STANDBY,), (ASLEEP,), (WARM,)]))
    usd = draw(st.sampled_from([0.0, 1.0, 2.0, 3.0, 5.0]))
    return Option(
        pool=f"pool-{index}",
        gpu=draw(st.sampled_from(["H100", "L4"])),
        gpus=draw(sizes),
        erlangs=draw(st.sampled_from([0.5, 0.75, 1.0, 2.0])),
        usd_per_hour={ACTIVE: usd, **{tier: usd * draw(st.sampled_from([0.25, 0.5, 1.0])) for tier in tiers}},
        lead_s={tier: draw(st.sampled_from([1.0, 30.0])) for tier in tiers},
        launch_s=draw(st.sampled_from([60.0, 600.0])),
        launch_usd=draw(st.sampled_from([0.0, 0.3])),
        now=draw(st.dictionaries(st.sampled_from([ACTIVE, *tiers]), st.integers(0, 2), max_size=2)),
        most=draw(st.sampled_from([3, 1] if WARM in tiers else [None, None, 1])),
        spot=draw(st.sampled_from(["", "", "zone-1", "zone-2"])),
    )


@st.composite
def demands(draw: st.DrawFn, index: int, pools: int) -> Demand:
    """A service with up to ``pools`` pools, of at most three replicas."""
    late = st.sampled_from([math.inf, math.inf, 100.0])
    price = st.sampled_from([50.0, 100.0, 130.0])
    fast = draw(quarters)
    return Demand(
        service=f"service-{index}",
        options=tuple(draw(options(10 * index + i)) for i in range(draw(st.integers(1, pools)))),
        lines=(
            Line("fast", fast, 0.0, draw(late), draw(price)),
            Line("slow", fast + draw(quarters) / 2, draw(st.sampled_from([5.0, 60.0])), draw(late), draw(price)),
        ),
        least_active=draw(st.integers(0, 1)),
        most=draw(st.integers(1, 3)),
        least_spare=draw(st.integers(0, 1)),
        most_spare=draw(st.integers(0, 2)),
        budget_usd_per_hour=draw(st.sampled_from([None, None, 4.0])),
        priority=draw(st.integers(0, 1)),
        base_erlangs=draw(st.sampled_from([0.0, 0.5])),
    )


@st.composite
def markets(draw: st.DrawFn) -> Market:
    """From unlimited to next to nothing."""
    domains = st.lists(st.tuples(st.sampled_from([1, 2, 4]), st.just(1)), max_size=3).map(tuple)
    return Market(
        domains=draw(st.dictionaries(st.sampled_from(["H100", "L4"]), domains, max_size=2)),
        budget_usd_per_hour=draw(st.sampled_from([None, None, 6.0, 12.0])),
        notice_s={"zone-1": 10.0},
    )


@st.composite
def problems(draw: st.DrawFn, services: int, pools: int) -> tuple[tuple[Demand, ...], Market]:
    """Services and what there is for them."""
    number = draw(st.integers(1, services))
    return tuple(draw(demands(index, pools)) for index in range(number)), draw(markets())
