"""From scrapes to one observation per service: what came, what was served, how fast, and how sure of it we
are.

Pure. Demand is counted at the engines and the gateway, so that it does not shrink when a fleet saturates:
completed + growth of running, waiting and held + rejected. Where some replicas are missing and few enough
for the observation to be valid, sums are scaled up from those that were seen, since a missing number is not
a zero; where the observation is not valid, sums are those of the replicas seen: a lower bound.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from collectors.health import gpu_use
from collectors.histograms import added, quantiles, square_sum
from collectors.intervals import NOTHING_NEW, Interval, intervals
from collectors.observation import Gap, Histogram, Observation, ReplicaSample, Scrape

__all__ = ["LengthMemory", "gpu_use", "observe"]

MISSING_SHARE = 0.2
"""More of the expected engines missing than this and nobody may scale in on the observation."""

LENGTHS_OVER_S = 300.0
"""Time constant of the mean lengths: some minutes of requests, as lengths are heavy-tailed."""


@dataclass(frozen=True, slots=True)
class LengthMemory:
    """Exponentially forgotten sums over the last minutes of requests; times without requests forget
    nothing.
    """

    started: float = 0.0
    input_tokens: float = 0.0
    finished: float = 0.0
    output_tokens: float = 0.0
    measured: float = 0.0
    output_squares: float = 0.0

    @property
    def mean_input_tokens(self) -> float | None:
        """Prompt tokens per request, cached ones included."""
        return self.input_tokens / self.started if self.started > 0 else None

    @property
    def mean_output_tokens(self) -> float | None:
        """Generated tokens per request."""
        return self.output_tokens / self.finished if self.finished > 0 else None

    @property
    def output_tokens_second_moment(self) -> float | None:
        """Mean square of the generated tokens per request, from the histogram of lengths."""
        return self.output_squares / self.measured if self.measured > 0 else None


def observe(
    service: str, expected: Sequence[str], previous: Scrape | None, current: Scrape, lengths: LengthMemory
) -> tuple[Observation, LengthMemory]:
    """The observation of a service between two scrapes, and what is remembered of lengths.

    ``expected`` names every replica that may hold requests or could take them: active, draining, standby
    and asleep. A replica that neither the earlier scrape nor its gaps know is new and counts from zero.
    One that its source has not read again since (Prometheus scrapes each at a moment of its own) is not
    missing: the others stand for it.
    """
    interval_s = current.at_s - previous.at_s if previous else 0.0
    seen = [s for name in expected if (s := current.replicas.get(name)) and s.running is not None]
    spans, own_gaps = intervals(expected, previous, current)
    gate, gate_gaps = _gateway(service, previous, current)
    known = len(spans) + sum(gap.reason == NOTHING_NEW for gap in own_gaps)
    enough = bool(spans or (gate and not expected)) and known >= (1 - MISSING_SHARE) * len(expected)
    valid = interval_s > 0 and not gate_gaps and enough
    scale = len(expected) / len(spans) if valid and spans else 1.0
    passing = tuple(gap for gap in current.gaps if gap.subject in {service, *expected})
    lengths = _remember(lengths, spans.values())
    seconds = max(interval_s, 1e-9)
    ended, kept = _kept(gate)
    observation = Observation(
        service=service,
        at_s=current.at_s,
        interval_s=interval_s,
        valid=valid,
        gaps=passing + own_gaps + gate_gaps,
        replicas_seen=len(seen),
        replicas_expected=len(expected),
        arrivals_per_s=_arrivals(spans.values(), scale, gate, seconds) if interval_s > 0 else None,
        rejected_per_s=_rejected(spans.values(), scale, gate, seconds) if interval_s > 0 else None,
        input_tokens_per_s=_rate(spans.values(), scale, "input_tokens"),
        cached_tokens_per_s=_rate(spans.values(), scale, "cached_tokens"),
        output_tokens_per_s=_rate(spans.values(), scale, "output_tokens"),
        completed_per_s=_rate(spans.values(), scale, "completed"),
        preemptions_per_s=_rate(spans.values(), scale, "preemptions"),
        mean_input_tokens=lengths.mean_input_tokens,
        mean_output_tokens=lengths.mean_output_tokens,
        output_tokens_second_moment=lengths.output_tokens_second_moment,
        held=gate.held if gate else None,
        ended_per_s=ended / seconds if ended is not None else None,
        attained_per_s=kept / seconds if kept is not None else None,
    )
    return _with_latencies(_with_gauges(observation, seen), spans.values()), lengths


@dataclass(frozen=True, slots=True)
class _Gate:
    """The gateway over the interval; growth is None where it was not seen at both ends."""

    held: float
    held_growth: float | None
    rejected: float | None
    arrived: float | None
    ended: float | None = None
    attained: float | None = None


def _gateway(service: str, previous: Scrape | None, current: Scrape) -> tuple[_Gate | None, tuple[Gap, ...]]:
    """The gateway's part, and a gap where it ought to have been seen and was not: nobody knows then what
    waits.
    """
    now = current.gateway.get(service)
    before = previous.gateway.get(service) if previous else None
    if now is None:
        lost = before is not None or any(gap.subject == "gateway" for gap in current.gaps)
        return None, (Gap(service, "gateway not seen"),) if lost else ()
    if before is None:
        return _Gate(now.held, None, None, None), ()
    names = ("rejected", "arrived", "ended", "attained")
    growth = {name: _since(getattr(now, name), getattr(before, name)) for name in names}
    return _Gate(now.held, now.held - before.held, **growth), ()


def _since(now: float | None, before: float | None) -> float | None:
    """Growth of a counter; what it counts since it restarted where it fell."""
    if now is None or before is None:
        return None
    return now - before if now >= before else now


def _kept(gate: _Gate | None) -> tuple[float | None, float | None]:
    """Requests that ended, and those of them that kept the promise, by the router; nothing unless it counts both."""
    if gate is None or gate.ended is None or gate.attained is None:
        return None, None
    return gate.ended, min(gate.ended, gate.attained)


def _rate(spans: Iterable[Interval], scale: float, *names: str) -> float | None:
    rates = [rate for span in spans if (rate := span.per_s(*names)) is not None]
    return scale * sum(rates) if rates else None


def _arrivals(spans: Iterable[Interval], scale: float, gate: _Gate | None, seconds: float) -> float | None:
    """Requests per second; from the gateway's own count where the engines do not count completions."""
    engines = _rate(spans, scale, "completed", "aborted", "running", "waiting", "rejected")
    if gate is None:
        return None if engines is None else max(0.0, engines)
    if engines is None and gate.arrived is not None:
        return gate.arrived / seconds
    if engines is None and gate.held_growth is None:
        return None
    return max(0.0, (engines or 0.0) + ((gate.held_growth or 0.0) + (gate.rejected or 0.0)) / seconds)


