"""The books: every grouping of a statement sums to its whole, and what is not known is said."""

from __future__ import annotations

import pytest

from app.costsettings import BudgetSettings, CostSettings, PlacementSettings
from app.reports.books import UNTOLD, Books, books_of, missing
from autoscaler.cost.account import NOBODY
from autoscaler.cost.book import PriceError
from autoscaler.cost.budget import State
from tests.app.reports.conftest import DAYS, POLICIES, SERVICES, START_S, replicas_at

END_S = START_S + 86400 * DAYS


def test_the_whole_is_what_was_held_at_its_price(books: Books) -> None:
    total = books.total(books.statement(START_S, END_S))
    chat = sum(replicas_at(hour) + 1 for hour in range(24 * DAYS)) * 2 * 2.5
    assert total.figures.total_usd == pytest.approx(chat + 96 * 2 * 0.8 + 24 * 1.5)


def test_every_grouping_sums_to_the_whole(books: Books) -> None:
    made = books.statement(START_S, END_S)
    whole = books.total(made).figures.total_usd
    for lines in (books.by_service(made), books.by_pool(made), [line for _, line in books.by_time(made, 86400)]):
        assert sum(line.figures.total_usd for line in lines) == pytest.approx(whole, abs=1e-6)
    assert sum(nano for _, nano, _, _ in books.by_tenant(made)) == made.lines.total_nano


def test_services_are_named_the_dearest_first_and_nobodys_is_the_fleets(books: Books) -> None:
    lines = books.by_service(books.statement(START_S, END_S))
    assert [line.name for line in lines] == ["chat", "=code", NOBODY]


def test_one_service_alone_is_its_part_of_the_whole(books: Books) -> None:
    both = books.by_service(books.statement(START_S, END_S))
    alone = books.total(books.statement(START_S, END_S, "chat"))
    assert alone.figures.total_usd == next(line for line in both if line.name == "chat").figures.total_usd
    assert books.statement(START_S, END_S, "chat").lines.tenants == ()


def test_tenants_are_charged_by_tokens_and_the_rest_is_not_told(books: Books) -> None:
    made = books.statement(START_S, END_S)
    rows = {name: (nano, tokens) for name, nano, tokens, _ in books.by_tenant(made)}
    assert rows["acme"][0] == pytest.approx(made.lines.total_nano / 2, abs=96)
    assert rows[UNTOLD][1] == pytest.approx(rows["acme"][1])


def test_spans_are_widened_to_whole_hours(books: Books) -> None:
    made = books.statement(START_S + 10, START_S + 3700)
    assert (made.start_s, made.end_s) == (START_S, START_S + 7200)


def test_hours_tell_their_day(books: Books) -> None:
    days = books.by_time(books.statement(START_S, END_S), 86400)
    assert [start for start, _ in days] == [START_S + 86400 * day for day in range(DAYS)]


def test_energy_of_half_of_the_gpus_is_half_known(books: Books) -> None:
    made = books.statement(START_S, END_S)
    total = books.total(made)
    assert total.energy.known == pytest.approx(0.5)
    assert any(line.startswith("energy read for 50.0%") for line in missing(made, total))
    assert (total.energy.grams_co2 or 0) > 0


def test_a_span_that_was_not_metered_is_a_gap(books: Books) -> None:
    made = books.statement(START_S - 86400, START_S + 86400)
    assert missing(made, books.total(made))[0] == "metered for 50.0% of the time; the rest is not in any figure"


def test_budgets_stand(books: Books) -> None:
    all_of_it, chat = books.standings(END_S)
    assert all_of_it.spent_usd == pytest.approx(books.total(books.statement(START_S, END_S)).figures.total_usd)
    assert (all_of_it.state, chat.state) == (State.HEADING_OVER, State.OVER)


def test_savings_are_of_whole_days_and_are_played_once(books: Books) -> None:
    found = books.savings("chat", POLICIES["chat"], START_S + 60, END_S)
    assert {one.days for one in found} == {DAYS - 1}
    assert books.savings("chat", POLICIES["chat"], START_S + 60, END_S) is found
    assert books.savings("=code", POLICIES["=code"], START_S, END_S) == []


def test_names_in_the_fleet_file_that_are_not_there(books: Books) -> None:
    placed = CostSettings(pools={"gone": PlacementSettings(provider="AWS", sku="p5")})
    with pytest.raises(PriceError, match=r"cost\.pools: no pool 'gone'; there are h100-tp2, l4"):
        books_of(books.store, books.history, SERVICES, placed, {}, {})
    budget = CostSettings(budgets=[BudgetSettings(name="a", service="gone", usd_per_month=1)])
    with pytest.raises(PriceError, match=r"cost\.budgets: no service 'gone'"):
        books_of(books.store, books.history, SERVICES, budget, {}, {})
