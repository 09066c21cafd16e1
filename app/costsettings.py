"""The parts of ``fleet.yaml`` about money: what GPU time is bought as, budgets, and reports that send themselves.

Everything is optional. Without it every pool costs what its ``price_usd_per_gpu_hour`` says. Secrets never stand here:
a webhook's address or a mail password comes from an environment variable that is named.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from app.section import Section
from autoscaler.cost.account import Placement, Terms
from autoscaler.cost.book import PriceRow, Purchase, Sku, read_csv, shipped_book
from autoscaler.cost.budget import Budget
from autoscaler.cost.commitments import Commitment
from autoscaler.cost.energy import Grid


class SkuSettings(Section):
    """What is rented, and from whom."""

    provider: str = Field(min_length=1, description="Who rents it out, such as AWS.")
    region: str = Field("", description="Region, as the provider calls it.")
    sku: str = Field(min_length=1, description="The provider's name of the machine, such as p5.48xlarge.")

    def value(self) -> Sku:
        """As prices are looked up by."""
        return Sku(self.provider, self.region, self.sku)


class PlacementSettings(SkuSettings):
    """What a pool is bought as."""

    purchase: Purchase = Field(Purchase.ON_DEMAND, description="on-demand, spot or reserved.")


class PriceSettings(SkuSettings):
    """A price that holds from a day on, until a later one."""

    gpu: str = Field(min_length=1, description="GPU type, such as H100.")
    purchase: Purchase = Field(Purchase.ON_DEMAND, description="on-demand, spot or reserved.")
    usd_per_gpu_hour: float = Field(ge=0, lt=1e6, description="US dollars per GPU-hour.")
    since: date = Field(description="First day that it holds, UTC.")
    source: str = Field(min_length=1, description="Where the price was read.")

    def row(self) -> PriceRow:
        """As a row of the price book."""
        return PriceRow(self.value(), self.gpu, self.purchase, self.usd_per_gpu_hour, self.since, self.source)


class CommitmentSettings(SkuSettings):
    """GPUs that are paid for whether they are used or not."""

    name: str = Field(min_length=1, description="Name of the commitment.")
    gpus: int = Field(ge=1, le=1_000_000, description="GPUs committed to.")
    usd_per_gpu_hour: float = Field(ge=0, lt=1e6, description="US dollars per GPU-hour, used or not.")
    start: date = Field(description="First day, UTC.")
    end: date = Field(description="First day after it, UTC.")

    @model_validator(mode="after")
    def ordered(self) -> CommitmentSettings:
        """It ends after it starts."""
        if not self.start < self.end:
            raise ValueError(f"start {self.start} is not before end {self.end}; give an earlier start")
        return self

    def commitment(self) -> Commitment:
        """The value that costs are worked out by."""
        return Commitment(self.name, self.value(), self.gpus, self.usd_per_gpu_hour, _utc(self.start), _utc(self.end))


class CarbonSettings(Section):
    """What a kilowatt-hour means for the climate, by region."""

    grams_co2_per_kwh: dict[str, float] = Field(
        default_factory=dict,
        description="Grams of CO2 equivalent per kWh by region; the key default is for all others.",
    )
    pue: float = Field(1.2, ge=1, le=5, description="Power of the building over that of its machines.")

    def grid(self, region: str) -> Grid | None:
        """Of a region; None where nothing is given for it."""
        grams = self.grams_co2_per_kwh.get(region, self.grams_co2_per_kwh.get("default"))
        return None if grams is None else Grid(grams, self.pue)


class BudgetSettings(Section):
    """Dollars per calendar month."""

    name: str = Field(min_length=1, description="Name of the budget.")
    service: str | None = Field(None, description="The service that it is for; the whole fleet if absent.")
    usd_per_month: float = Field(gt=0, description="US dollars per calendar month (UTC).")
    alert_at: float = Field(0.8, gt=0, le=1, description="Share of it at which it counts as nearly spent.")

    def budget(self) -> Budget:
        """The value that is held against what was spent."""
        return Budget(self.name, self.usd_per_month, self.service, self.alert_at)


class CostSettings(Section):
    """What GPU time costs beyond each pool's own price."""

    price_book: Path | None = Field(None, description="CSV file of prices: provider,region,sku,gpu,purchase,…")
    prices: list[PriceSettings] = Field(default_factory=list, description="prices, dated and with their source")
    pools: dict[str, PlacementSettings] = Field(default_factory=dict, description="what each pool is bought as")
    commitments: list[CommitmentSettings] = Field(default_factory=list, description="reserved GPUs")
    platform_usd_per_hour: float = Field(
        0.0, ge=0, lt=1e6, description="What runs besides (routers, control plane, storage), US dollars per hour."
    )
    carbon: CarbonSettings = CarbonSettings()
    budgets: list[BudgetSettings] = Field(default_factory=list, description="dollars per month")

    def terms(self) -> Terms:
        """The value that accounts are made by; raises PriceError where the price file cannot be used."""
        read = () if self.price_book is None else read_csv(self.price_book)
        return Terms(
            book=shipped_book().with_rows([*read, *(price.row() for price in self.prices)]),
            placements={pool: Placement(bought.value(), bought.purchase) for pool, bought in self.pools.items()},
            commitments=tuple(one.commitment() for one in self.commitments),
            platform_usd_per_hour=self.platform_usd_per_hour,
        )


class EmailSettings(Section):
    """A mail server and who gets the mail."""

    to: list[str] = Field(min_length=1, description="Addresses of the receivers.")
    sender: str = Field(min_length=3, description="Address of the sender.")
    host: str = Field(min_length=1, description="Mail server.")
    port: int = Field(587, ge=1, le=65535, description="TCP port.")
    security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="none is for a server on loopback only."
    )
    user: str | None = Field(None, description="Name to log in with; no login if absent.")
    password_env: str | None = Field(None, description="Environment variable that holds the password.")


class WebhookSettings(Section):
    """An address that a message is posted to; Slack's incoming webhooks take its form."""

    url_env: str = Field(min_length=1, description="Environment variable that holds the address.")
    private: bool = Field(False, description="Allow an address within private networks.")


class DeliverySettings(Section):
    """Where reports go; both is possible."""

    email: EmailSettings | None = None
    webhook: WebhookSettings | None = None


class ScheduledReport(Section):
    """A report that is made and sent by itself when its period is over."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="Name of the report.")
    every: Literal["day", "week", "month"] = Field(
        "week", description="Its period: UTC days, weeks from Monday, months."
    )
    hour: int = Field(6, ge=0, le=23, description="Hour (UTC) of the next day at which it is sent.")
    deliver: DeliverySettings = DeliverySettings()

    @model_validator(mode="after")
    def delivered(self) -> ScheduledReport:
        """It goes somewhere."""
        if self.deliver.email is None and self.deliver.webhook is None:
            raise ValueError("deliver is empty; give email or webhook")
        return self


def _utc(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
