"""Every dollar once: attributed parts sum to the whole to the cent, in any grouping, whatever is bought and shared."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.cost.account import NOBODY, PARTS, Placement, Terms, account
from autoscaler.cost.book import PriceBook, PriceRow, Purchase, Sku
from autoscaler.cost.commitments import Commitment
from autoscaler.cost.money import cents, rounded
from tests.autoscaler.cost.cases import Row, hours_of, one, rows

SKU = Sku("aws", "us-east-1", "p5")
PLACED = {"h100": Placement(SKU, Purchase.ON_DEMAND), "spot": Placement(SKU, Purchase.SPOT)}
SPAN = (0.0, 6 * 3600.0)


def committed(gpus: int, usd: float = 2.0) -> Commitment:
    return Commitment("year", SKU, gpus, usd, 0.0, SPAN[1])


@given(rows, st.lists(st.integers(0, 900), max_size=2), st.integers(0, 5_000_000))
def test_attributed_parts_sum_to_the_whole(drawn: list[Row], commitments: list[int], platform: int) -> None:
    terms = Terms(PriceBook(()), PLACED, tuple(map(committed, commitments)), platform / 1e6)
    made = account(hours_of(*drawn), terms, *SPAN)
    for key in ("service", "pool", "hour_s"):
        assert sum(sums.nano for sums in made.summed(key).values()) == made.total_nano
    assert sum(sums.nano for sums in made.summed(lambda hour: hour // 86400).values()) == made.total_nano
    assert made.whole.nano == made.total_nano
    assert sum(rounded(made.parts.sum(axis=0).tolist())) == cents(made.total_nano)


@given(rows, st.integers(0, 900), st.integers(0, 5_000_000))
def test_the_whole_is_gpu_hours_times_price_plus_what_is_committed(drawn: list[Row], gpus: int, platform: int) -> None:
    made = account(hours_of(*drawn), Terms(PriceBook(()), PLACED, (committed(gpus),), platform / 1e6), *SPAN)
    held = {(hour, pool): 0 for hour in range(0, 21600, 3600) for pool in ("h100",)}
    for hour, _, pool, _, states in drawn:
        if pool == "h100":
            held[hour, pool] += sum(states)
    exact = Fraction(6 * platform, 10**6) + 6 * gpus * 2
    covered = {hour: min(ms, gpus * 3_600_000) for (hour, _), ms in held.items()}
    for hour, _, pool, micro, states in drawn:
        kept = Fraction(held[hour, pool] - covered[hour], held[hour, pool]) if held.get((hour, pool)) else 1
        exact += Fraction(sum(states) * micro, 3_600_000 * 10**6) * kept
    # A covered millisecond goes to a row as a whole: the split may differ by that, and by half a nano-dollar a cell.
    assert abs(Fraction(made.total_nano, 10**9) - exact) < Fraction(1, 10_000)


def test_a_commitment_covers_and_what_is_left_is_charged_to_its_users() -> None:
    hours = hours_of(one(0, "chat", 3.0), one(0, "code", 1.0))
    made = account(hours, Terms(PriceBook(()), PLACED, (committed(10),)), 0, 7200)
    by_service = {name: dict(zip(PARTS, v.parts, strict=True)) for name, v in made.summed("service").items()}
    assert cents(by_service["chat"]["active"]) == Decimal("6.00")
    assert cents(by_service["chat"]["unused"]) == Decimal("9.00")
    assert cents(by_service["code"]["unused"]) == Decimal("3.00")
    assert cents(by_service[NOBODY]["unused"]) == Decimal("20.00")
    assert cents(int(made.list_nano.sum())) == Decimal("12.00")


def test_spot_is_not_covered() -> None:
    made = account(hours_of(one(0, "chat", 1.0, pool="spot")), Terms(PriceBook(()), PLACED, (committed(1),)), 0, 3600)
    assert cents(made.total_nano) == Decimal("5.00")


def test_the_book_prices_a_placed_pool_from_its_date_on() -> None:
    book = PriceBook((PriceRow(SKU, "H100", Purchase.ON_DEMAND, 7.0, date(1970, 1, 2), "list"),))
    hours = hours_of(one(23, "chat", 1.0), one(24, "chat", 1.0), one(24, "chat", 1.0, pool="l4"))
    made = account(hours, Terms(book, PLACED), 0, 2 * 86400)
    assert [cents(int(parts.sum())) for parts in made.parts] == [Decimal("3.00"), Decimal("7.00"), Decimal("3.00")]


def test_the_platform_is_shared_by_cost() -> None:
    hours = hours_of(one(0, "chat", 3.0), one(0, "code", 1.0))
    made = account(hours, Terms(platform_usd_per_hour=2.0), 0, 7200)
    platform = {name: cents(v.parts[PARTS.index("platform")]) for name, v in made.summed("service").items()}
    assert platform == {"chat": Decimal("1.50"), "code": Decimal("0.50"), NOBODY: Decimal("2.00")}


def test_marginal_is_of_the_active_part_that_was_seen() -> None:
    seen = account(hours_of(one(0, "chat", 2.0, standby_h=1.0), busy=0.25), Terms(), 0, 3600)
    assert cents(int(seen.marginal_nano.sum())) == Decimal("1.50")
    unseen = account(hours_of(one(0, "chat", 2.0), busy=None), Terms(), 0, 3600)
    assert int(unseen.seen_nano.sum()) == 0


def test_one_service_alone() -> None:
    made = account(hours_of(one(0, "chat", 3.0), one(0, "code", 1.0)), Terms(), 0, 3600)
    assert cents(made.of("code").total_nano) == Decimal("3.00")
    assert made.of("none").total_nano == 0


def test_a_dear_hour_of_a_thousand_gpus_does_not_overflow() -> None:
    made = account(hours_of(one(0, "chat", 1000.0, usd=98.0), busy=0.5), Terms(), 0, 3600)
    assert cents(made.total_nano) == Decimal("98000.00")
    assert cents(made.whole.marginal_nano) == Decimal("49000.00")
    assert made.whole.seen_nano == made.total_nano
