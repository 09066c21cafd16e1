"""Prices: every one dated and sourced, chosen by provider, replaced by what people give."""

from __future__ import annotations

import pytest

from autoscaler.planning.prices import cheapest, shipped, with_prices
from runtime.catalog import CatalogError, hardware
from tests.autoscaler.planning.cases import offer


def test_every_shipped_price_has_a_known_gpu_a_date_and_a_source() -> None:
    for one in shipped():
        assert hardware.gpu(one.gpu).name == one.gpu
        assert one.date.startswith("202") and one.source and one.provider
        others = [price for price in (one.spot_usd, one.reserved_usd) if price is not None]
        assert all(0 < price < one.on_demand_usd for price in others)


def test_every_known_gpu_has_a_price() -> None:
    assert set(cheapest(shipped())) == set(hardware.GPUS)


def test_the_cheapest_on_demand_is_chosen() -> None:
    dear, cheap = offer(5.0, spot=1.0), offer(4.0)
    assert cheapest([dear, cheap]) == {"H100-SXM": cheap}


def test_a_provider_narrows_the_choice_without_regard_to_case() -> None:
    assert cheapest(shipped(), ["coreweave"])["H100-SXM"].spot_usd == 2.46375


def test_an_unknown_provider_is_answered_with_those_there_are() -> None:
    with pytest.raises(CatalogError, match=r"provider 'acm' is not in the price table; near names: Acme"):
        cheapest([offer()], ["acm"])


def test_a_given_price_stands_alone() -> None:
    made = with_prices({"H100-SXM": offer(3.0, spot=1.0, reserved=2.0)}, {"h100": 2.5}, {}, {})["H100-SXM"]
    assert (made.on_demand_usd, made.spot_usd, made.reserved_usd, made.provider) == (2.5, None, None, "given")


def test_spot_and_reserved_prices_are_put_into_an_offer() -> None:
    made = with_prices({"H100-SXM": offer()}, {}, {"H100": 1.0}, {"H100": 2.0})["H100-SXM"]
    assert (made.on_demand_usd, made.spot_usd, made.reserved_usd) == (3.0, 1.0, 2.0)


def test_a_spot_price_needs_one_on_demand() -> None:
    with pytest.raises(CatalogError, match="L4 has no price on demand"):
        with_prices({}, {}, {"L4": 0.2}, {})
