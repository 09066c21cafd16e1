"""Dollars per million tokens in four figures that are never mixed up, and what each kind of token takes of them.

- *marginal*: what the tokens would have cost on replicas run at saturation (ρ_max), the price of one more;
- *serving*: what was in rotation;
- *fully loaded*: everything, with idle, standby, moving, unused and platform cost attributed;
- *waste share*: the part of fully loaded that is not serving.

Tokens are prompt and answer together, cached ones among them, as engines count. Kinds of tokens share a cost by the
work they cause under the pool's step-time law (DESIGN 4): an uncached prompt token its prefill and its being read at
every decode step, a cached one only the reading, an answer token its decoding. With I uncached, C cached and O answer
tokens a request: ``p·I + k·I·O``, ``k·C·O`` and ``O·(1000·b + k·O/2)``, all over 1000, ms.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from autoscaler.cost.account import PARTS, Sums
from autoscaler.cost.meter import Used
from autoscaler.cost.money import usd
from runtime.pool import StepTime

NEARLY_ALL = 0.999
"""A share of the time above which nothing is said to be missing."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens and requests of a span. ``input`` has cached ones in it; ``cached`` is None where nobody counted them.

    ``known`` and ``cached_known`` are the shares of the metered time in which they were counted.
    """

    input: float = 0.0
    cached: float | None = None
    output: float = 0.0
    requests: float = 0.0
    known: float | None = None
    cached_known: float | None = None

    @property
    def total(self) -> float:
        """Prompts and answers."""
        return self.input + self.output


@dataclass(frozen=True, slots=True)
class Split:
    """How a cost divides among kinds of tokens; the shares sum to 1."""

    input: float
    cached: float
    output: float


@dataclass(frozen=True, slots=True)
class Figures:
    """A span's cost, and USD per million tokens; None where it is not known. ``marginal_usd`` is of the whole span,
    extrapolated from the share ``load_known`` of the active cost whose load was seen.
    """

    total_usd: float
    parts_usd: dict[str, float]
    gpu_hours: float
    marginal_usd: float | None
    load_known: float | None
    marginal_per_million_usd: float | None
    serving_per_million_usd: float | None
    fully_loaded_per_million_usd: float | None
    waste_share: float | None


def tokens_of(rows: Iterable[Used]) -> Tokens:
    """The sum of some hours."""
    chosen = list(rows)
    ms, known = sum(row.ms for row in chosen), sum(row.tokens_ms for row in chosen)
    cached_ms = sum(row.cached_ms for row in chosen)
    return Tokens(
        input=sum(row.input_tokens for row in chosen),
        cached=sum(row.cached_tokens for row in chosen) if cached_ms else None,
        output=sum(row.output_tokens for row in chosen),
        requests=sum(row.requests for row in chosen),
        known=known / ms if ms else None,
        cached_known=cached_ms / ms if ms else None,
    )


def figures(sums: Sums, tokens: Tokens) -> Figures:
    """The four figures of some lines of an account, for the tokens of the same span and services."""
    parts = dict(zip(PARTS, sums.parts, strict=True))
    whole, active, seen, enough = sums.nano, parts["active"], sums.seen_nano, sums.marginal_nano
    marginal = active * (enough / seen) if seen else None
    return Figures(
        total_usd=usd(whole),
        parts_usd={name: usd(nano) for name, nano in parts.items()},
        gpu_hours=sums.charged_ms / 3.6e6,
        marginal_usd=None if marginal is None else marginal / 1e9,
        load_known=seen / active if active else None,
        marginal_per_million_usd=None if marginal is None else _per_million(marginal, tokens),
        serving_per_million_usd=_per_million(active, tokens),
        fully_loaded_per_million_usd=_per_million(whole, tokens),
        waste_share=1 - active / whole if whole else None,
    )


def _per_million(nano: float, tokens: Tokens) -> float | None:
    """No tokens, no price; where only a part of the time was counted, the cost of that part is divided."""
    if tokens.total <= 0 or not tokens.known:
        return None
    return nano * tokens.known / 1e3 / tokens.total


def split(tokens: Tokens, step: StepTime) -> Split | None:
    """Shares of the work by kind of token; None where there are no requests to take means over."""
    if tokens.requests <= 0 or tokens.total <= 0:
        return None
    cached = (tokens.cached or 0.0) / tokens.requests
    fresh = max(0.0, tokens.input / tokens.requests - cached)
    answer = tokens.output / tokens.requests
    k = step.k_ms_per_1k_kv_tokens / 1000
    prompt = step.p_ms_per_1k_prefill_tokens / 1000 * fresh + k * fresh * answer
    again = k * cached * answer
    decode = answer * (step.b_ms_per_seq + k * answer / 2)
    whole = prompt + again + decode
    return Split(prompt / whole, again / whole, decode / whole) if whole > 0 else None


def gaps(tokens: Tokens, made: Figures, span_ms: int, metered_ms: int) -> list[str]:
    """What is not known of a span, each in a few words; empty where everything is."""
    found = []
    if span_ms > 0 and metered_ms < NEARLY_ALL * span_ms:
        found.append(f"metered for {metered_ms / span_ms:.1%} of the time; the rest is not in any figure")
    if tokens.known is not None and tokens.known < NEARLY_ALL:
        found.append(f"tokens known for {tokens.known:.1%} of the metered time; prices are of that part")
    if tokens.cached is None and tokens.total > 0:
        found.append("cached tokens are not reported; they count as uncached input")
    if made.load_known is not None and made.load_known < NEARLY_ALL:
        found.append(f"load seen for {made.load_known:.1%} of the active cost; marginal is extrapolated from it")
    return found
