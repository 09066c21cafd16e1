"""llm-d WVA's queueing model: what one replica's latency is at a request rate, and which rate its targets allow.

Formulas from reference peers 5.1 with correction W3: a birth-death chain with state-dependent service, at most K
requests in the system. Times are milliseconds, rates inside requests per millisecond.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LOWEST_SHARE, HIGHEST_SHARE = 0.001, 0.999
"""Shares of the lowest and the highest service rate that bound the rates which may be asked about."""

TPS_SHARE = 0.9
"""Share of the highest rate that a target in tokens per second allows."""

TOLERANCE = 1e-6
MAX_BISECTIONS = 100


@dataclass(frozen=True, slots=True)
class Service:
    """One replica and its requests: ms per pass, per compute token and per memory token, and mean lengths in tokens."""

    alpha_ms: float
    beta_ms: float
    gamma_ms: float
    input_tokens: float
    output_tokens: float

    def pass_ms(self, batch: float) -> float:
        """One iteration with that many requests in service."""
        length_in, length_out = self.input_tokens, self.output_tokens
        compute = self.beta_ms * (length_in + length_out) / (length_out + 1)
        return self.alpha_ms + batch * (compute + self.gamma_ms * (length_in + length_out / 2))

    def prefill_ms(self, batch: float) -> float:
        """Prefill of one request, 0 without input."""
        if self.input_tokens == 0:
            return 0.0
        return self.pass_ms(batch) + (self.beta_ms + self.gamma_ms) * self.input_tokens

    def decode_ms(self, batch: float) -> float:
        """One output token of one request."""
        return self.pass_ms(batch) + self.beta_ms + self.gamma_ms * (self.input_tokens + self.output_tokens / 2)

    def rate_per_ms(self, batch: int) -> float:
        """Requests finished per ms with that many in service."""
        return batch / (self.prefill_ms(batch) + self.output_tokens * self.decode_ms(batch))


@dataclass(frozen=True, slots=True)
class Steady:
    """A chain in its steady state: mean number in system and in service, and requests per ms that get through."""

    in_system: float
    in_service: float
    throughput_per_ms: float


@dataclass(frozen=True, slots=True)
class Latency:
    """What a rate leads to."""

    throughput_per_ms: float
    wait_ms: float
    prefill_ms: float
    itl_ms: float
    in_service: float
    rho: float

    @property
    def ttft_ms(self) -> float:
        """Wait, prefill and the first token."""
        return self.wait_ms + self.prefill_ms + self.itl_ms


def steady(rate_per_ms: float, service_rates_per_ms: Sequence[float], places: int) -> Steady:
    """The chain with arrival ``rate``, service rate by number in service (the last holds beyond), and K ``places``."""
    servers = len(service_rates_per_ms)
    logs = [0.0]
    for count in range(1, places + 1):
        logs.append(logs[-1] + math.log(rate_per_ms / service_rates_per_ms[min(count, servers) - 1]))
    # The largest term is made 1, so that long chains neither overflow nor vanish.
    weights = [math.exp(value - max(logs)) for value in logs]
    total = sum(weights)
    in_system = sum(count * weight for count, weight in enumerate(weights)) / total
    in_service = sum(min(count, servers) * weight for count, weight in enumerate(weights)) / total
    return Steady(in_system, in_service, rate_per_ms * (1 - weights[-1] / total))


def mm1k(rate: float, service: float, places: int) -> tuple[float, float]:
    """Closed form for one server: mean number in system, and throughput in the unit of the rates."""
    load = rate / service
    if math.isclose(load, 1.0):
        return places / 2, rate * places / (places + 1)
    full = (1 - load) * load**places / (1 - load ** (places + 1))
    in_system = load / (1 - load) - (places + 1) * load ** (places + 1) / (1 - load ** (places + 1))
    return in_system, rate * (1 - full)


@dataclass(frozen=True, slots=True)
class Analyser:
    """A replica that serves ``max_batch`` requests at once and queues ``max_queue`` more; ValueError if impossible."""

    service: Service
    max_batch: int
    max_queue: int

    def __post_init__(self) -> None:
        if self.max_batch <= 0 or self.max_queue < 0:
            raise ValueError(f"max_batch {self.max_batch} must be positive, max_queue {self.max_queue} not negative")
        if self.service.input_tokens < 0 or self.service.output_tokens < 1:
            raise ValueError(
                f"input_tokens {self.service.input_tokens} must not be negative, "
                f"output_tokens {self.service.output_tokens} at least 1"
            )

    @property
    def rates_per_ms(self) -> tuple[float, float]:
        """Lowest and highest rate that may be asked about."""
        slowest, fastest = self.service.rate_per_ms(1), self.service.rate_per_ms(self.max_batch)
        return slowest * LOWEST_SHARE, fastest * HIGHEST_SHARE

    def evaluate(self, rate_per_ms: float) -> Latency:
        """Latency at a rate, whatever the rate."""
        rates = [self.service.rate_per_ms(batch) for batch in range(1, self.max_batch + 1)]
        state = steady(rate_per_ms, rates, self.max_queue + self.max_batch)
        served_ms = state.in_service / state.throughput_per_ms
        wait_ms = max(0.0, state.in_system / state.throughput_per_ms - served_ms)
        prefill_ms = self.service.prefill_ms(state.in_service)
        itl_ms = (served_ms - prefill_ms) / self.service.output_tokens
        rho = state.in_service / self.max_batch
        return Latency(state.throughput_per_ms, wait_ms, prefill_ms, itl_ms, state.in_service, rho)

    def analyse(self, rate_per_ms: float) -> Latency:
        """Latency at a rate; ValueError for one that is not positive or above the highest."""
        if not 0 < rate_per_ms <= self.rates_per_ms[1]:
            raise ValueError(f"rate {rate_per_ms}/ms is outside 0..{self.rates_per_ms[1]}/ms")
        return self.evaluate(rate_per_ms)

    def size(self, ttft_ms: float, itl_ms: float, tps: float) -> Sizes:
        """The rates that each target allows; 0 switches a target off, ValueError if one cannot be met at any rate."""
        if min(ttft_ms, itl_ms, tps) < 0:
            raise ValueError(f"targets must not be negative: ttft {ttft_ms} ms, itl {itl_ms} ms, {tps} tokens/s")
        highest = self.rates_per_ms[1]
        return Sizes(
            self._rate_for(ttft_ms, lambda rate: self.evaluate(rate).ttft_ms),
            self._rate_for(itl_ms, lambda rate: self.evaluate(rate).itl_ms),
            highest * TPS_SHARE if tps > 0 else highest,
        )

    def _rate_for(self, target: float, latency: Callable[[float], float]) -> float:
        low, high = self.rates_per_ms
        if target == 0:
            return high
        rate, side = bisect(low, high, target, latency)
        if side < 0:
            raise ValueError(f"a target of {target} ms cannot be met at any rate")
        return rate


@dataclass(frozen=True, slots=True)
class Sizes:
    """Requests per ms that each target allows."""

    ttft_per_ms: float
    itl_per_ms: float
    tps_per_ms: float

    @property
    def rate_per_ms(self) -> float:
        """What all of them allow."""
        return min(self.ttft_per_ms, self.itl_per_ms, self.tps_per_ms)


def within(value: float, target: float, tolerance: float) -> bool:
    """Equal, or relatively within ``tolerance`` of a target that is not 0."""
    return value == target or (target != 0 and abs((value - target) / target) <= tolerance)


def bisect(
    low: float, high: float, target: float, function: Callable[[float], float], tolerance: float = TOLERANCE
) -> tuple[float, int]:
    """Where a monotone function meets ``target``: the place, and -1, 0 or 1 for below, inside or above the range."""
    at_low, at_high = function(low), function(high)
    for place, value in ((low, at_low), (high, at_high)):
        if within(value, target, tolerance):
            return place, 0
    sign = 1 if at_low < at_high else -1
    if sign * target < sign * at_low:
        return low, -1
    if sign * target > sign * at_high:
        return high, 1
    middle = (low + high) / 2
    for _ in range(MAX_BISECTIONS):
        value = function(middle)
        if within(value, target, tolerance):
            break
        low, high = (low, middle) if sign * target < sign * value else (middle, high)
        middle = (low + high) / 2
    return middle, 0
