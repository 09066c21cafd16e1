"""What a GPU costs an hour: dated offers of named providers, on demand, spot and reserved, never a constant per type.

The same chip is rented at prices that differ by four times, so every figure says who asks it and when it was read. The
shipped table (``data/prices.csv``) is a start: whoever has a quote gives it (``with_prices``).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

from runtime.catalog import CatalogError, hardware
from runtime.catalog.names import near

GIVEN = "given"


@dataclass(frozen=True, slots=True)
class Offer:
    """One way to rent a GPU type, USD per GPU-hour. None where the provider lists no such price.

    ``reserved_usd`` is paid for every hour of a commitment, used or not.
    """

    gpu: str
    provider: str
    sku: str
    region: str
    on_demand_usd: float
    spot_usd: float | None
    reserved_usd: float | None
    date: str
    source: str

    @property
    def words(self) -> str:
        """Provider, product and date, as people say it."""
        return " ".join(part for part in (self.provider, self.sku, self.date) if part)


@cache
def shipped() -> tuple[Offer, ...]:
    """The table that ships, read once."""
    with (files("autoscaler.planning") / "data" / "prices.csv").open(encoding="utf-8") as file:
        return tuple(_offer(row) for row in csv.DictReader(file))


def _offer(row: Mapping[str, str]) -> Offer:
    spot, reserved = (float(row[name]) if row[name] else None for name in ("spot_usd", "reserved_usd"))
    words = (row["gpu"], row["provider"], row["sku"], row["region"])
    return Offer(*words, float(row["on_demand_usd"]), spot, reserved, row["date"], row["source"])


def cheapest(offers: Iterable[Offer], providers: Sequence[str] = ()) -> dict[str, Offer]:
    """By GPU type the offer with the lowest price on demand, of those providers alone if any are named.

    Raises CatalogError for a provider that has no offer, with the ones that have.
    """
    offers = list(offers)
    known = {offer.provider.lower(): offer.provider for offer in offers}
    for name in providers:
        if name.lower() not in known:
            raise CatalogError(f"provider {name!r} is not in the price table; {near(name, known.values(), len(known))}")
    wanted = {name.lower() for name in providers} or set(known)
    chosen: dict[str, Offer] = {}
    for offer in sorted(offers, key=lambda o: o.on_demand_usd):
        if offer.provider.lower() in wanted:
            chosen.setdefault(offer.gpu, offer)
    return chosen


def with_prices(
    offers: Mapping[str, Offer],
    on_demand: Mapping[str, float],
    spot: Mapping[str, float],
    reserved: Mapping[str, float],
) -> dict[str, Offer]:
    """Offers by GPU type with given prices put in, USD per GPU-hour.

    A given price on demand makes an offer of its own: the provider's spot and reserved prices do not come with it.
    Raises CatalogError for an unknown GPU, and for a spot or reserved price of a GPU that has no price on demand.
    """
    made = dict(offers)
    for name, usd in on_demand.items():
        gpu = hardware.gpu(name).name
        made[gpu] = Offer(gpu, GIVEN, "", "", usd, None, None, "", "given on the command line")
    for name, usd in spot.items():
        offer = _priced(made, name)
        made[offer.gpu] = replace(offer, spot_usd=usd)
    for name, usd in reserved.items():
        offer = _priced(made, name)
        made[offer.gpu] = replace(offer, reserved_usd=usd)
    return made


def _priced(offers: Mapping[str, Offer], name: str) -> Offer:
    offer = offers.get(hardware.gpu(name).name)
    if offer is None:
        raise CatalogError(f"{name} has no price on demand; give that one, too")
    return offer