def _rejected(spans: Iterable[Interval], scale: float, gate: _Gate | None, seconds: float) -> float | None:
    engines = _rate(spans, scale, "rejected")
    gateway = gate.rejected / seconds if gate and gate.rejected is not None else None
    return None if engines is None and gateway is None else (engines or 0.0) + (gateway or 0.0)


def _with_gauges(observation: Observation, seen: Sequence[ReplicaSample]) -> Observation:
    """What is true at the end of the interval, whether or not a replica had been seen at its start."""
    if not seen:
        return observation
    scale = observation.replicas_expected / len(seen) if observation.valid else 1.0
    used = [s.kv_usage_ratio for s in seen if s.kv_usage_ratio is not None and not s.sleeping]
    return replace(
        observation,
        running=scale * sum(s.running for s in seen if s.running is not None),
        waiting=scale * sum(s.waiting for s in seen if s.waiting is not None),
        kv_usage_ratio=sum(used) / len(used) if used else None,
        kv_usage_max_ratio=max(used, default=None),
    )


def _with_latencies(observation: Observation, spans: Iterable[Interval]) -> Observation:
    """Latencies of the interval; the time between tokens stands in for TPOT where an engine has no such
    histogram.
    """
    ttft, odd_ttft = added(_of(spans, "ttft"))
    tpot, odd_tpot = added(_of(spans, "tpot") or _of(spans, "itl"))
    odd = {"ttft": odd_ttft, "tpot": odd_tpot}
    gaps = tuple(
        Gap(observation.service, f"{name}: {count} replicas with other bounds are left out")
        for name, count in odd.items()
        if count
    )
    return replace(
        observation,
        gaps=observation.gaps + gaps,
        ttft=ttft,
        tpot=tpot,
        ttft_s=quantiles(ttft),
        tpot_s=quantiles(tpot) | _token_mean(spans),
    )


def _token_mean(spans: Iterable[Interval]) -> dict[str, float]:
    """Mean time between tokens, over all tokens of the interval: under ``mean``, where there were any."""
    gaps, _ = added(_of(spans, "itl") or _of(spans, "tpot"))
    return {"mean": gaps.total / gaps.counts[-1]} if gaps and gaps.counts[-1] > 0 else {}


def _of(spans: Iterable[Interval], name: str) -> list[Histogram]:
    return [span.histograms[name] for span in spans if name in span.histograms]


def _remember(lengths: LengthMemory, spans: Iterable[Interval]) -> LengthMemory:
    """Forget by the time passed and add what the interval brought.

    Input counts over requests that started (completed + aborted + growth of running): engines count prompt
    tokens when they read them. Output counts over requests that finished, exactly where there is a
    histogram of lengths.
    """
    new = [_lengths(span) for span in spans if "completed" in span.growth]
    started, finished = (max(0.0, sum(getattr(n, name) for n in new)) for name in ("started", "finished"))
    if not started and not finished:
        return lengths
    keep = math.exp(-max(span.seconds for span in spans) / LENGTHS_OVER_S)
    return LengthMemory(
        started=keep * lengths.started + started,
        input_tokens=keep * lengths.input_tokens + sum(n.input_tokens for n in new),
        finished=keep * lengths.finished + finished,
        output_tokens=keep * lengths.output_tokens + sum(n.output_tokens for n in new),
        measured=keep * lengths.measured + sum(n.measured for n in new),
        output_squares=keep * lengths.output_squares + sum(n.output_squares for n in new),
    )


def _lengths(span: Interval) -> LengthMemory:
    """What one interval alone says about lengths."""
    ended = span.growth["completed"] + span.growth.get("aborted", 0.0)
    inputs = span.growth.get("input_tokens")
    started = 0.0 if inputs is None else ended + span.growth.get("running", 0.0)
    measured = span.histograms.get("output_lengths")
    if measured is None:
        tokens = span.growth.get("output_tokens")
        return LengthMemory(started, inputs or 0.0, 0.0 if tokens is None else ended, tokens or 0.0)
    count = measured.counts[-1]
    return LengthMemory(started, inputs or 0.0, count, measured.total, count, square_sum(measured))
